"""Rows of contacts: which are there, which waits to take over, and how one is taken away."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Max, QuerySet

from fleet.models import AuditEntry, Contact, Owner
from runbooks.models import Page
from runbooks.paging.contact_input import ContactError
from runbooks.paging.signature import new_secret
from runbooks.paging.transports.endpoint import endpoint_of
from runbooks.paging.transports.masking import shown_address

#: Why a contact that pages were sent to is still a row: the log of deliveries names it.
REMOVED = "Removed."
CHANGED = "contact.changed"
#: Where contacts that were removed stand; their places are free for others.
_REMOVED_FROM = 20_000


def contacts_of(owner: Owner) -> QuerySet[Contact]:
    """Return the owner's contacts, the first to be tried first, without those removed."""
    return Contact.objects.filter(owner=owner).exclude(disabled_reason=REMOVED)


def replacement_of(contact: Contact) -> Contact | None:
    """Return the untested contact that will take over from this one, where there is one."""
    ids = AuditEntry.objects.filter(action=CHANGED, detail__replaces=contact.pk)
    newest_first = ids.order_by("-id").values_list("detail__contact_id", flat=True)
    waiting = Contact.objects.filter(
        pk__in=list(newest_first), owner=contact.owner_id, tested_at__isnull=True
    )
    return waiting.exclude(disabled_reason=REMOVED).first()


def replaced_by(contact: Contact) -> Contact | None:
    """Return the contact that this untested one will take over from, where there is one."""
    entries = AuditEntry.objects.filter(action=CHANGED, detail__contact_id=contact.pk)
    ids = entries.filter(detail__has_key="replaces").values_list("detail__replaces", flat=True)
    return contacts_of(contact.owner).filter(pk__in=list(ids)).first()


def locked(contact: Contact) -> Contact:
    """Return the contact as it is now, locked, with its owner; raises ContactError."""
    current = Contact.objects.select_for_update(of=("self",)).select_related("owner")
    found = current.filter(pk=contact.pk).exclude(disabled_reason=REMOVED).first()
    if found is None:
        raise ContactError("contact_removed", "This contact was removed. Add a new one.")
    return found


def take_away(contact: Contact) -> None:
    """Delete the contact, or keep no more of it than the log of its pages needs."""
    if not Page.objects.filter(contact=contact).exists():
        contact.delete()
        return
    last = Contact.objects.filter(owner=contact.owner_id).aggregate(last=Max("position"))["last"]
    is_webhook = contact.kind == Contact.Kind.WEBHOOK
    Contact.objects.filter(pk=contact.pk).update(
        is_enabled=False,
        disabled_reason=REMOVED,
        position=max(last, _REMOVED_FROM) + 1,
        # The database wants a webhook to have one; nobody knows this one.
        secret=new_secret() if is_webhook else "",
        previous_secret="",
    )


def next_position(owner: Owner) -> int:
    """Return the place after the owner's other contacts."""
    last: int | None = contacts_of(owner).aggregate(last=Max("position"))["last"]
    return (last or 0) + 1


def write_down(
    action: str, contact: Contact, by: User | None, now: datetime, **detail: object
) -> None:
    """Write down what was done to a contact, without its secrets."""
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=str(contact)[:200],
        detail={
            "contact_id": contact.pk,
            "kind": contact.kind,
            "address": shown_address(endpoint_of(contact, now)),
            **detail,
        },
    )
