"""Leases: one worker at a time holds a page, and a worker that dies lets go by itself.

A page is claimed in a short transaction, sent outside any, and its outcome is recorded only by
the token it was claimed with. An expired lease is claimed again under the same page id, so a
crash costs at most one duplicate, which the receiver knows by its `webhook-id`.

Whose turn it is: the most pressing page first, then the contact served longest ago, then the page
due the longest.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from django.db import models
from django.db.models import F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Least

from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import Alert, Page, PageAttempt
from runbooks.paging.bundles import (
    LARGEST_BUNDLE,
    LIVE,
    Way,
    bundleable,
    members_waiting,
    place_of,
)

#: Between the end of the request and the end of the lease: time to write the outcome.
LEASE_SLACK = timedelta(seconds=5)
_NEVER_SERVED: Mapping[int, datetime] = MappingProxyType({})

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
_NOT_HELD_BACK = Q(purpose__in=_Notice) | Q(alert__is_suppressed=False)


def claim_page(
    *,
    now: datetime,
    timeout: timedelta,
    busy_contacts: Collection[int] = (),
    served: Mapping[int, datetime] = _NEVER_SERVED,
) -> Page | None:
    """Lease the page whose turn it is, and count the attempt; None when none is due.

    The pages that travel with it are leased with the same token (`companions_to_send`). Pages that
    another worker holds, and those to `busy_contacts`, are passed over; `served` says when this
    worker last tried a contact, whatever came of it.
    """
    for contact_id in _contacts_in_turn(now, busy_contacts, served):
        with engine_transaction(module=Module.DELIVERY):
            page = _claim_for(contact_id, now, timeout + LEASE_SLACK)
        if page is not None:
            return page
    return None


def page_to_send(page: Page) -> Page | None:
    """Read the leased page again, with all it says; None when nobody wants it any more.

    Asked just before the request: an acknowledgement or a silence may have come after the claim.
    """
    return _with_all_it_says(_held(page)).first()


def companions_to_send(leader: Page) -> tuple[list[Page], list[Page]]:
    """Return the pages leased with `leader` that are still wanted, and those that are not."""
    leased = Page.objects.filter(
        bundle=leader, state=Page.State.LEASED, lease_token=leader.lease_token
    )
    if not leased.exists():
        return [], []
    wanted = list(_with_all_it_says(leased).order_by("priority", "created_at", "pk"))
    return wanted, list(leased.exclude(pk__in=[page.pk for page in wanted]))


def let_go(page: Page, *, now: datetime) -> None:
    """End the lease of a page that is not wanted now: it waits while its alert is held back."""
    is_held_back = Page.objects.filter(_ASKED_FOR, pk=page.pk).exists()
    fields: dict[str, object] = {"state": Page.State.CANCELLED}
    if is_held_back:
        fields = {"state": Page.State.PENDING, "next_attempt_at": now}
    settle(page, **fields, attempts_made=F("attempts_made") - 1)


def settle(page: Page, **fields: object) -> bool:
    """Write the outcome and end the lease; False when the lease is no longer this worker's."""
    return bool(_held(page).update(lease_token=None, lease_expires_at=None, **fields))


def set_free(members: Collection[Page], *, now: datetime) -> None:
    """End the leases of pages whose leader does not travel: each waits for another bundle."""
    for page in members:
        settle(
            page,
            state=Page.State.PENDING,
            next_attempt_at=now,
            attempts_made=F("attempts_made") - 1,
        )


def _contacts_in_turn(
    now: datetime, busy_contacts: Collection[int], served: Mapping[int, datetime]
) -> list[int]:
    """Return the contacts with a page due, the one whose turn it is first."""
    sent = Page.objects.filter(contact=OuterRef("contact"), state=Page.State.SENT)
    rows = (
        _due(now)
        .exclude(contact__in=busy_contacts)
        .order_by()
        .values("contact")
        .annotate(
            pressing=Min("priority"),
            since=Min("next_attempt_at"),
            sent_at=Subquery(sent.order_by("-sent_at").values("sent_at")[:1]),
        )
    )
    turns = []
    for row in rows:
        moments = [at for at in (row["sent_at"], served.get(row["contact"])) if at is not None]
        last = max(moments, default=datetime.min.replace(tzinfo=now.tzinfo))
        turns.append((row["pressing"], last, row["since"], row["contact"]))
    return [contact for *_, contact in sorted(turns)]


def _claim_for(contact_id: int, now: datetime, length: timedelta) -> Page | None:
    # The row lock makes the count of its requests exact; another worker takes another contact.
    contact = (
        Contact.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(pk=contact_id)
        .first()
    )
    if contact is None:
        return None
    due = _due(now).filter(contact=contact)
    while True:
        page = _locked(due).first()
        if page is None:
            return None
        place = place_of(page, contact=contact, now=now)
        if place.until is None:
            break
        _postpone(due, until=place.until)
    members = list(_locked(members_waiting(page, now=now)))
    if place.way is Way.BUNDLED and not members:
        others = bundleable(due).exclude(pk=page.pk).filter(give_up_at__gt=now)
        members = list(_locked(others)[: LARGEST_BUNDLE - 1])
    return _lease(page, members, now + length, length)


def _postpone(due: QuerySet[Page], *, until: datetime) -> None:
    """Let the pages that would be bundled wait, so that nobody asks about each of them anew.

    None waits past its own end: then it is given up in time, and the next person is tried.
    """
    # Locked first, passing over what others hold: two updates of many rows would wait for each
    # other.
    waiting = list(_locked(bundleable(due)).values_list("pk", flat=True))
    Page.objects.filter(pk__in=waiting).update(next_attempt_at=Least(until, F("give_up_at")))


def _lease(page: Page, members: list[Page], expires: datetime, length: timedelta) -> Page:
    token = uuid.uuid4()
    _account_for_lost_attempts([page, *members], length)
    for rows, leader in (([page.pk], None), ([member.pk for member in members], page)):
        Page.objects.filter(pk__in=rows).update(
            bundle=leader,
            state=Page.State.LEASED,
            lease_token=token,
            lease_expires_at=expires,
            # So that the index on due pages also finds leases that expired.
            next_attempt_at=expires,
            attempts_made=F("attempts_made") + 1,
        )
    page.refresh_from_db()
    return page


def _due(now: datetime) -> QuerySet[Page]:
    return Page.objects.filter(
        Q(state=Page.State.PENDING) | Q(lease_expires_at__lte=now),
        # A page in a bundle moves with its leader, and by itself once that one is settled or held.
        Q(bundle__isnull=True) | ~Q(bundle__state__in=LIVE) | Q(bundle__alert__is_suppressed=True),
        _NOT_HELD_BACK,
        # Said so that the partial index on due pages applies.
        state__in=LIVE,
        next_attempt_at__lte=now,
    )


def _locked(pages: QuerySet[Page]) -> QuerySet[Page]:
    rows = pages.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return rows.order_by("priority", "next_attempt_at", "created_at", "pk")


def _with_all_it_says(pages: QuerySet[Page]) -> QuerySet[Page]:
    wanted = pages.filter(_ASKED_FOR, _NOT_HELD_BACK)
    # The text of an edition is some 20 kB and says the same on every page: `facts` remembers it.
    return wanted.defer(
        "alert__runbook_version__source", "alert__runbook_version__document"
    ).select_related(
        "owner",
        "contact",
        "alert__site__owner",
        "alert__node",
        "alert__runbook_version__runbook",
        "alert__escalation__policy_version",
        "alert__acknowledged_by",
        "alert__acknowledged_owner",
    )


def _held(page: Page) -> models.QuerySet[Page]:
    return Page.objects.filter(pk=page.pk, state=Page.State.LEASED, lease_token=page.lease_token)


def _account_for_lost_attempts(pages: list[Page], length: timedelta) -> None:
    """Say in the pages' attempts that a worker ended before it wrote what came of its attempt."""
    PageAttempt.objects.bulk_create(
        PageAttempt(
            page=page,
            number=page.attempts_made,
            started_at=page.lease_expires_at - length,
            error="The worker ended before it wrote down the answer; the page was sent again.",
        )
        for page in pages
        if page.lease_expires_at is not None
    )
