"""Contacts: add one, change it without a gap, take it away, test it, change its secret.

A contact counts only after a test page got through to it as it is now. Changing the address of
one that counts therefore makes a second one beside it; the first stays in force until the second
has passed its test, and then takes over what it says, under its own id. Callers have checked,
through `fleet.access`, that the person may do it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Contact, Owner, Site
from runbooks.paging.contact_input import ContactError, read_endpoint, read_label
from runbooks.paging.contact_rows import (
    CHANGED,
    REMOVED,
    contacts_of,
    locked,
    next_position,
    replaced_by,
    replacement_of,
    take_away,
    write_down,
)
from runbooks.paging.facts import facts_without_alert
from runbooks.paging.outcome import Answer, Fate, describe, fate_of
from runbooks.paging.payload import PageFacts
from runbooks.paging.people import WORKING
from runbooks.paging.signature import new_secret
from runbooks.paging.transports.registry import TRANSPORTS, endpoint_of

__all__ = [
    "REMOVED",
    "ContactError",
    "add_contact",
    "change_contact",
    "contacts_of",
    "remove_contact",
    "replaced_by",
    "replacement_of",
    "rotate_secret",
    "send_test_page",
    "switch_contact",
]

logger = logging.getLogger(__name__)

#: How long pages carry the old signature too.
ROTATION = timedelta(hours=24)


@transaction.atomic
def add_contact(
    *,
    owner: Owner,
    kind: str,
    label: str,
    url: str,
    by: User | None,
    now: datetime,
    secret: str = "",
) -> Contact:
    """Add an untested contact after the owner's others; a webhook without a secret gets one.

    `secret` is the signing secret, PagerDuty's integration key or the subscription's keys as JSON,
    by kind. Raises ContactError: `unknown_kind`, `label_missing`, `label_too_long`,
    `contact_known`, the codes of AddressError and those of EndpointError.
    """
    endpoint = read_endpoint(kind=kind, url=url, secret=secret)
    Owner.objects.select_for_update().get(pk=owner.pk)
    same = contacts_of(owner).filter(kind=kind, url=endpoint.url)
    if kind != Contact.Kind.PAGERDUTY and same.exists():
        raise ContactError(
            "contact_known", f"{owner.name} has a contact there already; change that one."
        )
    contact = Contact.objects.create(
        owner=owner,
        kind=kind,
        label=read_label(label),
        url=endpoint.url,
        secret=endpoint.secret,
        position=next_position(owner),
    )
    write_down("contact.added", contact, by, now)
    return contact


@transaction.atomic
def change_contact(
    *,
    contact: Contact,
    by: User | None,
    now: datetime,
    label: str | None = None,
    url: str | None = None,
    secret: str | None = None,
) -> Contact:
    """Change what is given, and return the contact that is to be tested next.

    A new address or secret of a contact that works is a second, untested contact beside it, until
    that one has passed its test (`replacement_of`). Everything else is changed in place. Raises
    ContactError as `add_contact` does, and `contact_removed`.
    """
    is_moved = url is not None or secret is not None
    endpoint = endpoint_of(contact, now)
    if is_moved:
        # Before the lock: looking up a name may take seconds.
        endpoint = read_endpoint(
            kind=contact.kind,
            url=contact.url if url is None else url,
            secret=contact.secret if secret is None else secret,
        )
    contact = locked(contact)
    if label is not None:
        contact.label = read_label(label)
        contact.save(update_fields=["label"])
    if not is_moved or (endpoint.url, endpoint.secret) == (contact.url, contact.secret):
        write_down(CHANGED, contact, by, now)
        return contact
    changed = replacement_of(contact) or (_beside(contact) if _is_in_force(contact) else contact)
    changed.label, changed.url, changed.secret = contact.label, endpoint.url, endpoint.secret
    changed.save()
    replaces = {} if changed.pk == contact.pk else {"replaces": contact.pk}
    write_down(CHANGED, changed, by, now, **replaces)
    return changed


@transaction.atomic
def remove_contact(*, contact: Contact, by: User | None, now: datetime) -> None:
    """Take a contact away for good; its secret is forgotten, its deliveries stay in the log.

    Raises ContactError: `contact_removed`, `last_contact` where an active site of its owner would
    be left without anybody to page.
    """
    contact = locked(contact)
    _refuse_last(contact)
    waiting = replacement_of(contact)
    write_down("contact.removed", contact, by, now)
    for one in (waiting, contact):
        if one is not None:
            take_away(one)


@transaction.atomic
def switch_contact(*, contact: Contact, is_enabled: bool, by: User | None, now: datetime) -> None:
    """Switch a contact on or off; one whose receiver has gone needs a test page besides.

    Raises ContactError: `contact_removed`, `last_contact`.
    """
    contact = locked(contact)
    if not is_enabled:
        _refuse_last(contact)
    Contact.objects.filter(pk=contact.pk).update(is_enabled=is_enabled)
    write_down("contact.switched_on" if is_enabled else "contact.switched_off", contact, by, now)


@transaction.atomic
def rotate_secret(*, contact: Contact, by: User | None, now: datetime) -> str:
    """Give a webhook a new secret and return it; it is not shown again.

    For 24 hours pages are signed with the old one too, so that its receiver can be changed in
    between. Raises ContactError: `contact_removed`, `nothing_to_rotate` for other kinds.
    """
    contact = locked(contact)
    if contact.kind != Contact.Kind.WEBHOOK:
        raise ContactError(
            "nothing_to_rotate",
            "Only signed webhooks have a secret that is made here. Make a new one there, then "
            "change the contact.",
        )
    secret = new_secret()
    Contact.objects.filter(pk=contact.pk).update(
        previous_secret=contact.secret, previous_secret_until=now + ROTATION, secret=secret
    )
    write_down("contact.secret_rotated", contact, by, now)
    return secret


def send_test_page(*, contact: Contact, by: User | None, now: datetime) -> Answer:
    """Send the contact a test page, and record whether it counts from now on.

    Takes as long as its receiver, at most HEARTHWATCH_PAGE_TIMEOUT_SECONDS; call it outside a
    transaction. Raises ContactError (`contact_removed`).
    """
    current = contacts_of(contact.owner).filter(pk=contact.pk).select_related("owner").first()
    if current is None:
        raise ContactError("contact_removed", "This contact was removed. Add a new one.")
    answer = TRANSPORTS[current.kind](
        _test_facts(current, by, now),
        endpoint=endpoint_of(current, now),
        at=now,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )
    logger.info("contact.tested", extra={"contact_id": current.pk, "outcome": describe(answer)})
    _note_test(current, answer, by, now)
    return answer


@transaction.atomic
def _note_test(contact: Contact, answer: Answer, by: User | None, now: datetime) -> None:
    """Record what came of a test page to `contact` as it was read before it was sent.

    Nothing is recorded where its address was changed meanwhile. A failed test leaves a contact in
    force that passed one before, but for a receiver that says it has gone.
    """
    fate = fate_of(answer)
    has_passed = fate is Fate.SENT
    tested: dict[str, object] = {"last_test_at": now, "last_test_outcome": _outcome(answer)}
    if has_passed:
        tested |= {"tested_at": now, "disabled_reason": ""}
    elif fate is Fate.GONE:
        tested["disabled_reason"] = f"The receiver answered 410 Gone at {now:%F %H:%M} UTC."
    as_it_was = Contact.objects.filter(pk=contact.pk, url=contact.url, secret=contact.secret)
    if not as_it_was.exclude(disabled_reason=REMOVED).update(**tested):
        return
    write_down("contact.tested", contact, by, now, has_passed=has_passed)
    replaced = replaced_by(contact) if has_passed else None
    if replaced is not None:
        _take_over(replaced, contact, tested)


def _outcome(answer: Answer) -> str:
    if fate_of(answer) is Fate.SENT:
        return f"The test page got through ({describe(answer)})."
    return f"The test page did not get through: {describe(answer)}"[:300]


def _test_facts(contact: Contact, by: User | None, now: datetime) -> PageFacts:
    who = (by.get_full_name() or by.get_username()) if by is not None else "The command line"
    return facts_without_alert(
        purpose="test",
        page_id=f"msg_{uuid4().hex}",
        kind="contact.test",
        reason=f"{who} tests this contact",
        owner_name=contact.owner.name,
        summary=f"Test page for {contact.owner.name} by {contact.label}, asked for by {who}. "
        "Nothing is wrong and nothing is to be done.",
        attempt=1,
        at=now,
    )


def _take_over(replaced: Contact, tested_one: Contact, tested: dict[str, object]) -> None:
    """Let the contact in force say what the tested one says; it keeps its id and its place."""
    in_force = Contact.objects.filter(pk=replaced.pk)
    in_force.update(
        label=tested_one.label,
        url=tested_one.url,
        secret=tested_one.secret,
        previous_secret="",
        previous_secret_until=None,
    )
    # By itself: the database forgets a test when the address changes in the same statement.
    in_force.update(**tested)
    take_away(tested_one)


def _is_in_force(contact: Contact) -> bool:
    return contact.tested_at is not None and not contact.disabled_reason


def _beside(contact: Contact) -> Contact:
    Owner.objects.select_for_update().get(pk=contact.owner_id)
    return Contact(owner=contact.owner, kind=contact.kind, position=next_position(contact.owner))


def _refuse_last(contact: Contact) -> None:
    # One at a time for an owner: two contacts removed at once would each take the other for left.
    Owner.objects.select_for_update().get(pk=contact.owner_id)
    left = Contact.objects.filter(WORKING, owner=contact.owner_id).exclude(pk=contact.pk)
    site = Site.objects.filter(owner=contact.owner_id, status=Site.Status.ACTIVE).first()
    if site is not None and not left.exists():
        raise ContactError(
            "last_contact",
            f"{contact.owner.name} answers for {site.name} and has no other working contact. Add "
            "and test another one first.",
        )
