"""Steps and documents made of the few facts a test is about."""

from __future__ import annotations

from datetime import date
from typing import Any

from runbooks.library.document import RunbookDocument, RunbookStep


def make_step(id: str, kind: str = "instruction", **facts: Any) -> RunbookStep:
    """Make one step; whatever is not said is empty."""
    plain: dict[str, Any] = {
        "id": id,
        "number": 1,
        "title": f"Do {id}",
        "kind": kind,
        "body": "",
        "expect": "",
        "unit": "",
        "minimum": None,
        "maximum": None,
        "is_mandatory": False,
        "is_destructive": False,
        "who": "either",
        "metric": "",
    }
    return RunbookStep(**(plain | facts))


def make_document(*steps: RunbookStep, **facts: Any) -> RunbookDocument:
    """Make a runbook of these steps, numbered as they come."""
    numbered = tuple(
        RunbookStep(
            **{name: getattr(step, name) for name in RunbookStep.__slots__ if name != "number"},
            number=number,
        )
        for number, step in enumerate(steps, start=1)
    )
    plain: dict[str, Any] = {
        "slug": "book",
        "title": "Book",
        "category": "general",
        "matches": (),
        "owner": "Facilities",
        "review_by": date(2031, 1, 1),
        "minutes": 20,
        "language": "en",
        "meaning": "Something is wrong at {{ site.name }}.",
        "impact": "Answers get slower.",
        "safety": "Touch nothing that hums.",
        "verify": "The value is back.",
        "escalate": "Call the owner.",
        "source": "",
    }
    return RunbookDocument(**(plain | {"steps": numbered} | facts))
