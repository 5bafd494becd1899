"""What every refusal is: a `code` for machines, a sentence for people. Pure."""

from __future__ import annotations


class Refused(Exception):
    """Something that was asked for and is not done; nothing was changed.

    The sentence says what happened and what to do.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence
