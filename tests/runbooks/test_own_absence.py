"""Our own absence: what could not be heard because we were away is held against nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleet.models import Site
from runbooks.alertmanager.intake import expire_external, take_in_alerts
from runbooks.alertmanager.wire import read_alerts, read_webhook, write_time
from runbooks.auditor import audit_promises
from runbooks.heartbeats.services import check_heartbeats, create_heartbeat, note_heartbeat
from runbooks.models import BrokenPromise, Heartbeat
from telemetry.models import Finding
from tests.factories import NOON, make_site
from tests.runbooks.world import seconds
from tests.telemetry.windows import open_door

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60, 3600
DAY = 24 * HOUR
#: A job each night that takes an hour at most.
NIGHTLY = {"period_seconds": DAY, "grace_seconds": HOUR}


def listened(start: float, end: float) -> None:
    """One web process took in what came between two times, in seconds from NOON."""
    open_door(started_at=NOON + seconds(start), beat_at=NOON + seconds(end))


def expected_every(period_seconds: int, grace_seconds: int) -> str:
    """Expect a heartbeat that last called at NOON; return its key."""
    issued = create_heartbeat(
        site=make_site(),
        node=None,
        name="backup",
        period_seconds=period_seconds,
        grace_seconds=grace_seconds,
        by=None,
        now=NOON - seconds(60),
    )
    note_heartbeat(key=issued.key, now=NOON)
    return issued.key


def late_at(*times: float) -> list[int]:
    """Check at each of these times, in seconds from NOON; return when a finding was there."""
    found = []
    for time in times:
        check_heartbeats(now=NOON + seconds(time))
        found.append(Finding.objects.filter(cleared_at__isnull=True).count())
    return found


def is_over_at(time: float) -> bool:
    """Expire at this time, in seconds from NOON; return whether the only alert is over."""
    expire_external(now=NOON + seconds(time))
    return Finding.objects.get().cleared_at is not None


def say(*, lasts: int | None = None, at: float = 0) -> None:
    """Prometheus says that an alert fires and how long it lasts unless it is said again."""
    alert: dict[str, Any] = {"labels": {"alertname": "GpuThermal", "site": "s01"}}
    if lasts is not None:
        alert["endsAt"] = write_time(NOON + seconds(at + lasts))
    said = read_alerts(json.dumps([alert]).encode())
    now = NOON + seconds(at)
    take_in_alerts(said=said, sites=Site.objects.all(), default_site=None, now=now)


def tell_by_webhook() -> None:
    alert = {"labels": {"alertname": "GpuThermal", "site": "s01"}, "status": "firing"}
    said = read_webhook(json.dumps({"version": "4", "alerts": [alert]}).encode())
    sites = Site.objects.all()
    take_in_alerts(said=said, sites=sites, default_site=None, now=NOON, is_webhook=True)


@pytest.fixture
def site() -> Site:
    return make_site(slug="s01")


def test_after_an_outage_of_ours_a_heartbeat_has_its_whole_time_anew() -> None:
    key = expected_every(MINUTE, MINUTE)
    listened(-HOUR, 10)
    # Before the first web process is back nobody is judged, and then not at once.
    assert late_at(10 * MINUTE) == [0]
    listened(10 * MINUTE, 20 * MINUTE)
    assert late_at(10 * MINUTE + 5, 11 * MINUTE) == [0, 0]
    note_heartbeat(key=key, now=NOON + seconds(11 * MINUTE + 30))
    assert late_at(12 * MINUTE, 13 * MINUTE) == [0, 0]


def test_a_heartbeat_that_died_in_an_outage_of_ours_is_late_all_the_same() -> None:
    expected_every(MINUTE, MINUTE)
    listened(-HOUR, 10)
    listened(10 * MINUTE, 20 * MINUTE)
    assert late_at(10 * MINUTE + 5, 12 * MINUTE - 1, 12 * MINUTE) == [0, 0, 1]
    assert Finding.objects.get().summary.startswith("backup was last heard of 12 min ago")


def test_what_was_late_while_only_the_sweep_was_away_is_found_at_once() -> None:
    expected_every(MINUTE, MINUTE)
    listened(-HOUR, 10 * MINUTE)
    assert late_at(10 * MINUTE) == [1]


def test_a_restart_long_before_a_call_is_due_changes_nothing() -> None:
    expected_every(**NIGHTLY)
    listened(-HOUR, 20 * HOUR)
    listened(20 * HOUR + 10, 2 * DAY)
    assert late_at(DAY + HOUR - 1, DAY + HOUR) == [0, 1]


def test_a_nightly_job_that_is_dead_is_found_though_we_are_restarted_every_day() -> None:
    expected_every(**NIGHTLY)
    listened(-HOUR, DAY)
    # The first restart is while the call is due, the next ones long before it is due again.
    listened(DAY + MINUTE, 2 * DAY - 12 * HOUR)
    assert late_at(DAY + HOUR) == [0]
    listened(2 * DAY - 12 * HOUR + MINUTE, 3 * DAY)
    assert late_at(2 * DAY + HOUR, 2 * DAY + HOUR + MINUTE) == [0, 1]


def test_a_second_restart_beside_the_first_gives_its_time_anew_once_more() -> None:
    expected_every(MINUTE, MINUTE)
    listened(-HOUR, 10)
    listened(10 * MINUTE, 11 * MINUTE)
    assert late_at(11 * MINUTE) == [0]
    listened(12 * MINUTE, 20 * MINUTE)
    assert late_at(12 * MINUTE, 14 * MINUTE - 1, 14 * MINUTE) == [0, 0, 1]


def test_an_external_alert_outlives_an_outage_of_ours_and_is_repeated(site: Site) -> None:
    listened(-HOUR, 10)
    say(lasts=4 * MINUTE)
    assert not is_over_at(6 * MINUTE)
    listened(6 * MINUTE, 20 * MINUTE)
    assert not is_over_at(6 * MINUTE + 5)
    say(lasts=4 * MINUTE, at=7 * MINUTE)
    assert not is_over_at(10 * MINUTE + 59)
    assert Finding.objects.get().revision == 1
    assert is_over_at(11 * MINUTE)


def test_an_external_alert_that_nobody_repeats_after_an_outage_of_ours_is_over(site: Site) -> None:
    listened(-HOUR, 10)
    say(lasts=4 * MINUTE)
    listened(6 * MINUTE, 20 * MINUTE)
    assert not is_over_at(10 * MINUTE - 1)
    assert is_over_at(10 * MINUTE)


def test_what_was_over_while_only_the_sweep_was_away_is_over_at_once(site: Site) -> None:
    listened(-HOUR, 6 * MINUTE)
    say(lasts=4 * MINUTE)
    assert is_over_at(6 * MINUTE)


def test_a_restart_gives_a_webhooks_alert_an_hour_and_no_second_day(site: Site) -> None:
    tell_by_webhook()
    listened(-HOUR, DAY - 10)
    listened(DAY, 2 * DAY)
    assert not is_over_at(DAY + HOUR - 1)
    assert is_over_at(DAY + HOUR)


def test_where_no_door_ever_said_that_it_is_open_everything_ends_in_its_time(site: Site) -> None:
    say(lasts=4 * MINUTE)
    assert is_over_at(4 * MINUTE)
    expected_every(MINUTE, MINUTE)
    assert late_at(2 * MINUTE) == [1]


def test_a_door_that_stays_shut_is_told_of_because_nothing_is_late_meanwhile() -> None:
    expected_every(MINUTE, MINUTE)
    listened(-HOUR, 0)
    late = NOON + seconds(2 * MINUTE + 15)
    assert audit_promises(now=late - seconds(1)) == []
    (broken,) = audit_promises(now=late)
    assert (broken.code, broken.subject) == (BrokenPromise.Code.DOOR_SILENT, "web")
    assert broken.sentence.startswith("Nobody can be heard since 12:00 UTC: no web process")
    assert not Heartbeat.objects.filter(is_late=True).exists()
    listened(200, 400)
    assert audit_promises(now=NOON + seconds(300)) == []
