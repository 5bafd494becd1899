"""Whether a scanned code is the one its step waits for: the server's word, a device's beside it.

A device without a network says so itself, and may be wrong: it is of an older program, or somebody
changed it. The log keeps what it said where that differs. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from runbooks.library.document import RunbookStep, code_to_scan
from runbooks.runs.checks import Draft, Kind, text_of
from runbooks.runs.visible import visible_text

#: What the device said, where it said something else; only the server writes it.
DEVICE_WORD: Final = "device_is_match"


def with_visible_code(draft: Draft, step: RunbookStep | None) -> Draft:
    """Return a scan with its code's control characters made visible.

    NUL stays, and is refused: no label holds it, and what a device sends by mistake is looked at.
    """
    code = draft.input.get("code")
    if not _is_scan(draft, step) or not isinstance(code, str) or "\0" in code:
        return draft
    return replace(draft, input={**draft.input, "code": visible_text(code)})


def judge_scan(draft: Draft, step: RunbookStep | None, values: Mapping[str, str | None]) -> Draft:
    """Return the draft with the server's own `is_match`; what is no scan comes back as it is.

    A step that takes any code has no match to speak of.
    """
    if step is None or not _is_scan(draft, step):
        return draft
    said = {name: value for name, value in draft.input.items() if name != DEVICE_WORD}
    claimed = said.pop("is_match", None)
    expected = code_to_scan(step, values)
    is_match = text_of(draft, "code") == expected if expected else None
    if is_match is not None:
        said["is_match"] = is_match
    if claimed is not None and claimed != is_match:
        said[DEVICE_WORD] = claimed
    return replace(draft, input=said)


def _is_scan(draft: Draft, step: RunbookStep | None) -> bool:
    return step is not None and step.kind == "scan" and draft.kind == Kind.STEP_DONE


def scan_difference(said: Mapping[str, Any]) -> str:
    """Return in a few words that the device judged a scan otherwise; empty where it did not."""
    claimed = said.get(DEVICE_WORD)
    if claimed is None:
        return ""
    return f"the device took it for {'the right' if claimed is True else 'another'} code"
