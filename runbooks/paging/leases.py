"""Leases: one worker at a time holds a page, and a worker that dies lets go by itself.

A page is claimed in a short transaction (`claims`), sent outside any, and its outcome is recorded
only by the token it was claimed with. An expired lease is claimed again under the same page id, so
a crash costs at most one duplicate of a page, which the receiver knows by its `webhook-id`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Prefetch, Q, QuerySet

from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, Page, RunbookVersion
from runbooks.paging.turns import PRESSING

#: Between the end of the request and the end of the lease: time to write the outcome.
LEASE_SLACK = timedelta(seconds=5)

_Page, _Notice = Page.Purpose.PAGE, (Page.Purpose.ACKNOWLEDGED, Page.Purpose.RESOLVED)
#: A page is wanted while nobody has taken its alert; a notice while what it tells is so.
_ASKED_FOR = (
    Q(
        purpose=_Page,
        alert__response=Alert.Response.UNACKNOWLEDGED,
        alert__condition=Alert.Condition.FIRING,
    )
    | Q(
        ~Q(alert__response=Alert.Response.UNACKNOWLEDGED),
        purpose=Page.Purpose.ACKNOWLEDGED,
    )
    | Q(
        Q(alert__response=Alert.Response.CLOSED) | Q(alert__condition=Alert.Condition.CLEARED),
        purpose=Page.Purpose.RESOLVED,
    )
)
NOT_HELD_BACK = Q(purpose__in=_Notice) | Q(alert__is_suppressed=False)


def pages_to_send(pages: Collection[Page]) -> dict[UUID, Page]:
    """Read the leased pages again, with all they say, by id; without those nobody wants any more.

    Asked just before the requests: an acknowledgement or a silence may have come after the claim.
    """
    return {page.pk: page for page in _with_all_it_says(held(pages))}


def leading(pages: Collection[Page]) -> set[UUID]:
    """Return the ids of those of `pages` that other pages were leased with."""
    members = Page.objects.filter(bundle__in=pages, state=Page.State.LEASED)
    return set(members.order_by().values_list("bundle_id", flat=True))


def companions_to_send(leader: Page) -> tuple[list[Page], list[Page]]:
    """Return the pages leased with `leader` that are still wanted, the worst first, and others."""
    leased = Page.objects.filter(
        bundle=leader, state=Page.State.LEASED, lease_token=leader.lease_token
    )
    # Its attempts may be long after the claim; meanwhile an alert may have got worse.
    wanted = list(_with_all_it_says(leased).order_by(PRESSING.asc(), "created_at", "pk"))
    return wanted, list(leased.exclude(pk__in=[page.pk for page in wanted]))


@engine_transaction(module=Module.DELIVERY)
def let_go(page: Page, *, now: datetime) -> None:
    """End the lease of a page that is not wanted now: it waits while its alert is held back."""
    is_held_back = Page.objects.filter(_ASKED_FOR, pk=page.pk).exists()
    fields: dict[str, object] = {"state": Page.State.CANCELLED}
    if is_held_back:
        fields = {"state": Page.State.PENDING, "next_attempt_at": now}
    settle(page, **fields, attempts_made=F("attempts_made") - 1)


def settle(page: Page, **fields: object) -> bool:
    """Write the outcome and end the lease; False when the lease is no longer this worker's."""
    return bool(held([page]).update(lease_token=None, lease_expires_at=None, **fields))


def set_free(members: Collection[Page], *, now: datetime) -> None:
    """End the leases of pages whose leader does not travel: each waits for another bundle."""
    # One by one: whoever holds many at once could wait in a circle with others who do.
    for page in members:
        with engine_transaction(module=Module.DELIVERY):
            settle(
                page,
                state=Page.State.PENDING,
                next_attempt_at=now,
                attempts_made=F("attempts_made") - 1,
            )


def held(pages: Collection[Page]) -> QuerySet[Page]:
    """Return those of `pages` whose lease is still the one they were claimed with."""
    tokens = {page.lease_token for page in pages}
    return Page.objects.filter(
        pk__in=[page.pk for page in pages], lease_token__in=tokens, state=Page.State.LEASED
    )


def _with_all_it_says(pages: QuerySet[Page]) -> QuerySet[Page]:
    # The text of an edition is some 20 kB and says the same on every page: `facts` remembers it.
    editions = RunbookVersion.objects.select_related("runbook").defer("source", "document")
    # Not all in one join: PostgreSQL spends tens of milliseconds on planning one of twelve tables.
    return (
        pages.filter(_ASKED_FOR, NOT_HELD_BACK)
        .select_related("owner", "contact", "alert__site", "alert__escalation")
        .prefetch_related(
            "alert__node",
            "alert__site__owner",
            Prefetch("alert__runbook_version", editions),
            "alert__escalation__policy_version",
            "alert__acknowledged_by",
            "alert__acknowledged_owner",
        )
    )
