"""What backs an alert: the chart of its reading, or what is known where there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from fleet.models import DesiredState, ReportedState
from fleet.noc.alert_proof import span_of
from runbooks.models import Alert
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.detail_world import figure_in, hot_alert, hot_node, signed_in, stop_clock
from tests.telemetry.windows import report_boot

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_of(alert: Alert) -> str:
    """Return the alert page as an operator sees it."""
    answer = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    return answer.content.decode()


def test_the_reading_that_fired_is_drawn_with_its_limit_and_its_moment() -> None:
    alert = hot_alert()
    page = page_of(alert)
    layout = figure_in(page, "proof-chart-data")["layout"]
    assert [note["text"] for note in layout["annotations"]] == [
        "limit 35.0 °C, ASHRAE A2 allowable",
        "fired 21:00",
    ]
    assert "Now <b>38.4 °C</b>, least 24.0 °C, most 38.4 °C." in page
    assert "site time (UTC+9)" in page


def test_an_alert_of_a_yes_or_no_draws_no_limit_between_the_two() -> None:
    evidence = {"metric": "mdc.ups.on_battery", "unit": "1", "device": "", "limit": 0.5}
    alert = hot_alert(kind=Finding.Kind.POWER_BATTERY, evidence=evidence, summary="On battery")
    assert "Limit" not in page_of(alert)


def test_a_silent_site_shows_when_each_node_was_last_heard() -> None:
    node = hot_node()
    quiet = make_node(site=node.site, name="never-heard")
    alert = hot_alert(node, kind=Finding.Kind.SITE_DARK, node=None, evidence={})
    page = page_of(alert)
    assert "proof-chart" not in page
    assert page.index(quiet.name) < page.index(f">{node.name}<")
    assert "Last heard" in page


def test_drift_shows_what_is_reported_against_what_is_desired() -> None:
    node = hot_node()
    DesiredState.objects.create(
        kind="config", name="sshd_config", number=1, digest="sha256:aaaa", created_at=NOON
    )
    ReportedState.objects.create(
        node=node,
        kind="config",
        name="sshd_config",
        digest="sha256:bbbb",
        state="ready",
        observed_at=NOON,
    )
    evidence = {"item": "sshd_config", "nodes": [node.name]}
    alert = hot_alert(node, kind=Finding.Kind.CONFIG_DRIFT, node=None, evidence=evidence)
    page = page_of(alert)
    assert "aaaa" in page
    assert "bbbb" in page
    assert "differs" in page


def test_a_reboot_shows_the_boots() -> None:
    node = hot_node()
    report_boot(node, "boot-before", minute=-60)
    report_boot(node, "boot-after", minute=0)
    alert = hot_alert(node, kind=Finding.Kind.NODE_REBOOT, evidence={})
    page = page_of(alert)
    assert page.index("boot-after") < page.index("boot-before")


def test_what_is_drawn_reaches_from_before_the_trouble_until_now() -> None:
    alert = Alert(site=make_site(), began_at=NOON, opened_at=NOON)
    span = span_of(alert, NOON + 5 * minute)
    assert (span.since, span.until) == (NOON - 114 * minute, NOON + 6 * minute)
    long = span_of(alert, NOON + timedelta(hours=9))
    assert (long.since, long.until) == (NOON - 60 * minute, NOON + timedelta(hours=9, minutes=1))


def test_of_trouble_that_lasts_for_days_its_beginning_is_drawn() -> None:
    alert = Alert(site=make_site(), began_at=NOON, opened_at=NOON)
    span = span_of(alert, NOON + timedelta(days=3))
    assert (span.since, span.until) == (NOON - 60 * minute, NOON + 60 * minute)


def test_after_the_end_nothing_more_is_drawn() -> None:
    alert = Alert(site=make_site(), began_at=NOON, closed_at=NOON + 60 * minute)
    assert span_of(alert, NOON + timedelta(days=3)).until == NOON + 91 * minute
