"""What a draft is called, whatever its text."""

from __future__ import annotations

import re

from runbooks.models import RunbookDraft

_TITLE = re.compile(r"^title[ \t]*:[ \t]*[\"']?(.*?)[\"']?$", re.MULTILINE)
_LONGEST = 120


def title_of(draft: RunbookDraft) -> str:
    """Return the title in the draft's text, else its runbook's, else words for a new one."""
    found = _TITLE.search(draft.source[:4_000])
    said = found[1].strip()[:_LONGEST] if found else ""
    return said or (draft.runbook.title if draft.runbook else "New runbook")
