"""Whether anybody has heard of an alert: whether a page was delivered since its paging began."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, QuerySet

from runbooks.models import Escalation, Page


def pages_of_now() -> QuerySet[Page]:
    """Return the pages since paging last began; for a query over escalations."""
    return Page.objects.filter(
        alert=OuterRef("alert_id"),
        sequence__gt=OuterRef("start_sequence"),
        purpose=Page.Purpose.PAGE,
    )


def unheard() -> QuerySet[Escalation]:
    """Return the escalations of which no page was delivered since paging last began."""
    return Escalation.objects.filter(~Exists(pages_of_now().filter(state=Page.State.SENT)))


def unheard_among(escalations: Sequence[Escalation]) -> set[int]:
    """Return the ids of those of which no page was delivered since paging last began."""
    if not escalations:
        return set()
    rows = unheard().filter(pk__in=[escalation.pk for escalation in escalations])
    return set(rows.values_list("pk", flat=True))
