"""The delivery log: which pages went where, what each attempt was answered, how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Max, Prefetch, Q, QuerySet
from django.db.models.functions import Extract, Round

from fleet.access import AnyUser, sites_visible_to
from fleet.models import Contact, Site
from runbooks.models import Page, PageAttempt

#: The span over which the load on people is told.
LOAD_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class OwnerLoad:
    """What one owner was sent lately: pages, and the requests (rings of a phone) they came in."""

    owner_id: int
    owner_name: str
    pages: int
    requests: int
    last_at: datetime


def deliveries_for(
    user: AnyUser,
    *,
    state: str | None = None,
    site: Site | None = None,
    contact: Contact | None = None,
) -> QuerySet[Page]:
    """Return the pages and notices of the sites that `user` may look at, the newest first.

    Each has `attempts` (prefetched, in order), `latency_ms` (from being owed to a 2xx answer; None
    while there was none) and `bundled_count` (the pages that travelled in its request).
    """
    pages = Page.objects.filter(alert__site__in=sites_visible_to(user))
    if state is not None:
        pages = pages.filter(state=state)
    if site is not None:
        pages = pages.filter(alert__site=site)
    if contact is not None:
        pages = pages.filter(contact=contact)
    attempts = PageAttempt.objects.order_by("number", "id")
    return (
        pages.select_related("alert__site", "owner", "contact", "bundle")
        .prefetch_related(Prefetch("attempts", attempts))
        .annotate(
            latency_ms=Round(Extract(F("sent_at") - F("created_at"), "epoch") * 1000),
            bundled_count=Count("bundled"),
        )
        .order_by("-created_at", "-pk")
    )


def dead_pages_for(user: AnyUser) -> QuerySet[Page]:
    """Return the dead pages of the sites that `user` may look at, the newest first."""
    return deliveries_for(user, state=Page.State.DEAD)


def pages_per_owner(*, now: datetime) -> list[OwnerLoad]:
    """Return how many pages each owner was sent in the last ten minutes, the most first."""
    sent = Page.objects.filter(
        state=Page.State.SENT, purpose=Page.Purpose.PAGE, sent_at__gt=now - LOAD_WINDOW
    )
    rows = (
        sent.order_by()
        .values("owner_id", "owner__name")
        .annotate(
            pages=Count("pk"),
            requests=Count("pk", filter=Q(bundle__isnull=True)),
            last_at=Max("sent_at"),
        )
        .order_by("-requests", "-pages", "owner__name")
    )
    return [
        OwnerLoad(
            row["owner_id"], row["owner__name"], row["pages"], row["requests"], row["last_at"]
        )
        for row in rows
    ]
