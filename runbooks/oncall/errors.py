"""What can go wrong with a schedule: a code for machines, a sentence for people."""

from __future__ import annotations


class OnCallError(Exception):
    """A schedule cannot be changed like that; nothing was changed."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence
