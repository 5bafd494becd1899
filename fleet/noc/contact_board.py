"""What the contacts' pages show: how each person can be reached, and whether that works."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Prefetch

from fleet.access import AnyUser, sites_visible_to
from fleet.models import Contact, Owner, Site
from fleet.noc.oncall_rights import (
    is_own,
    may_keep_contacts,
    may_keep_phone,
    owner_of,
    owners_visible_to,
)
from fleet.noc.oncall_words import local_clock
from runbooks.paging.contact_rows import REMOVED
from runbooks.paging.contacts import contacts_of, replaced_by, replacement_of
from runbooks.paging.transports.endpoint import endpoint_of
from runbooks.paging.transports.masking import shown_address
from runbooks.paging.transports.web_push import WebPushNotSetUp, public_key
from runbooks.paging.trials import is_not_shown_yet


@dataclass(frozen=True, slots=True)
class State:
    """Whether a contact is paged: a mark of the sprite, one word, and why."""

    mark: str
    word: str
    why: str
    is_working: bool = False


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One contact; `address` shows no secret."""

    contact: Contact
    state: State
    address: str
    replaces: Contact | None = None
    replaced_by: Contact | None = None
    has_old_secret: bool = False
    #: When it is tried: `first`, `then`; empty for one that is not.
    turn: str = ""
    #: The contacts it can change places with.
    before: Contact | None = None
    after: Contact | None = None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of the list."""

    owner: Owner
    clock: str
    rows: Sequence[ContactRow]
    is_me: bool

    @property
    def working(self) -> int:
        """How many contacts are paged."""
        return sum(row.state.is_working for row in self.rows)


@dataclass(frozen=True, slots=True)
class ThisBrowser:
    """How the reader's own browser can be paged: by the server's key, or why it cannot be."""

    public_key: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class PersonBoard:
    """One person's page; `browser` is None on everybody's but the reader's own."""

    person: PersonRow
    sites: Sequence[Site]
    may_keep: bool
    may_keep_phone: bool
    kinds: Sequence[tuple[str, str]]
    browser: ThisBrowser | None


def state_of(contact: Contact) -> State:
    """Return in words whether a contact is paged."""
    if contact.disabled_reason:
        why = contact.disabled_reason.rstrip(".")
        return State("p2", "gone", f"{why}. Send a test page once it is back.")
    if not contact.is_enabled:
        return State("maint", "switched off", "It is not paged. Switch it on again below.")
    if contact.tested_at is None and is_not_shown_yet(contact):
        return State("stale", "test page not shown yet", contact.last_test_outcome)
    if contact.tested_at is None and contact.last_test_at is not None:
        return State("p2", "failed its test", contact.last_test_outcome or "No answer came.")
    if contact.tested_at is None:
        return State("stale", "untested", "It is not paged until a test page gets through.")
    if contact.last_test_at is not None and contact.last_test_at > contact.tested_at:
        word = "last test page not shown yet" if is_not_shown_yet(contact) else "last test failed"
        why = f"The {word}: {contact.last_test_outcome} It is paged all the same."
        return State("p2", f"working, {word}", why, is_working=True)
    return State("ok", "working", "", is_working=True)


def people(user: AnyUser, *, now: datetime) -> list[PersonRow]:
    """Return everybody `user` may see, those without a working contact first, then by name."""
    standing = Contact.objects.exclude(disabled_reason=REMOVED)
    owners = owners_visible_to(user).prefetch_related(
        Prefetch("contacts", standing, to_attr="standing")
    )
    me = owner_of(user)
    rows = [
        _person(owner, getattr(owner, "standing", []), me=me, now=now)
        for owner in owners.order_by("name")
    ]
    return sorted(rows, key=lambda row: row.working > 0)


def person_board(*, user: AnyUser, owner: Owner, now: datetime) -> PersonBoard:
    """Return one person's contacts, those that wait to take over from another included."""
    row = _person(owner, contacts_of(owner), me=owner_of(user), now=now, with_changes=True)
    visible = sites_visible_to(user).filter(owner=owner, status=Site.Status.ACTIVE)
    return PersonBoard(
        person=row,
        sites=list(visible.order_by("name")),
        may_keep=may_keep_contacts(user, owner),
        may_keep_phone=may_keep_phone(user, owner),
        kinds=Contact.Kind.choices,
        browser=_this_browser() if is_own(user, owner) else None,
    )


def _this_browser() -> ThisBrowser:
    try:
        return ThisBrowser(public_key=public_key())
    except WebPushNotSetUp as refusal:
        return ThisBrowser(why_not=refusal.sentence)


def _person(
    owner: Owner,
    contacts: Iterable[Contact],
    *,
    me: Owner | None,
    now: datetime,
    with_changes: bool = False,
) -> PersonRow:
    return PersonRow(
        owner=owner,
        clock=local_clock(now, owner.time_zone),
        rows=_in_order([_row(contact, now, with_changes) for contact in contacts]),
        is_me=owner == me,
    )


def _in_order(rows: Sequence[ContactRow]) -> list[ContactRow]:
    """Return the rows with their turns and neighbours."""
    first = next((row for row in rows if row.state.is_working), None)
    around = zip([None, *rows], rows, [*rows[1:], None], strict=False)
    return [
        replace(
            row,
            turn=("first" if row is first else "then") if row.state.is_working else "",
            before=before.contact if before else None,
            after=after.contact if after else None,
        )
        for before, row, after in around
    ]


def _row(contact: Contact, now: datetime, with_changes: bool) -> ContactRow:
    until = contact.previous_secret_until
    return ContactRow(
        contact=contact,
        state=state_of(contact),
        address=shown_address(endpoint_of(contact, now)),
        replaces=replaced_by(contact) if with_changes and contact.tested_at is None else None,
        replaced_by=replacement_of(contact) if with_changes and contact.tested_at else None,
        has_old_secret=bool(contact.previous_secret and until is not None and until > now),
    )
