"""Whose turn it is: the worst alert first, of equals a site's first page, notices last."""

from __future__ import annotations

from typing import Final

from django.db.models import Case, F, IntegerField, Q, Value, When

from runbooks.models import Page
from telemetry.models import Finding

#: Pages about urgent alerts; the severity is that of now, not that of when the page was queued.
URGENT: Final = Q(alert__severity=Finding.Severity.URGENT)
#: How pressing a page is; the lower goes first.
PRESSING: Final = Case(
    When(purpose=Page.Purpose.PAGE, then=F("alert__severity") * 10 + F("priority")),
    default=Value(1000),
    output_field=IntegerField(),
)
#: The order in which pages to one contact go out.
IN_TURN: Final = (PRESSING.asc(), "next_attempt_at", "created_at", "pk")
