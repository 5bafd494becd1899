"""The pager's own trouble reaches the catch-all owner by any contact that works."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings

from fleet.models import Owner
from runbooks.auditor.meta import tell_of_promises
from runbooks.escalation.readiness import lacks
from runbooks.models import BrokenPromise
from runbooks.paging.own import own_facts
from runbooks.paging.promises import mend_all_but, report_broken
from runbooks.paging.transports.web_push import notification_of
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.mail_server import MailServer
from tests.receiver import Receiver, status
from tests.runbooks.world import seconds

pytestmark = pytest.mark.django_db

Code = BrokenPromise.Code
LATER = NOON + seconds(60)
KEY = "R0UT1NGKEY0R0UT1NGKEY0R0UT1NGKEY"


def by(kind: str, url: str, **overrides: Any) -> Any:
    """Make the catch-all owner with one working contact of this kind."""
    owner = make_owner(name="Ana", is_catch_all=True)
    return make_contact(owner=owner, kind=kind, url=url, **({"secret": ""} | overrides))


def breaks(*subjects: str) -> None:
    for subject in subjects:
        for at in (NOON - seconds(15), NOON):
            report_broken(code=Code.SWEEP_SILENT, broken={subject: "It is silent."}, now=at)


def still_broken(*subjects: str) -> None:
    """Mend all others."""
    broken = dict.fromkeys(subjects, "It is silent.")
    mend_all_but(code=Code.SWEEP_SILENT, broken=broken, now=LATER)


def bodies(receiver: Receiver) -> list[Any]:
    return [request.json for request in receiver.requests]


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_chat_is_told_in_words(receiver: Receiver, kind: str) -> None:
    by(kind, receiver.url)
    breaks("sweep.decide")
    assert tell_of_promises(now=NOON) == 1
    text = json.dumps(bodies(receiver)[0])
    assert "the pager itself is in trouble" in text
    assert "It is silent." in text


def test_a_mail_is_sent_and_its_id_stays_that_of_the_news(settings: Settings) -> None:
    with MailServer() as server:
        settings.HEARTHWATCH_SMTP_HOST, settings.HEARTHWATCH_SMTP_PORT = "127.0.0.1", server.port
        settings.HEARTHWATCH_SMTP_TLS = "none"
        settings.HEARTHWATCH_SMTP_FROM = "pager@hearthwatch.example"
        by("email", "mailto:ana@example.org")
        breaks("sweep.decide")
        assert tell_of_promises(now=NOON) == 1
    (mail,) = server.mails
    assert mail["Subject"] == "Hearthwatch: the pager itself is in trouble"
    assert "It is silent." in mail.get_content()


def test_pagerduty_holds_one_incident_until_nothing_is_broken(receiver: Receiver) -> None:
    receiver.answers(status(202))
    by("pagerduty", receiver.url, secret=KEY)
    breaks("sweep.decide", "sweep.deliver")
    told = [tell_of_promises(now=NOON)]
    for left in (["sweep.deliver"], []):
        still_broken(*left)
        told.append(tell_of_promises(now=LATER))
    assert told == [1, 1, 1]
    said = bodies(receiver)
    assert [event["event_action"] for event in said] == ["trigger", "trigger", "resolve"]
    assert len({event["dedup_key"] for event in said}) == 1
    assert said[0]["payload"]["severity"] == "critical"
    assert "No longer so: It is silent." in said[1]["payload"]["summary"]
    assert "Something else is broken still." in said[1]["payload"]["summary"]


def test_alertmanager_ends_what_is_over(receiver: Receiver) -> None:
    by("alertmanager", receiver.url)
    breaks("sweep.decide")
    tell_of_promises(now=NOON)
    still_broken()
    tell_of_promises(now=LATER)
    (broken,), (over,) = bodies(receiver)
    assert broken["labels"] == over["labels"]
    assert broken["labels"] == {"alertname": "hearthwatch.pager", "severity": "urgent"}
    assert broken["endsAt"] > LATER.isoformat()
    assert over["endsAt"] == LATER.isoformat()


def test_a_webhook_that_does_not_answer_is_followed_by_the_next_contact(
    receiver: Receiver,
) -> None:
    chat = by("slack", receiver.url, position=2)
    make_contact(owner=chat.owner, position=1, url="http://127.0.0.1:1/")
    breaks("sweep.decide")
    assert tell_of_promises(now=NOON) == 1
    assert len(receiver.requests) == 1


def paths(receiver: Receiver) -> list[str]:
    return [request.path.rpartition("/")[2] for request in receiver.requests]


def two_chats(receiver: Receiver) -> None:
    """Give the catch-all owner two working contacts."""
    first = by("slack", receiver.url + "/first", position=1)
    make_contact(
        owner=first.owner, kind="slack", secret="", position=2, url=receiver.url + "/second"
    )


def test_each_repeat_goes_to_the_next_contact_lest_one_dead_mailbox_swallows_all(
    receiver: Receiver,
) -> None:
    two_chats(receiver)
    breaks("sweep.decide")
    for at in range(0, 3 * 3600, 15):
        tell_of_promises(now=NOON + seconds(at))
    assert paths(receiver) == ["first", "second", "first"]


def test_a_repeat_that_its_contact_does_not_take_goes_to_the_others(receiver: Receiver) -> None:
    two_chats(receiver)
    breaks("sweep.decide")
    tell_of_promises(now=NOON)
    receiver.answers(status(500), status(200))
    assert tell_of_promises(now=NOON + seconds(3600)) == 1
    assert paths(receiver) == ["first", "second", "first"]


@pytest.mark.parametrize(("repeats", "also_told"), [(0, ["first"]), (1, ["first", "second"])])
def test_that_it_holds_again_is_told_to_everybody_who_was_told(
    receiver: Receiver, repeats: int, also_told: list[str]
) -> None:
    two_chats(receiver)
    breaks("sweep.decide")
    for hour in range(repeats + 1):
        tell_of_promises(now=NOON + seconds(3600 * hour))
    before = len(receiver.requests)
    mended_at = NOON + seconds(3600 * repeats + 60)
    mend_all_but(code=Code.SWEEP_SILENT, broken={}, now=mended_at)
    assert [tell_of_promises(now=mended_at), tell_of_promises(now=mended_at)] == [1, 0]
    assert paths(receiver)[before:] == also_told


def administrator(receiver: Receiver, name: str = "cleo") -> None:
    """Somebody who may administer all sites, with one working contact."""
    person = make_owner(name=name, user=make_user("admin"))
    make_contact(owner=person, kind="slack", secret="", url=f"{receiver.url}/{name}")


def test_what_nobody_has_mended_in_an_hour_is_told_to_administrators_too(
    receiver: Receiver,
) -> None:
    two_chats(receiver)
    administrator(receiver)
    administrator(receiver, "dora")
    breaks("sweep.decide")
    for at in (0, 15, 3600, 3615):
        tell_of_promises(now=NOON + seconds(at))
    assert paths(receiver)[:2] == ["first", "second"]
    assert sorted(paths(receiver)[2:]) == ["cleo", "dora"]
    mended_at = NOON + seconds(3700)
    mend_all_but(code=Code.SWEEP_SILENT, broken={}, now=mended_at)
    assert [tell_of_promises(now=mended_at), tell_of_promises(now=mended_at)] == [1, 0]
    assert sorted(paths(receiver)[4:]) == ["cleo", "dora", "first", "second"]


def test_an_administrator_is_told_at_once_where_the_catch_all_owner_takes_nothing(
    receiver: Receiver,
) -> None:
    by("slack", receiver.url + "/first")
    administrator(receiver)
    receiver.answers(status(500), status(200))
    breaks("sweep.decide")
    assert tell_of_promises(now=NOON) == 1
    assert paths(receiver) == ["first", "cleo"]


def test_an_administrator_who_was_told_at_once_hears_that_it_holds_again(
    receiver: Receiver,
) -> None:
    by("slack", receiver.url + "/first")
    administrator(receiver)
    receiver.answers(status(500), status(200))
    breaks("sweep.decide")
    tell_of_promises(now=NOON)
    still_broken()
    assert tell_of_promises(now=LATER) == 1
    assert paths(receiver) == ["first", "cleo", "first", "cleo"]


def test_who_was_not_told_that_it_broke_is_not_told_that_it_holds(receiver: Receiver) -> None:
    by("slack", receiver.url + "/first")
    administrator(receiver)
    breaks("sweep.decide")
    tell_of_promises(now=NOON)
    still_broken()
    tell_of_promises(now=LATER)
    assert paths(receiver) == ["first", "first"]


def test_the_incident_of_an_administrator_is_ended_though_another_contact_of_theirs_works(
    receiver: Receiver,
) -> None:
    by("slack", receiver.url + "/first")
    administrator(receiver)
    cleo = Owner.objects.get(name="cleo")
    make_contact(owner=cleo, kind="pagerduty", url=receiver.url, secret=KEY, position=2)
    receiver.answers(status(500), status(500), status(202))
    breaks("sweep.decide")
    tell_of_promises(now=NOON)
    receiver.answers(status(200), status(202), status(200))
    still_broken()
    tell_of_promises(now=LATER)
    actions = [body.get("event_action") for body in bodies(receiver)]
    assert [action for action in actions if action] == ["trigger", "resolve"]


def test_many_who_do_not_answer_do_not_keep_the_auditor_from_going_round(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cleo", "dora", "eve", "finn"):
        administrator(receiver, name)
    # Each one takes 30 s.
    clock = iter(range(0, 3000, 30))
    monkeypatch.setattr("runbooks.auditor.meta.monotonic", lambda: float(next(clock)))
    breaks("sweep.decide")
    assert tell_of_promises(now=NOON) == 1
    assert paths(receiver) == ["cleo"]
    assert tell_of_promises(now=NOON + seconds(3600)) == 1
    assert paths(receiver)[1:] == ["dora"]


def test_who_administers_one_site_alone_is_not_told(receiver: Receiver) -> None:
    person = make_owner(name="Eve", user=make_user("admin", make_site()))
    make_contact(owner=person, kind="slack", secret="", url=receiver.url)
    breaks("sweep.decide")
    assert tell_of_promises(now=NOON) == 0
    assert receiver.requests == []


def test_an_incident_is_ended_though_the_last_trouble_was_told_elsewhere(
    receiver: Receiver,
) -> None:
    chat = by("slack", receiver.url, position=1)
    make_contact(owner=chat.owner, kind="pagerduty", url=receiver.url, secret=KEY, position=2)
    receiver.answers(status(200), status(202))
    breaks("sweep.decide")
    assert [tell_of_promises(now=NOON + seconds(at)) for at in (0, 3600)] == [1, 1]
    at = NOON + seconds(3700)
    for again in (at - seconds(15), at):
        report_broken(code=Code.DOOR_SILENT, broken={"web": "It is silent."}, now=again)
    tell_of_promises(now=at)
    for code in (Code.SWEEP_SILENT, Code.DOOR_SILENT):
        mend_all_but(code=code, broken={}, now=at + seconds(60))
        tell_of_promises(now=at + seconds(60))
    actions = [body.get("event_action") for body in bodies(receiver)]
    assert (actions[1], actions[-1]) == ("trigger", "resolve")


def test_a_browser_is_shown_no_link_to_take_an_alert() -> None:
    facts = own_facts(
        purpose="trouble", page_id="msg_1", owner_name="Ana", reason="", summary="Late.", now=NOON
    )
    shown = json.loads(notification_of(facts, at=NOON))
    assert (shown["tag"], shown["acknowledge_url"], shown["body"]) == ("pager", "", "Late.")


def test_readiness_says_when_nobody_could_be_told() -> None:
    owner = make_owner(name="Ana", is_catch_all=True)
    (lack,) = [lack for lack in lacks(now=NOON) if lack.code == "owner_unreachable"]
    assert "the auditor, which tells them when the pager itself fails" in lack.sentence
    make_contact(owner=owner, kind="email", url="mailto:ana@example.org", secret="")
    assert [lack.code for lack in lacks(now=NOON) if lack.code == "owner_unreachable"] == []


def test_readiness_says_that_without_a_catch_all_nobody_is_told() -> None:
    (lack,) = [lack for lack in lacks(now=NOON) if lack.code == "no_catch_all"]
    assert "nobody is told when the pager itself fails" in lack.sentence
