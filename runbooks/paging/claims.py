"""Whose page goes next: claim the pages whose turn it is, at most one a contact at once.

The most pressing page goes first (`turns`), then the contact served longest ago, then the page
due the longest. Pages of contacts that are equally pressing are claimed together, in one
transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from types import MappingProxyType

from django.db.models import F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest, Least

from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import Page, PageAttempt
from runbooks.paging.bundles import (
    LIVE,
    Load,
    Way,
    bundleable,
    loads_of,
    members_waiting,
    place_of,
    spacing,
)
from runbooks.paging.content import LARGEST_BUNDLE
from runbooks.paging.leases import LEASE_SLACK, NOT_HELD_BACK
from runbooks.paging.turns import IN_TURN, PRESSING, URGENT

_NEVER_SERVED: Mapping[int, datetime] = MappingProxyType({})
#: Pages of a bundle whose outcome a worker writes down in a second, with time to spare.
_WRITTEN_IN_A_SECOND = 100


def claim_pages(
    *,
    now: datetime,
    timeout: timedelta,
    most: int,
    busy_contacts: Collection[int] = (),
    served: Mapping[int, datetime] = _NEVER_SERVED,
) -> list[Page]:
    """Lease the pages whose turn it is, in turn, and count the attempts; at most `most`.

    One page a contact, and only such as are equally pressing: the next call finds the others.
    The pages that travel with one are leased with the same token (`companions_to_send`). Pages
    that another worker holds, and those to `busy_contacts`, are passed over; `served` says when
    this worker last tried a contact, whatever came of it.
    """
    for contact_ids in _contacts_in_turn(now, busy_contacts, served, most):
        with engine_transaction(module=Module.DELIVERY):
            pages = _claim_for_each(contact_ids, now, timeout + LEASE_SLACK)
        if pages:
            return pages
    return []


def _contacts_in_turn(
    now: datetime, busy_contacts: Collection[int], served: Mapping[int, datetime], most: int
) -> Iterator[Sequence[int]]:
    """Yield the contacts with a page due, the one whose turn it is first, some at a time."""
    sent = Page.objects.filter(contact=OuterRef("contact"), state=Page.State.SENT)
    rows = (
        _due(now)
        .exclude(contact__in=busy_contacts)
        .order_by()
        .values("contact")
        .annotate(
            pressing=Min(PRESSING),
            since=Min("next_attempt_at"),
            sent_at=Subquery(sent.order_by("-sent_at").values("sent_at")[:1]),
        )
    )
    turns = []
    for row in rows:
        moments = [at for at in (row["sent_at"], served.get(row["contact"])) if at is not None]
        last = max(moments, default=datetime.min.replace(tzinfo=now.tzinfo))
        turns.append((row["pressing"], last, row["since"], row["contact"]))
    for _, equals in groupby(sorted(turns), key=lambda turn: turn[0]):
        contact_ids = [contact_id for *_, contact_id in equals]
        for start in range(0, len(contact_ids), most):
            yield contact_ids[start : start + most]


def _claim_for_each(contact_ids: Sequence[int], now: datetime, length: timedelta) -> list[Page]:
    """Lease one page for each contact that no other worker serves just now."""
    # The row locks make the counts of requests exact; another worker takes other contacts.
    rows = Contact.objects.select_for_update(skip_locked=True, no_key=True)
    contacts = rows.in_bulk(contact_ids)
    firsts = _first_pages(contacts, now)
    loads = loads_of(contacts, now=now)
    leaders = _leaders(firsts.values(), now)
    claimed: dict[int, Page | None] = {}
    alone = []
    for contact_id in filter(contacts.__contains__, contact_ids):
        page, contact = firsts.get(contact_id), contacts[contact_id]
        load = loads[contact_id]
        place = place_of(page, contact=contact, load=load, now=now) if page else None
        if page and page.pk not in leaders and place and place.way is Way.ALONE:
            alone.append(page)
            claimed[contact_id] = page
        else:
            claimed[contact_id] = _claim_with_members(contact, now, length)
    _lease(alone, now + length, length)
    return [page for page in claimed.values() if page is not None]


def _first_pages(contacts: Collection[int], now: datetime) -> dict[int, Page]:
    """Lock the page of each contact that goes first; one that somebody holds is left out."""
    first = _due(now).filter(contact__in=contacts).order_by("contact_id", *IN_TURN)
    ids = first.distinct("contact_id").values("pk")
    pages = _locked(_due(now).filter(pk__in=ids)).select_related("alert")
    return {page.contact_id: page for page in pages}


def _leaders(pages: Collection[Page], now: datetime) -> set[uuid.UUID]:
    """Return the ids of those pages that others travel with."""
    return set(members_waiting(pages, now=now).order_by().values_list("bundle_id", flat=True))


def _claim_with_members(contact: Contact, now: datetime, length: timedelta) -> Page | None:
    """Lease the contact's next page and those that travel with it; the contact is locked."""
    due = _due(now).filter(contact=contact)
    load = loads_of([contact.pk], now=now)[contact.pk]
    while True:
        page = _locked(due).select_related("alert").first()
        if page is None:
            return None
        place = place_of(page, contact=contact, load=load, now=now)
        if place.until is None:
            break
        _postpone(due, until=place.until, load=load)
    members = list(_locked(members_waiting([page], now=now)))
    if place.way is Way.BUNDLED and not members:
        others = bundleable(due).exclude(pk=page.pk)
        if place.is_ahead:
            # Alone it says most, and hundreds of others take their time to be read.
            others = others.filter(URGENT)
        if load.is_failing:
            others = others.filter(give_up_at__gt=now)
        members = list(_locked(others)[: LARGEST_BUNDLE - 1])
        _give_time([page, *members], now)
    length += timedelta(seconds=len(members) // _WRITTEN_IN_A_SECOND)
    token = _lease([page], now + length, length)
    _lease(members, now + length, length, leader=page, token=token)
    return page


def _give_time(pages: Collection[Page], now: datetime) -> None:
    """Put off the end of pages that waited for their bundle past it: they are tried, too."""
    late = {page.pk: page for page in pages if page.give_up_at <= now}
    if late:
        Page.objects.filter(pk__in=late).update(give_up_at=now + spacing())
    for page in late.values():
        page.give_up_at = now + spacing()


def _postpone(due: QuerySet[Page], *, until: datetime, load: Load) -> None:
    """Let the pages that would be bundled wait, so that nobody asks about each of them anew.

    Where the contact works, they have time left when the wait is over. Where it fails, none waits
    past its own end: then it is given up in time, and the next person is tried.
    """
    # Locked first, passing over what others hold: two updates of many rows would wait for each
    # other.
    waiting = list(_locked(bundleable(due)).values_list("pk", flat=True))
    rows = Page.objects.filter(pk__in=waiting)
    if load.is_failing:
        rows.update(next_attempt_at=Least(until, F("give_up_at")))
    else:
        in_time = Greatest(F("give_up_at"), until + spacing())
        rows.update(next_attempt_at=until, give_up_at=in_time)


def _lease(
    pages: Sequence[Page],
    expires: datetime,
    length: timedelta,
    *,
    leader: Page | None = None,
    token: uuid.UUID | None = None,
) -> uuid.UUID:
    """Lease pages that are locked, and say so in what the caller holds of them."""
    token = token or uuid.uuid4()
    if not pages:
        return token
    _account_for_lost_attempts(pages, length)
    fields = {
        "bundle": leader,
        "state": Page.State.LEASED,
        "lease_token": token,
        "lease_expires_at": expires,
        # So that the index on due pages also finds leases that expired.
        "next_attempt_at": expires,
    }
    rows = Page.objects.filter(pk__in=[page.pk for page in pages])
    rows.update(**fields, attempts_made=F("attempts_made") + 1)
    for page in pages:
        page.attempts_made += 1
        for name, value in fields.items():
            setattr(page, name, value)
    return token


def _due(now: datetime) -> QuerySet[Page]:
    return Page.objects.filter(
        Q(state=Page.State.PENDING) | Q(lease_expires_at__lte=now),
        # A page in a bundle moves with its leader, and by itself once that one is settled or held.
        Q(bundle__isnull=True) | ~Q(bundle__state__in=LIVE) | Q(bundle__alert__is_suppressed=True),
        NOT_HELD_BACK,
        # Said so that the partial index on due pages applies.
        state__in=LIVE,
        next_attempt_at__lte=now,
    )


def _locked(pages: QuerySet[Page]) -> QuerySet[Page]:
    rows = pages.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return rows.order_by(*IN_TURN)


def _account_for_lost_attempts(pages: Collection[Page], length: timedelta) -> None:
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
