"""The order of a person's contacts: two neighbours change places, as they were seen to stand."""

from __future__ import annotations

import pytest

from fleet.models import AuditEntry, Contact, Owner
from runbooks.paging.contact_order import prefer_contact
from runbooks.paging.contacts import ContactError, contacts_of, remove_contact
from runbooks.paging.people import next_contact
from tests.factories import NOON, make_contact, make_owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Owner:
    """Somebody with three working contacts; the places are not without holes."""
    owner = make_owner()
    for position, label in ((1, "phone"), (4, "desk"), (7, "mail")):
        make_contact(owner=owner, position=position, label=label)
    return owner


def labels(owner: Owner) -> list[str]:
    return [contact.label for contact in contacts_of(owner)]


def named(owner: Owner, label: str) -> Contact:
    return contacts_of(owner).get(label=label)


def prefer(owner: Owner, label: str, *, over: str) -> None:
    contact, other = named(owner, label), named(owner, over)
    prefer_contact(contact=contact, over=other, by=None, now=NOON)


def test_the_preferred_contact_is_paged_first_from_then_on(owner: Owner) -> None:
    prefer(owner, "desk", over="phone")
    assert labels(owner) == ["desk", "phone", "mail"]
    assert next_contact(owner, tried=[]) == named(owner, "desk")
    prefer(owner, "mail", over="phone")
    assert labels(owner) == ["desk", "mail", "phone"]


def test_it_is_written_down(owner: Owner) -> None:
    prefer(owner, "desk", over="phone")
    entry = AuditEntry.objects.get(action="contact.preferred")
    assert entry.detail["contact_id"] == named(owner, "desk").pk
    assert entry.detail["over"] == named(owner, "phone").pk


@pytest.mark.parametrize(("label", "over"), [("phone", "desk"), ("mail", "phone")])
def test_contacts_that_do_not_follow_one_another_stay(owner: Owner, label: str, over: str) -> None:
    with pytest.raises(ContactError, match="move this one again") as caught:
        prefer(owner, label, over=over)
    assert caught.value.code == "order_changed"
    assert labels(owner) == ["phone", "desk", "mail"]


def test_over_one_that_was_removed_meanwhile_nothing_is_moved(owner: Owner) -> None:
    phone, desk = named(owner, "phone"), named(owner, "desk")
    remove_contact(contact=phone, by=None, now=NOON)
    with pytest.raises(ContactError):
        prefer_contact(contact=desk, over=phone, by=None, now=NOON)
    assert labels(owner) == ["desk", "mail"]
