"""The contacts' pages: what works, testing it, changing it without a gap, secrets shown once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from fleet.models import Contact, Owner
from fleet.noc.contact_board import state_of
from tests.factories import make_contact, make_owner, make_site, make_user, secret_from
from tests.noc.detail_world import NOW, counted_queries, signed_in, stop_clock
from tests.receiver import Receiver, status

pytestmark = pytest.mark.django_db

hour = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def mei() -> Owner:
    """Somebody with an account of their own and no contact yet."""
    return make_owner(name="Mei Tanaka", user=make_user("owner"))


def page_of(owner: Owner, user: Any) -> str:
    answer = signed_in(user).get(reverse("noc:contact", args=[owner.pk]))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def act(contact: Contact, name: str, *, by: Any = None, **said: str) -> Any:
    address = reverse("noc:contact-change", args=[contact.owner_id, contact.pk, name])
    return signed_in(by or contact.owner.user).post(address, said, follow=True)


TOOK = "The push service took the test page (HTTP 201). It counts once the browser shows it."
UNSHOWN = "test page not shown yet"


def add(owner: Owner, *, by: Any = None, **said: str) -> Any:
    address = reverse("noc:contact-add", args=[owner.pk])
    return signed_in(by or owner.user).post(address, said, follow=True)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "working"),
        ({"tested_at": None}, "untested"),
        (
            {"tested_at": None, "last_test_at": NOW, "last_test_outcome": "It answered 500."},
            "failed its test",
        ),
        ({"tested_at": None, "last_test_at": NOW, "last_test_outcome": TOOK}, UNSHOWN),
        ({"last_test_at": NOW, "last_test_outcome": TOOK}, f"working, last {UNSHOWN}"),
        ({"disabled_reason": "The receiver answered 410 Gone."}, "gone"),
        ({"is_enabled": False}, "switched off"),
        ({"last_test_at": NOW, "last_test_outcome": "No."}, "working, last test failed"),
    ],
)
def test_a_contact_says_in_a_word_whether_it_is_paged(fields: dict[str, Any], word: str) -> None:
    contact = make_contact(**({"tested_at": NOW - hour} | fields))
    state = state_of(contact)
    assert state.word == word
    assert state.is_working == word.startswith("working")


def test_people_who_cannot_be_paged_come_first_and_are_counted() -> None:
    make_contact(owner=make_owner(name="Anne Roux"))
    make_contact(owner=make_owner(name="Ben Okafor"), tested_at=None)
    page = signed_in(make_user("viewer")).get(reverse("noc:contacts")).content.decode()
    assert "1 person cannot be paged" in page
    assert page.index("Ben Okafor") < page.index("Anne Roux")


def test_without_anybody_the_list_says_the_next_step() -> None:
    page = signed_in(make_user("viewer")).get(reverse("noc:contacts")).content.decode()
    assert "Nobody can be paged yet" in page
    assert "An administrator makes owners" in page


def test_the_lists_queries_do_not_grow_with_people() -> None:
    make_contact()
    reader = signed_in(make_user("viewer"))
    reader.get(reverse("noc:contacts"))
    with counted_queries() as few:
        reader.get(reverse("noc:contacts"))
    for number in range(5):
        make_contact(position=number + 1)
    with counted_queries() as many:
        reader.get(reverse("noc:contacts"))
    assert len(many) == len(few)


def test_a_person_without_a_contact_is_told_what_to_do(mei: Owner) -> None:
    page = page_of(mei, mei.user)
    assert "Mei Tanaka cannot be paged" in page
    assert "Add one, then send it a test page." in page


def test_a_webhook_is_added_its_secret_shown_once_and_it_counts_after_its_test(
    mei: Owner, receiver: Receiver
) -> None:
    shown = add(mei, kind="webhook", label="phone", url=receiver.url).content.decode()
    contact = mei.contacts.get()
    assert contact.secret in shown
    assert contact.secret not in page_of(mei, mei.user)
    assert "Mei Tanaka cannot be paged" in page_of(mei, mei.user)
    tested = act(contact, "test").content.decode()
    assert "The test page got through to phone in" in tested
    assert "Mei Tanaka can be paged" in tested
    assert receiver.requests[0].json["type"] == "contact.test"


def test_a_test_page_that_fails_says_what_was_answered(mei: Owner, receiver: Receiver) -> None:
    contact = make_contact(owner=mei, url=receiver.url, tested_at=None)
    receiver.answers(status(503))
    page = act(contact, "test").content.decode()
    assert "The test page did not get through to pager: it answered 503" in page
    assert "Failed its test" in page


def test_a_new_address_waits_beside_the_old_one_until_it_passed_its_test(
    mei: Owner, receiver: Receiver
) -> None:
    contact = make_contact(owner=mei, url="http://127.0.0.1:9/old")
    page = act(contact, "change", label="pager", url=receiver.url).content.decode()
    assert "pager stays in force as it was." in page
    assert "A new address waits for its test page" in page
    assert "Takes over from pager once a test page got through." in page
    waiting = mei.contacts.get(tested_at=None)
    act(waiting, "test")
    contact.refresh_from_db()
    assert contact.url == receiver.url
    assert mei.contacts.count() == 1


def test_an_empty_address_leaves_it_as_it_is(mei: Owner) -> None:
    contact = make_contact(owner=mei)
    act(contact, "change", label="night phone", url="")
    contact.refresh_from_db()
    assert (contact.label, contact.url) == ("night phone", "http://127.0.0.1:9/pager")
    assert contact.tested_at is not None


def test_a_new_secret_is_shown_once_while_the_old_one_still_counts(mei: Owner) -> None:
    contact = make_contact(owner=mei, secret=secret_from("old"))
    shown = act(contact, "rotate")
    contact.refresh_from_db()
    assert contact.secret != secret_from("old")
    assert contact.secret in shown.content.decode()
    assert secret_from("old") not in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    later = page_of(mei, mei.user)
    assert contact.secret not in later
    assert "The old secret is accepted" in later


def test_a_contact_is_switched_off_and_on(mei: Owner) -> None:
    contact = make_contact(owner=mei)
    assert "pager is switched off." in act(contact, "switch", on="0").content.decode()
    assert "Mei Tanaka cannot be paged" in page_of(mei, mei.user)
    act(contact, "switch", on="1")
    assert "Mei Tanaka can be paged" in page_of(mei, mei.user)


def test_a_contact_is_removed_but_not_the_last_of_a_live_site(mei: Owner) -> None:
    last = make_contact(owner=mei)
    make_site(owner=mei, name="Osaka-3")
    refused = act(last, "remove")
    assert refused.status_code == 422
    assert "answers for Osaka-3 and has no other working contact" in refused.content.decode()
    other = make_contact(owner=mei, position=2, label="mail")
    assert "mail is removed." in act(other, "remove").content.decode()
    assert list(mei.contacts.all()) == [last]
    connection.check_constraints()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"kind": "pigeon", "label": "x", "url": "http://127.0.0.1:9/"}, "There is no kind"),
        (
            {"kind": "webhook", "label": " ", "url": "http://127.0.0.1:9/"},
            "Give the contact a name",
        ),
        ({"kind": "webhook", "label": "x", "url": "ftp://127.0.0.1/"}, "http"),
        ({"kind": "webhook", "label": "x", "url": "http://169.254.169.254/"}, "169.254.169.254"),
        ({"kind": "pagerduty", "label": "x", "url": "", "secret": ""}, "key"),
    ],
)
def test_a_contact_that_cannot_be_is_refused_in_words(
    said: dict[str, str], sentence: str, mei: Owner
) -> None:
    answer = add(mei, **said)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not mei.contacts.exists()


def test_what_was_typed_stays_but_never_a_key(mei: Owner) -> None:
    answer = add(mei, kind="pagerduty", label="duty", url="ftp://x", secret="k" * 32)
    page = answer.content.decode()
    assert 'value="duty"' in page
    assert "k" * 32 not in page


def test_an_address_that_is_a_password_is_never_shown(mei: Owner) -> None:
    make_contact(
        owner=mei,
        kind=Contact.Kind.SLACK,
        url="https://hooks.slack.com/services/T0/B0/verysecretpart",
        secret="",
    )
    page = page_of(mei, mei.user)
    assert "https://hooks.slack.com/•••" in page
    assert "verysecretpart" not in page


def test_others_may_look_but_not_test_or_change(mei: Owner) -> None:
    contact = make_contact(owner=mei)
    engineer = make_user("engineer")
    page = page_of(mei, engineer)
    assert "Send test page" not in page
    assert "Mei Tanaka and administrators change these contacts." in page
    for name in ("test", "change", "switch", "rotate", "remove"):
        assert act(contact, name, by=engineer).status_code == 403
    assert add(mei, by=engineer, kind="webhook", label="x", url="x").status_code == 403
    contact.refresh_from_db()
    assert contact.secret == secret_from("pager")


def test_an_administrator_may_change_everybodys(mei: Owner) -> None:
    contact = make_contact(owner=mei)
    assert act(contact, "switch", by=make_user("admin"), on="0").status_code == 200
    contact.refresh_from_db()
    assert not contact.is_enabled


def test_a_person_of_hidden_sites_is_not_found(mei: Owner) -> None:
    contact = make_contact(owner=mei)
    stranger = make_user("viewer", site=make_site())
    address = reverse("noc:contact", args=[mei.pk])
    assert signed_in(stranger).get(address).status_code == 404
    assert act(contact, "test", by=stranger).status_code == 404


def test_one_persons_address_does_not_reach_anothers_contact(mei: Owner) -> None:
    other = make_contact()
    address = reverse("noc:contact-change", args=[mei.pk, other.pk, "remove"])
    assert signed_in(mei.user).post(address).status_code == 404
    assert Contact.objects.filter(pk=other.pk).exists()
