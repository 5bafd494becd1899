"""Contacts: nothing counts before it was tested, and nothing in force is lost by changing it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from fleet.models import AuditEntry, Contact, Owner
from runbooks.paging.contacts import (
    ContactError,
    add_contact,
    change_contact,
    contacts_of,
    remove_contact,
    replaced_by,
    replacement_of,
    rotate_secret,
    send_test_page,
    switch_contact,
)
from runbooks.paging.people import WORKING
from runbooks.paging.signature import verify
from tests.factories import NOON, make_contact, make_owner, make_site, make_user, secret_from
from tests.receiver import Receiver, status
from tests.runbooks.world import deliver, make_alert, make_pager, queued, run, seconds

pytestmark = pytest.mark.django_db

LATER = NOON + seconds(60)
KEY = "0123456789abcdef0123456789abcdef"


def add(owner: Owner, url: str, **overrides: Any) -> Contact:
    fields: dict[str, Any] = {"kind": "webhook", "label": "phone", "by": None, "now": NOON}
    return add_contact(owner=owner, url=url, **(fields | overrides))


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ContactError) as caught:
        call(by=None, now=LATER, **arguments)
    assert str(caught.value).endswith(".")
    return caught.value.code


def working(owner: Owner) -> list[str]:
    return list(Contact.objects.filter(WORKING, owner=owner).values_list("url", flat=True))


def send_test(contact: Contact) -> Any:
    return send_test_page(contact=contact, by=None, now=LATER)


def judge_now() -> None:
    """Ask the database at once what it judges at the end of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_new_contact_counts_once_a_test_page_got_through(receiver: Receiver) -> None:
    owner = make_owner()
    contact = add(owner, receiver.url)
    assert working(owner) == []
    answer = send_test_page(contact=contact, by=make_user(username="ben"), now=LATER)
    assert answer.status == 200
    assert working(owner) == [receiver.url]
    contact.refresh_from_db()
    assert (contact.tested_at, contact.last_test_at) == (LATER, LATER)
    assert contact.last_test_outcome == "The test page got through (HTTP 200)."


def test_a_test_page_is_signed_like_a_real_one_and_says_that_it_is_a_test(
    receiver: Receiver,
) -> None:
    contact = add(make_owner(name="Ana Silva"), receiver.url)
    send_test_page(contact=contact, by=make_user(username="ben"), now=LATER)
    (request,) = receiver.requests
    verify(request.body, request.headers, secrets=[contact.secret], now=LATER)
    assert request.json["type"] == "contact.test"
    assert request.json["data"]["summary"].startswith("Test page for Ana Silva by phone, asked")
    assert request.json["data"]["page"]["id"] == request.headers["webhook-id"]


@pytest.mark.parametrize("code", [302, 400, 404, 500])
def test_a_test_page_that_did_not_get_through_makes_nothing_count(
    receiver: Receiver, code: int
) -> None:
    receiver.answers(status(code))
    contact = add(make_owner(), receiver.url)
    send_test(contact)
    contact.refresh_from_db()
    assert contact.tested_at is None
    assert contact.last_test_at == LATER
    assert contact.last_test_outcome == f"The test page did not get through: HTTP {code}"


def test_a_contact_that_passed_once_stays_in_force_when_a_test_fails(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    receiver.answers(status(500))
    send_test(contact)
    assert working(contact.owner) == [receiver.url]
    contact.refresh_from_db()
    assert contact.last_test_outcome.endswith("HTTP 500")


def test_a_receiver_that_says_it_has_gone_counts_no_more_until_a_test_gets_through(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    receiver.answers(status(410), status(200))
    send_test(contact)
    assert working(contact.owner) == []
    send_test(contact)
    assert working(contact.owner) == [receiver.url]


@pytest.mark.usefixtures("library")
def test_a_changed_address_leaves_the_old_one_in_force_until_its_test_got_through(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    alert = queued(make_site(owner=contact.owner))
    old = contact.url
    changed = change_contact(contact=contact, by=None, now=LATER, url=old + "/new")
    assert changed.pk != contact.pk
    assert working(contact.owner) == [old]
    assert replacement_of(contact) == changed
    assert replaced_by(changed) == contact
    receiver.answers(status(500), status(200))
    send_test(changed)
    assert working(contact.owner) == [old]
    send_test(changed)
    assert working(contact.owner) == [old + "/new"]
    # The same row as before: the pages and policies that name it mean the new address now.
    assert contacts_of(contact.owner).get().pk == contact.pk
    deliver(LATER)
    assert receiver.requests[-1].path == "/pager/new"
    assert receiver.requests[-1].json["data"]["alert"]["id"] == alert.pk
    judge_now()


def test_a_contact_changed_twice_before_its_test_waits_once(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    for path in ("/first", "/second"):
        change_contact(contact=contact, by=None, now=LATER, url=receiver.url + path)
    waiting = replacement_of(contact)
    assert waiting is not None
    assert waiting.url == receiver.url + "/second"
    assert contacts_of(contact.owner).count() == 2


def test_an_untested_contact_is_changed_in_place(receiver: Receiver) -> None:
    contact = add(make_owner(), receiver.url)
    changed = change_contact(contact=contact, by=None, now=LATER, url=receiver.url + "/new")
    assert changed.pk == contact.pk
    contact.refresh_from_db()
    assert contact.url == receiver.url + "/new"


def test_a_new_name_needs_no_new_test(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    change_contact(contact=contact, by=None, now=LATER, label="  night\n phone ")
    contact.refresh_from_db()
    assert contact.label == "night phone"
    assert working(contact.owner) == [receiver.url]


def test_a_contact_that_pages_may_not_go_to_any_more_can_still_be_named(
    receiver: Receiver, settings: Settings
) -> None:
    contact = make_pager(receiver)
    settings.HEARTHWATCH_PAGE_HOSTS = []
    change_contact(contact=contact, by=None, now=LATER, label="desk")
    contact.refresh_from_db()
    assert contact.label == "desk"


def test_a_test_says_nothing_of_an_address_that_was_changed_meanwhile(receiver: Receiver) -> None:
    contact = add(make_owner(), receiver.url)
    stale = Contact.objects.get(pk=contact.pk)
    stale.url = receiver.url + "/elsewhere"
    Contact.objects.filter(pk=contact.pk).update(last_test_outcome="untouched")
    change_contact(contact=contact, by=None, now=LATER, url=receiver.url + "/new")
    send_test(stale)
    # It tests what is there, not what the caller remembers.
    assert receiver.requests[-1].path == "/pager/new"


def test_a_removed_contact_without_pages_is_gone(receiver: Receiver) -> None:
    contact = add(make_owner(), receiver.url)
    remove_contact(contact=contact, by=None, now=LATER)
    assert not Contact.objects.filter(pk=contact.pk).exists()
    assert code_of(send_test_page, contact=contact) == "contact_removed"
    assert code_of(change_contact, contact=contact, label="x") == "contact_removed"


@pytest.mark.usefixtures("library")
def test_a_removed_contact_stays_in_the_log_without_its_secret_and_frees_its_place(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    make_contact(owner=contact.owner, url=receiver.url + "/two", position=2)
    make_alert(site=make_site(owner=contact.owner))
    run(NOON)
    remove_contact(contact=contact, by=None, now=LATER)
    judge_now()
    row = Contact.objects.get(pk=contact.pk)
    assert row.secret != secret_from("receiver")
    assert working(contact.owner) == [receiver.url + "/two"]
    assert list(contacts_of(contact.owner).values_list("position", flat=True)) == [2]
    assert add(contact.owner, receiver.url).position == 3
    assert code_of(remove_contact, contact=contact) == "contact_removed"


@pytest.mark.parametrize("is_removed", [True, False])
def test_the_last_contact_of_who_answers_for_a_live_site_cannot_be_taken_away(
    receiver: Receiver, is_removed: bool
) -> None:
    contact = make_pager(receiver)
    site = make_site(owner=contact.owner)
    call, rest = {True: (remove_contact, {}), False: (switch_contact, {"is_enabled": False})}[
        is_removed
    ]
    with pytest.raises(ContactError, match=site.name) as caught:
        call(contact=contact, by=None, now=LATER, **rest)
    assert caught.value.code == "last_contact"
    make_contact(owner=contact.owner, position=2)
    call(contact=contact, by=None, now=LATER, **rest)
    judge_now()


def test_a_contact_is_switched_off_and_on(receiver: Receiver) -> None:
    contact = make_pager(receiver)
    switch_contact(contact=contact, is_enabled=False, by=None, now=LATER)
    assert working(contact.owner) == []
    switch_contact(contact=contact, is_enabled=True, by=None, now=LATER)
    assert working(contact.owner) == [receiver.url]


@pytest.mark.usefixtures("library")
def test_pages_carry_both_signatures_for_a_day_after_a_change_of_secret(
    receiver: Receiver,
) -> None:
    contact = make_pager(receiver)
    old = contact.secret
    new = rotate_secret(contact=contact, by=None, now=NOON)
    assert working(contact.owner) == [receiver.url]
    make_alert(site=make_site(owner=contact.owner))
    run(NOON)
    (request,) = receiver.requests
    for secret in (old, new):
        verify(request.body, request.headers, secrets=[secret], now=NOON)
    tomorrow = NOON + seconds(86_400)
    make_alert(site=make_site(owner=contact.owner), now=tomorrow)
    run(tomorrow)
    assert receiver.requests[-1].headers["webhook-signature"].count("v1,") == 1
    verify(receiver.requests[-1].body, receiver.requests[-1].headers, secrets=[new], now=tomorrow)


def test_only_a_webhook_has_a_secret_of_ours_to_change() -> None:
    contact = make_contact(kind="slack", url="https://127.0.0.1/x", secret="")
    assert code_of(rotate_secret, contact=contact) == "nothing_to_rotate"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "pigeon"}, "unknown_kind"),
        ({"label": " \n"}, "label_missing"),
        ({"label": "x" * 81}, "label_too_long"),
        ({"url": "http://10.0.0.1/"}, "host_not_allowed"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "host_not_allowed"),
        ({"url": "ftp://127.0.0.1/"}, "bad_scheme"),
        ({"url": "http://ana:pw@127.0.0.1/"}, "credentials_in_url"),
        ({"url": "nonsense"}, "bad_scheme"),
        ({"url": "http://127.0.0.1/" + "x" * 1000}, "too_long"),
        ({"secret": "whsec_YWJj"}, "bad_secret"),
        ({"kind": "pagerduty", "secret": "short"}, "bad_integration_key"),
        ({"kind": "email", "url": "ana"}, "bad_mail_address"),
        ({"kind": "apprise", "url": "dbus://"}, "unknown_service"),
        ({"kind": "web_push", "secret": "{}"}, "bad_subscription"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(fields: dict[str, Any], code: str) -> None:
    good = {"owner": make_owner(), "kind": "webhook", "label": "x", "url": "http://127.0.0.1/"}
    assert code_of(add_contact, **(good | fields)) == code
    assert not Contact.objects.exists()


def test_a_name_that_nobody_can_look_up_now_may_be_there_tomorrow() -> None:
    assert add(make_owner(), "http://no-such-host.invalid/").tested_at is None


def test_the_same_address_is_not_added_twice(receiver: Receiver) -> None:
    owner = make_owner()
    add(owner, receiver.url)
    same = {"owner": owner, "kind": "webhook", "label": "again", "url": receiver.url}
    assert code_of(add_contact, **same) == "contact_known"


def test_what_is_left_out_is_filled_in() -> None:
    owner = make_owner()
    assert add(owner, "http://127.0.0.1/").secret.startswith("whsec_")
    assert add(owner, "ana@example.org", kind="email").url == "mailto:ana@example.org"
    assert [contact.position for contact in contacts_of(owner)] == [1, 2]


def test_everything_done_to_a_contact_is_written_down_without_a_secret(receiver: Receiver) -> None:
    by = make_user()
    owner = make_owner()
    contact = add(owner, receiver.url + "?token=hunter2hunter2", by=by)
    send_test_page(contact=contact, by=by, now=LATER)
    new = rotate_secret(contact=contact, by=by, now=LATER)
    change_contact(contact=contact, by=by, now=LATER, label="desk")
    switch_contact(contact=contact, is_enabled=False, by=by, now=LATER)
    remove_contact(contact=contact, by=by, now=LATER)
    entries = AuditEntry.objects.filter(action__startswith="contact.").order_by("id")
    assert [entry.action for entry in entries] == [
        "contact.added",
        "contact.tested",
        "contact.secret_rotated",
        "contact.changed",
        "contact.switched_off",
        "contact.removed",
    ]
    assert {entry.actor_id for entry in entries} == {by.pk}
    said = json.dumps([entry.detail for entry in entries])
    assert not any(secret in said for secret in (contact.secret, new, "hunter2"))


@pytest.mark.parametrize("code", [410, 500])
def test_a_failed_test_of_a_site_that_nobody_can_be_paged_for_is_recorded(
    receiver: Receiver, code: int
) -> None:
    contact = make_pager(receiver)
    make_site(owner=contact.owner)
    judge_now()
    receiver.answers(status(410), status(code))
    send_test(contact)
    send_test(contact)
    judge_now()
    contact.refresh_from_db()
    assert contact.last_test_outcome.endswith(f"HTTP {code}")
