"""Why holding something back is refused: a `code` for machines, a sentence for people. Pure."""

from __future__ import annotations


class SuppressionError(ValueError):
    """What was asked for cannot be held back that way; nothing was changed."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class MatcherError(SuppressionError):
    """A condition on labels that cannot be read or applied."""


class SilenceError(SuppressionError):
    """A silence that cannot be made or changed."""


class MaintenanceError(SuppressionError):
    """A maintenance window that cannot be planned."""


class ShelfError(SuppressionError):
    """An alert that cannot be shelved or taken from the shelf."""


class InhibitionError(SuppressionError):
    """An inhibition rule that cannot be kept."""
