"""Contacts: add one, change it without a gap, take it away, test it, change its secret.

A contact counts only after a test page got through to it as it is now. Changing the address of
one that counts therefore makes a second one beside it; the first stays in force until the second
has passed its test, and then takes over what it says, under its own id. Callers have checked,
through `fleet.access`, that the person may do it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

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
from runbooks.paging.people import WORKING
from runbooks.paging.signature import new_secret
from runbooks.paging.transports.registry import endpoint_of
from runbooks.paging.trials import send_test_page

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
