"""SIGKILL in whatever becomes of an alert after its first page: it happens once, or not yet.

Each engine is killed at a named point, inside the transaction that does the thing; healthy ones
go on after it. The oracle is the receiver's log and the timeline, where everything stands once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from fleet.models import Contact, Site
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, AlertEvent, Escalation, Page
from runbooks.paging.receipts import record_receipt
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import create_silence
from tests.factories import NOON, make_contact, make_policy, make_site, make_user
from tests.flows.zygote import Zygote, engine_pass, recover, times_received
from tests.receiver import Receiver, status
from tests.runbooks.oncall_world import at
from tests.runbooks.world import (
    LOW,
    clear,
    kinds_of,
    make_finding,
    make_library,
    make_pager,
    seconds,
    site_paging,
)

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

Kind, State = AlertEvent.Kind, Escalation.State
#: Kills in each test.
KILLS = 20
YES = b'{"acknowledge": true}'
HOT = 'kind="thermal.envelope"'
OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}
PAGERDUTY_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def operator(transactional_db: None) -> Any:
    make_library()
    return make_user("operator")


def hours() -> Iterator[datetime]:
    """Yield the moments of the kills: an hour apart, so that no storm or bundle gathers them."""
    return (NOON + seconds(3600 * number) for number in range(KILLS))


def paged(site: Site, now: datetime, **overrides: Any) -> Alert:
    """Open an alert and let its first page go out, undisturbed."""
    finding = make_finding(site=site, began_at=now, **overrides)
    engine_pass(now)
    return Alert.objects.get(finding=finding)


def end(alert: Alert, operator: Any, now: datetime) -> None:
    close_alert(alert=alert, by=operator, reason="Seen.", now=now + seconds(61))


def silence(starts_at: datetime, *, now: datetime) -> None:
    create_silence(
        matchers=parse_matchers(HOT),
        starts_at=starts_at,
        ends_at=now + seconds(600),
        reason="Fan is being changed.",
        by=None,
        author_name="test",
        now=now,
    )


def test_a_clear_that_died_halfway_is_noted_once_and_stops_paging(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        alert = paged(site, now)
        clear(alert.finding, now=now + seconds(5))
        assert zygote.kill_at("cleared, not committed", now=now + seconds(5))
        alert.refresh_from_db()
        assert alert.condition == Alert.Condition.FIRING
        recover(now)
        assert kinds_of(alert).count(Kind.CLEARED) == 1
        assert Escalation.objects.get(alert=alert).state == State.STOPPED
        end(alert, operator, now)
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_a_notice_that_died_with_its_close_is_sent_once_by_the_next_engine(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    pager = make_pager(receiver, kind=Contact.Kind.PAGERDUTY, secret=PAGERDUTY_KEY)
    site = make_site(owner=pager.owner)
    for now in hours():
        alert = paged(site, now)
        acknowledge_alert(alert=alert, by=operator, now=now + seconds(2))
        clear(alert.finding, now=now + seconds(5))
        assert zygote.kill_at("notice queued, not committed", now=now + seconds(5))
        recover(now)
        alert.refresh_from_db()
        assert alert.response == Alert.Response.CLOSED
        assert kinds_of(alert).count(Kind.CLOSED) == 1
        notice = Page.objects.get(alert=alert, purpose=Page.Purpose.RESOLVED)
        assert notice.state == Page.State.SENT
    actions = [request.json["event_action"] for request in receiver.requests]
    assert actions.count("resolve") == KILLS


def test_a_reply_whose_engine_died_acknowledges_once(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    receiver.answers(status(200, YES))
    site = site_paging(receiver)
    for now in hours():
        alert = paged(site, now)
        assert zygote.kill_at("reply taken, not committed", now=now + seconds(5))
        recover(now)
        taken = alert.events.filter(kind=Kind.ACKNOWLEDGED)
        assert [entry.channel for entry in taken] == [AlertEvent.Channel.REPLY]
        end(alert, operator, now)
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_an_acknowledgement_in_an_answer_that_died_unread_is_asked_for_once_more(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    receiver.answers(status(200, YES))
    site = site_paging(receiver)
    for now in hours():
        make_finding(site=site, began_at=now)
        assert zygote.kill_at("page sent, not recorded", now=now)
        recover(now)
        alert = Alert.objects.latest("pk")
        assert kinds_of(alert).count(Kind.ACKNOWLEDGED) == 1
        end(alert, operator, now)
    assert list(times_received(receiver).values()) == [2] * KILLS


def test_a_receipt_that_died_halfway_is_kept_when_it_comes_again(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        alert = paged(site, now)
        page = Page.objects.get(alert=alert)
        order = {"receipt_of": str(page.pk)}
        assert zygote.kill_at("receipt kept, not committed", now=now, **order)
        page.refresh_from_db()
        assert page.receipt == Page.Receipt.NONE
        again = {"receipt": Page.Receipt.DELIVERED, "seq": 1, "now": now + seconds(5)}
        assert record_receipt(page=page, **again) is True
        assert record_receipt(page=page, **again) is False
        assert kinds_of(alert).count(Kind.RECEIPT) == 1
        end(alert, operator, now)


def test_a_receipt_for_a_page_whose_sender_died_is_its_delivery(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        make_finding(site=site, began_at=now)
        assert zygote.kill_at("page sent, not recorded", now=now)
        page = Page.objects.latest("created_at")
        order = {"receipt_of": str(page.pk)}
        assert zygote.kill_at("receipt kept, not committed", now=now, **order)
        page.refresh_from_db()
        assert page.state == Page.State.LEASED
        record_receipt(page=page, receipt=Page.Receipt.DELIVERED, seq=1, now=now + seconds(5))
        recover(now)
        page.refresh_from_db()
        assert page.state == Page.State.SENT
        end(page.alert, operator, now)
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_a_silence_whose_beginning_died_halfway_holds_back_from_the_next_cycle_on(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        alert = paged(site, now)
        silence(now + seconds(2), now=now)
        assert zygote.kill_at("overlay written, not committed", now=now + seconds(5))
        recover(now)
        alert.refresh_from_db()
        assert alert.is_suppressed
        assert Escalation.objects.get(alert=alert).state == State.SUSPENDED
        assert kinds_of(alert).count(Kind.SUPPRESSED) == 1
        end(alert, operator, now)
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_a_silence_whose_end_died_halfway_lets_go_in_the_next_cycle(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        silence(now, now=now)
        alert = paged(site, now)
        assert alert.is_suppressed
        over = now + seconds(600)
        assert zygote.kill_at("overlay written, not committed", now=over)
        assert not Page.objects.filter(alert=alert).exists()
        recover(over)
        assert kinds_of(alert).count(Kind.SUPPRESSION_ENDED) == 1
        end(alert, operator, over)
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_a_storm_that_died_as_it_opened_is_one_storm_with_every_finding(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    site = site_paging(receiver)
    for now in hours():
        for _ in range(11):
            make_finding(site=site, began_at=now)
        assert zygote.kill_at("storm opened, not committed", now=now)
        recover(now)
        alert = Alert.objects.latest("pk")
        assert (alert.is_storm, alert.member_count) == (True, 11)
        end(alert, operator, now)
    assert Alert.objects.count() == KILLS
    assert list(times_received(receiver).values()) == [1] * KILLS


def test_a_page_whose_giving_up_died_halfway_still_goes_to_the_next_contact_once(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    receiver.answers(status(400))
    with Receiver() as second:
        site = site_paging(receiver)
        make_contact(owner=site.owner, url=second.url, position=2)
        for now in hours():
            make_finding(site=site, began_at=now)
            assert zygote.kill_at("page given up, not committed", now=now)
            recover(now)
            alert = Alert.objects.latest("pk")
            assert kinds_of(alert).count(Kind.PAGE_FAILED) == 1
            end(alert, operator, now)
        # The first one's answer died with the engine, so it is asked once more.
        assert list(times_received(receiver).values()) == [2] * KILLS
        assert list(times_received(second).values()) == [1] * KILLS


def test_a_step_that_waits_for_its_hours_goes_on_after_restarts(
    zygote: Zygote, receiver: Receiver, operator: Any
) -> None:
    step = {"notify": ["site_owner"], "delay_seconds": 300, "hours": OFFICE}
    # Noon in Greenwich is nine in the evening in Tokyo.
    site = site_paging(receiver, policy=make_policy(steps=[step], repeat=0))
    morning = at(1, 23)
    finding = make_finding(site=site, severity=LOW)
    assert zygote.kill_at("wait for hours, not committed", now=NOON)
    for now in (NOON + seconds(15), NOON + seconds(3600), morning - seconds(1)):
        assert zygote.run(now=now)
    assert receiver.requests == []
    assert zygote.kill_at("step advanced, not committed", now=morning)
    assert zygote.run(now=morning + seconds(5))
    assert zygote.run(now=morning + seconds(10))
    assert len(receiver.requests) == 1
    alert = Alert.objects.get(finding=finding)
    assert kinds_of(alert).count(Kind.NOBODY_REACHABLE) == 1
