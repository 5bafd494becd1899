"""Every named point of the paging path, killed there by SIGKILL again and again.

The oracle is the receiver's own log: every alert that nobody answered reached it, and a page
comes at most once more for each crash, under the same id.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from pytest_django import Settings

from fleet.management.commands.sweep import deciding_stages
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.models import Alert, Escalation, Page
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_owner, make_user, secret_from
from tests.flows.conftest import database_url_of_test
from tests.flows.crash_zygote import POINTS
from tests.processes import ROOT
from tests.receiver import Receiver, broken_off, dripping, held, later, redirect, status
from tests.runbooks.world import deliver, make_finding, make_library, seconds, site_paging

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

#: Kills at each point; times the number of points it is over 500.
KILLS = 63
ENGINE_POINTS = [point for point in POINTS if not point.startswith("acknowledged")]
#: After this much time every lease has run out and every retry is due.
LATER = (15, 40)


class Zygote:
    """Forks engines that die where they are told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.crash_zygote"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url_of_test()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_at(self, point: str, *, now: datetime, **order: Any) -> bool:
        """Let an engine work until it dies at `point`; tell whether it did."""
        return bool(self._ask(point=point, now=now.isoformat(), **order)["killed"])

    def stop_at(self, point: str, *, now: datetime) -> int:
        """Let an engine work until it stands still at `point`; return its process id."""
        answer = self._ask(point=point, now=now.isoformat(), stop=True)
        assert answer["stopped"]
        return int(answer["pid"])

    def go_on(self, engine: int) -> bool:
        """Let an engine that stands still go on; tell whether it came to its end."""
        return bool(self._ask(go_on=engine)["ended"])

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """End it; it has no children between two orders."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def zygote(transactional_db: None) -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.end()


def engine_pass(now: datetime) -> None:
    """Do what the sweep does in one cycle, at `now`."""
    for stage in deciding_stages():
        stage.run(now)
    deliver(now)


def recover(now: datetime) -> None:
    """Let healthy engines go on until every lease and retry has had its time."""
    for wait in LATER:
        engine_pass(now + seconds(wait))


def take_in(finding: Finding) -> Alert:
    take_in_findings(now=finding.began_at)
    return Alert.objects.get(finding=finding)


def times_received(receiver: Receiver) -> Counter[str]:
    """Return how often each page reached the receiver."""
    return Counter(request.headers["webhook-id"] for request in receiver.requests)


def alerts_received(receiver: Receiver) -> set[int]:
    return {request.json["data"]["alert"]["id"] for request in receiver.requests}


@pytest.mark.parametrize("point", ENGINE_POINTS)
def test_no_page_is_lost_and_one_more_comes_at_most(
    point: str, zygote: Zygote, receiver: Receiver
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
    # Forward: the next step is overdue and is taken once. Back: nothing is due, nothing repeated.
    engine_pass(NOON + seconds(jump))
    engine_pass(NOON + seconds(jump + 5))
    assert Escalation.objects.get(alert=alert).sequence == (2 if jump > 0 else 1)
    engine_pass(NOON + seconds(7200))
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
