"""Authors of silences and maintenance are told, by their contact, what ends and what pages then."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import Contact, MaintenanceWindow, Owner
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Announcement, Silence
from runbooks.paging.announcements import deliver_announcements, facts_about
from runbooks.paging.signature import verify
from runbooks.paging.transports.web_push import notification_of
from runbooks.paging.transports.words import message_of
from runbooks.suppression.authors import announce_endings
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.maintenance import cancel_maintenance, plan_maintenance
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import change_silence, create_silence, end_silence
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_owner, make_site, make_user, secret_from
from tests.receiver import Receiver, status
from tests.runbooks.world import make_alert, make_pager

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SOON = NOON + 46 * MINUTE
Every = MaintenanceWindow.Every


@pytest.fixture
def ana(receiver: Receiver) -> Owner:
    """Somebody with an account and one contact at the receiver."""
    owner = make_owner(name="Ana Sato", user=make_user("operator"), time_zone="Asia/Tokyo")
    make_pager(receiver, owner=owner, label="phone")
    return owner


def make_silence(by: Any, text: str = 'kind="thermal.envelope"', **overrides: Any) -> Silence:
    fields: dict[str, Any] = {
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "reason": "Fan is being changed.",
        "by": by,
        "now": NOON,
    }
    return create_silence(matchers=parse_matchers(text), **(fields | overrides))


def plan(by: Any, **overrides: Any) -> MaintenanceWindow:
    fields: dict[str, Any] = {
        "site": overrides.pop("site", None) or make_site(name="Osaka-1"),
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "reason": "Filter change.",
        "by": by,
        "now": NOON,
    }
    return plan_maintenance(**(fields | overrides))


def tell(now: datetime = SOON) -> int:
    announce_endings(now=now)
    return deliver_announcements(now=now, rng=random.Random(1), clock=lambda: 0.0)


def summaries() -> list[str]:
    return list(Announcement.objects.values_list("summary", flat=True))


def test_the_author_of_a_silence_is_told_once_by_their_contact(
    ana: Owner, receiver: Receiver
) -> None:
    alert = make_alert(site=make_site(name="Osaka-1"))
    make_silence(ana.user)
    assert [tell(NOON + 44 * MINUTE), tell(SOON), tell(SOON + MINUTE)] == [0, 1, 0]
    (request,) = receiver.requests
    assert request.json["type"] == "silence.ending"
    assert request.json["data"]["ends_at"] == "2030-01-01T13:00:00Z"
    assert request.json["data"]["url"].endswith("/silences/")
    assert request.json["data"]["summary"] == (
        "Your silence at every site (Fan is being changed) ends at 2030-01-01 13:00 UTC, 22:00 on "
        f"your clock. Then this alert pages, unless somebody takes it before: A-{alert.pk} "
        "urgent: Inlet 38.4 °C, limit 35 °C (Osaka-1)."
    )
    verify(request.body, request.headers, secrets=[secret_from("receiver")], now=SOON)
    told = Announcement.objects.get()
    assert (told.owner, told.state, told.sent_at) == (ana, "sent", SOON)


def test_the_author_of_maintenance_is_told_too(ana: Owner, receiver: Receiver) -> None:
    site = make_site(name="Osaka-1")
    make_alert(site=site)
    plan(ana.user, site=site)
    tell()
    said = receiver.requests[0].json
    assert (said["type"], said["data"]["url"][-13:]) == ("maintenance.ending", "/maintenance/")
    assert said["data"]["summary"].startswith(
        "Your maintenance of Osaka-1 (Filter change) ends at 2030-01-01 13:00 UTC"
    )


def test_what_holds_back_nothing_is_told_to_say_so(ana: Owner) -> None:
    make_silence(ana.user)
    tell()
    assert summaries()[0].endswith("It holds back nothing that would page then.")


def test_only_what_would_page_then_is_named(ana: Owner) -> None:
    first, taken, also_held = (make_alert() for _ in range(3))
    acknowledge_alert(alert=taken, by=make_user(), now=NOON)
    make_silence(ana.user)
    make_silence(make_user(), site=also_held.site, ends_at=NOON + 2 * HOUR)
    tell()
    assert f"A-{first.pk} " in summaries()[0]
    assert f"A-{taken.pk} " not in summaries()[0]
    assert f"A-{also_held.pk} " not in summaries()[0]


def test_of_many_alerts_five_are_named_and_the_others_counted(ana: Owner) -> None:
    for _ in range(7):
        make_alert()
    make_silence(ana.user)
    tell()
    assert "Then 7 alerts page" in summaries()[0]
    assert summaries()[0].endswith("; and 2 more.")


def test_nobody_is_told_who_has_no_contact_that_can_be_told(receiver: Receiver) -> None:
    user = make_user("operator")
    owner = make_owner(user=user)
    make_pager(receiver, owner=owner, tested_at=None)
    # It would open an incident there, and page for what is no alert.
    make_contact(owner=owner, kind=Contact.Kind.PAGERDUTY, url=receiver.url, position=2)
    for author in (user, make_user("operator")):
        make_silence(author)
    make_silence(None, author_name="a program")
    assert tell() == 0
    assert summaries() == []


def test_an_account_that_is_switched_off_is_told_nothing(ana: Owner) -> None:
    make_silence(ana.user)
    type(ana.user).objects.update(is_active=False)
    assert tell() == 0


def test_a_silence_of_minutes_is_not_announced(ana: Owner) -> None:
    make_silence(ana.user, ends_at=NOON + 30 * MINUTE)
    assert tell(NOON + 20 * MINUTE) == 0


def test_a_moved_end_is_told_anew(ana: Owner, receiver: Receiver) -> None:
    silence = make_silence(ana.user)
    tell()
    change_silence(silence=silence, ends_at=NOON + 3 * HOUR, by=ana.user, now=SOON)
    assert [tell(SOON + MINUTE), tell(NOON + 3 * HOUR - MINUTE)] == [0, 1]


def test_what_does_not_end_then_any_more_is_not_told(ana: Owner, receiver: Receiver) -> None:
    silence, window = make_silence(ana.user), plan(ana.user)
    assert announce_endings(now=SOON) == 2
    end_silence(silence=silence, by=ana.user, now=SOON)
    cancel_maintenance(window=window, by=ana.user, now=SOON)
    assert tell() == 0
    assert receiver.requests == []


def test_maintenance_that_recurs_is_told_where_it_holds_back_what_would_page(
    ana: Owner, receiver: Receiver
) -> None:
    site = make_site()
    plan(ana.user, site=site, every=Every.DAY)
    assert tell() == 0
    make_alert(site=site, now=NOON + timedelta(days=1), kind=Finding.Kind.DISK_FULL)
    apply_suppressions(now=NOON + timedelta(days=1))
    days = [tell(SOON + timedelta(days=day)) for day in (1, 2)]
    assert days == [1, 1]


def test_a_contact_that_fails_has_the_next_one_tried(ana: Owner, receiver: Receiver) -> None:
    with Receiver() as second:
        make_pager(second, owner=ana, label="tablet", position=2)
        receiver.answers(status(500))
        make_silence(ana.user)
        assert [tell(), tell(SOON + MINUTE), tell(SOON + 2 * MINUTE)] == [1, 1, 0]
        ids = [receiver.ids, second.ids]
    assert len(ids[0]) == 1
    assert ids[0] == ids[1]


def test_it_is_given_up_when_the_thing_is_over(ana: Owner, receiver: Receiver) -> None:
    receiver.answers(status(500))
    make_silence(ana.user)
    tell()
    deliver_announcements(now=NOON + HOUR)
    assert Announcement.objects.get().state == "dead"
    assert len(receiver.requests) == 1


def test_one_whose_contacts_are_gone_meanwhile_is_tried_later(
    ana: Owner, receiver: Receiver
) -> None:
    make_silence(ana.user)
    announce_endings(now=SOON)
    Contact.objects.filter(owner=ana).update(is_enabled=False)
    deliver_announcements(now=SOON)
    Contact.objects.filter(owner=ana).update(is_enabled=True)
    deliver_announcements(now=SOON + MINUTE)
    assert Announcement.objects.get().state == "sent"


def test_another_sweep_takes_over_from_one_that_died(ana: Owner, receiver: Receiver) -> None:
    make_silence(ana.user)
    announce_endings(now=SOON)
    # Claimed by a sweep that died in its request.
    Announcement.objects.update(attempts_made=1, next_attempt_at=SOON + timedelta(seconds=13))
    assert deliver_announcements(now=SOON + timedelta(seconds=12)) == 0
    assert deliver_announcements(now=SOON + timedelta(seconds=13)) == 1
    assert Announcement.objects.get().state == "sent"


def test_people_read_it_in_words_with_a_link() -> None:
    one = Announcement(
        owner=make_owner(), kind="silence.ending", summary="It ends.", path="/silences/"
    )
    one.created_at = one.ends_at = NOON
    facts = facts_about(one)
    message = message_of(facts, at=NOON)
    assert (message.title, message.lines) == ("A silence of yours ends soon", ("It ends.",))
    assert message.links[0][1].endswith("/silences/")
    pushed = json.loads(notification_of(facts, at=NOON))
    assert (pushed["url"], pushed["acknowledge_url"]) == (message.links[0][1], "")
    # A push service takes at most 32 of these letters.
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", pushed["tag"])
