"""Every named point of the paging path, killed there by SIGKILL again and again.

The oracle is the receiver's own log: every alert that nobody answered reached it, and a page
comes at most once more for each crash, under the same id. What becomes of an alert after its first
page is killed in `test_crash_life.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from pytest_django import Settings

from fleet.management.commands.sweep import deciding_stages
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_user, secret_from
from tests.flows.crash_zygote import FIRST_PAGE
from tests.flows.zygote import (
    Zygote,
    alerts_received,
    engine_pass,
    lateness,
    recover,
    take_in,
    times_received,
)
from tests.receiver import Receiver, broken_off, dripping, held, later, redirect, status
from tests.runbooks.world import make_finding, make_library, seconds, site_paging

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

#: Kills at each point; with those of `test_crash_life.py` they are over 500.
KILLS = 41


@pytest.mark.parametrize("point", FIRST_PAGE)
def test_no_page_is_lost_and_one_more_comes_at_most(
    point: str,
    zygote: Zygote,
    receiver: Receiver,
    record_property: Callable[[str, object], None],
) -> None:
    make_library()
    site = site_paging(receiver)
    operator = make_user("operator")
    kills = 0
    for hour in range(KILLS):
        # An hour apart, so that neither a storm nor a bundle gathers them.
        now = NOON + seconds(3600 * hour)
        make_finding(site=site, began_at=now)
        kills += zygote.kill_at(point, now=now)
        recover(now)
        alert = Alert.objects.order_by("pk").last()
        assert alert is not None
        assert not Page.objects.filter(state=Page.State.LEASED).exists()
        assert Escalation.objects.get(alert=alert).state == Escalation.State.RUNNING
        close_alert(alert=alert, by=operator, reason="Seen.", now=now + seconds(61))
    assert kills == KILLS
    assert alerts_received(receiver) == set(Alert.objects.values_list("pk", flat=True))
    assert Alert.objects.count() == KILLS
    # One page an alert, and the crash at most doubled it.
    assert len(times_received(receiver)) == KILLS
    assert max(times_received(receiver).values()) <= 2
    record_property("lateness", lateness())


def test_an_acknowledgement_that_died_halfway_did_not_happen_and_paging_goes_on(
    zygote: Zygote, receiver: Receiver
) -> None:
    make_library()
    operator = make_user("operator")
    for hour in range(10):
        now = NOON + seconds(3600 * hour)
        make_finding(site=site_paging(receiver), began_at=now)
        for stage in deciding_stages():
            stage.run(now)
        alert = Alert.objects.latest("pk")
        order = {"acknowledge": alert.pk, "by": operator.pk}
        assert zygote.kill_at("acknowledged, not committed", now=now, **order)
        recover(now)
        alert.refresh_from_db()
        assert alert.response == Alert.Response.UNACKNOWLEDGED
        assert alert.pk in alerts_received(receiver)
        close_alert(alert=alert, by=operator, reason="Seen.", now=now + seconds(61))


def test_an_acknowledgement_beats_a_page_whose_sender_died_with_it(
    zygote: Zygote, receiver: Receiver
) -> None:
    make_library()
    operator = make_user("operator")
    for hour in range(10):
        now = NOON + seconds(3600 * hour)
        make_finding(site=site_paging(receiver), began_at=now)
        assert zygote.kill_at("page leased, not sent", now=now)
        alert = Alert.objects.latest("pk")
        acknowledge_alert(alert=alert, by=operator, now=now + seconds(1))
        recover(now)
    assert receiver.requests == []
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.CANCELLED}


def test_two_crashes_in_a_row_cost_two_more_pages_at_most(
    zygote: Zygote, receiver: Receiver
) -> None:
    make_library()
    make_finding(site=site_paging(receiver), began_at=NOON)
    moments = count(0, 15)
    for _ in range(2):
        now = NOON + seconds(next(moments))
        assert zygote.kill_at("page sent, not recorded", now=now)
    recover(NOON + seconds(next(moments)))
    assert list(times_received(receiver).values()) == [3]


def test_a_worker_that_stood_still_past_its_lease_sends_nothing_when_it_goes_on(
    zygote: Zygote, receiver: Receiver
) -> None:
    make_library()
    make_finding(site=site_paging(receiver), began_at=NOON)
    engine = zygote.stop_at("page leased, not sent", now=NOON)
    recover(NOON)
    assert len(receiver.requests) == 1
    assert zygote.go_on(engine)
    assert len(receiver.requests) == 1


def test_a_worker_that_stood_still_after_sending_does_not_undo_what_others_wrote(
    zygote: Zygote, receiver: Receiver
) -> None:
    make_library()
    make_finding(site=site_paging(receiver), began_at=NOON)
    engine = zygote.stop_at("page sent, not recorded", now=NOON)
    recover(NOON)
    assert zygote.go_on(engine)
    assert list(times_received(receiver).values()) == [2]
    assert Page.objects.get().state == Page.State.SENT


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_an_hour_takes_one_step_and_loses_nothing(
    jump: int, receiver: Receiver
) -> None:
    make_library()
    alert = take_in(make_finding(site=site_paging(receiver), began_at=NOON))
    engine_pass(NOON)
    assert len(receiver.requests) == 1
    # Forward: the next step is overdue and is taken once. Back: it is waited for anew, not longer.
    engine_pass(NOON + seconds(jump))
    engine_pass(NOON + seconds(jump + 5))
    assert Escalation.objects.get(alert=alert).sequence == (2 if jump > 0 else 1)
    engine_pass(NOON + seconds(jump + 300))
    assert Escalation.objects.get(alert=alert).sequence == (3 if jump > 0 else 2)


TROUBLES = {
    "500": [status(500)],
    "429 with Retry-After": [later(429, "7")],
    "410": [status(410)],
    "no end": [held()],
    "302": [redirect("http://127.0.0.1:9/elsewhere")],
    "no answer": [broken_off()],
    "a slow answer": [dripping()],
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_receiver_in_trouble_and_a_sender_that_dies_lose_no_page(
    trouble: str, zygote: Zygote, receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS = 1
    make_library()
    make_contact(owner=make_owner(is_catch_all=True), url=receiver.url, secret=secret_from("x"))
    alert = take_in(make_finding(site=site_paging(receiver), began_at=NOON))
    receiver.answers(*TROUBLES[trouble])
    assert zygote.kill_at("page sent, not recorded", now=NOON)
    receiver.answers(status(200))
    # A redirect is refused for good, so the next person's turn comes with the next step.
    for wait in (15, 30, 60, 315):
        engine_pass(NOON + seconds(wait))
    assert Page.objects.filter(alert=alert, state=Page.State.SENT).exists()
    assert max(times_received(receiver).values()) <= 2
