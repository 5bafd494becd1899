"""Why holding something back is refused: a `code` for machines, a sentence for people. Pure."""

from __future__ import annotations

from runbooks.refused import Refused


class SuppressionError(Refused, ValueError):
    """What was asked for cannot be held back that way; nothing was changed."""


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
