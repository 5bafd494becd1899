"""The order of contacts on a person's page: first, then, and buttons that swap two of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact, Owner
from runbooks.paging.contacts import contacts_of
from tests.factories import make_contact, make_owner, make_user
from tests.noc.detail_world import signed_in, stop_clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def mei() -> Owner:
    """Somebody with an account, and three contacts of which the first does not work."""
    mei = make_owner(name="Mei Tanaka", user=make_user("owner"))
    make_contact(owner=mei, position=1, label="pager", tested_at=None)
    make_contact(owner=mei, position=2, label="phone")
    make_contact(owner=mei, position=3, label="mail")
    return mei


def labels(owner: Owner) -> list[str]:
    return [contact.label for contact in contacts_of(owner)]


def move(owner: Owner, label: str, act: str, *, neighbour: str, by: Any = None) -> Any:
    contacts = {contact.label: contact.pk for contact in contacts_of(owner)}
    address = reverse("noc:contact-change", args=[owner.pk, contacts[label], act])
    said = {"neighbour": str(contacts.get(neighbour, neighbour))}
    return signed_in(by or owner.user).post(address, said, follow=True)


def test_the_page_says_which_is_tried_first_and_which_then(mei: Owner) -> None:
    page = signed_in(mei.user).get(reverse("noc:contact", args=[mei.pk])).content.decode()
    turns = [
        page.find(f'<span class="chip">{turn}</span> <b>{label}')
        for turn, label in (("first", "phone"), ("then", "mail"))
    ]
    assert min(turns) > 0
    assert "</span> <b>pager" not in page
    assert "Try pager after phone" in page
    assert "Try pager before" not in page
    assert "Try mail after" not in page


@pytest.mark.parametrize(
    ("label", "act", "neighbour", "order"),
    [
        ("mail", "earlier", "phone", ["pager", "mail", "phone"]),
        ("pager", "later", "phone", ["phone", "pager", "mail"]),
    ],
)
def test_a_button_swaps_it_with_its_neighbour(
    mei: Owner, label: str, act: str, neighbour: str, order: list[str]
) -> None:
    page = move(mei, label, act, neighbour=neighbour).content.decode()
    assert "is tried before" in page
    assert labels(mei) == order


@pytest.mark.parametrize("neighbour", ["pager", "", "0", "99999999999999999999"])
def test_a_stale_button_changes_nothing_and_says_so(mei: Owner, neighbour: str) -> None:
    answer = move(mei, "mail", "earlier", neighbour=neighbour)
    assert answer.status_code == 409
    assert "Somebody changed these contacts meanwhile." in answer.content.decode()
    assert labels(mei) == ["pager", "phone", "mail"]


def test_anothers_contact_is_no_neighbour(mei: Owner) -> None:
    other: Contact = make_contact(label="other")
    assert move(mei, "mail", "earlier", neighbour=str(other.pk)).status_code == 409


def test_an_engineer_may_look_at_the_order_and_not_change_it(mei: Owner) -> None:
    engineer = make_user("engineer")
    page = signed_in(engineer).get(reverse("noc:contact", args=[mei.pk])).content.decode()
    assert 'name="neighbour"' not in page
    assert move(mei, "mail", "earlier", neighbour="phone", by=engineer).status_code == 403
    assert labels(mei) == ["pager", "phone", "mail"]
