"""Why the library refuses: a `code` for machines, a sentence for people."""

from __future__ import annotations

from runbooks.refused import Refused


class LibraryError(Refused, ValueError):
    """Something the library does not do; nothing was changed."""


class StaleDraft(LibraryError):
    """Somebody else changed the draft meanwhile; `text` is what you wanted to save, untouched.

    It is None for who wanted to save nothing: to submit the draft, or to publish it.
    """

    def __init__(self, *, editor: str, revision: int, text: str | None = None) -> None:
        advice = (
            "nothing was done with it. Read what is new, then decide."
            if text is None
            else "your text was not saved. Compare the two and save again."
        )
        super().__init__("draft_changed", f"{editor} changed this draft meanwhile; {advice}")
        self.editor = editor
        self.revision = revision
        self.text = text or ""
