"""The order in which a person's contacts are tried."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Contact, Owner
from runbooks.paging.contact_input import ContactError
from runbooks.paging.contact_rows import contacts_of, write_down

#: Where a contact stands for the moment in which two change places; no other ever does.
_ASIDE = 20_000


@transaction.atomic
def prefer_contact(*, contact: Contact, over: Contact, by: User | None, now: datetime) -> None:
    """Let `contact`, which comes right after `over`, be tried before it.

    Raises ContactError: `order_changed` where the two no longer follow one another.
    """
    # One at a time for an owner, as when one is added or removed.
    Owner.objects.select_for_update().get(pk=contact.owner_id)
    order = list(contacts_of(contact.owner))
    pairs = list(zip(order, order[1:], strict=False))
    if (over, contact) not in pairs:
        raise order_changed()
    first, then = pairs[pairs.index((over, contact))]
    _place(first, _ASIDE)
    _place(then, first.position)
    _place(first, then.position)
    write_down("contact.preferred", then, by, now, over=first.pk)


def order_changed() -> ContactError:
    """Return what to say where the contacts are not as they were seen."""
    return ContactError(
        "order_changed",
        "Somebody changed these contacts meanwhile. They stand below as they are now; move this "
        "one again.",
    )


def _place(contact: Contact, position: int) -> None:
    Contact.objects.filter(pk=contact.pk).update(position=position)
