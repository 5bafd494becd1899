"""What others' programs really said, captured; kept beside the checkout, never in it."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "paging"


def captured_text(name: str) -> str:
    """Return a capture as text; the test is skipped where the captures are not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"The capture {name} is not beside this checkout (../shared/data/paging).")
    return path.read_text(encoding="utf-8")
