"""From findings to alerts."""

from __future__ import annotations

import pytest

from fleet.models import Site
from runbooks.alerts.intake import follow_findings, take_in_findings
from runbooks.alerts.services import acknowledge_alert
from runbooks.alerts.storms import STORM_ALERTS
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation, RunbookVersion
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import create_silence
from telemetry.models import Finding
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import (
    LOW,
    alert_of,
    clear,
    fire_again,
    kinds_of,
    make_finding,
    make_runbook,
    revise,
    run,
    seconds,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
LONG_AGO = NOON - seconds(7 * 86_400)


def is_taken_in(finding: Finding) -> bool:
    finding.refresh_from_db()
    return finding.taken_in_revision == finding.revision


def test_a_finding_is_taken_in_once() -> None:
    finding = make_finding()
    assert [take_in_findings(now=NOON), take_in_findings(now=NOON)] == [1, 0]
    assert Alert.objects.count() == 1
    assert is_taken_in(finding)


def test_data_replayed_after_a_week_offline_page_nobody() -> None:
    finding = make_finding(began_at=LONG_AGO, detected_at=NOON, updated_at=NOON)
    run(NOON)
    assert is_taken_in(finding)
    assert not Alert.objects.exists()


def test_trouble_that_began_long_ago_and_is_still_seen_pages() -> None:
    make_finding(
        began_at=LONG_AGO,
        detected_at=NOON,
        updated_at=NOON,
        evidence={"window_end": NOON.timestamp() - 30},
    )
    run(NOON)
    assert Alert.objects.count() == 1


def test_old_evidence_does_not_make_old_news_new() -> None:
    make_finding(
        began_at=LONG_AGO,
        detected_at=NOON,
        updated_at=NOON,
        evidence={"window_end": LONG_AGO.timestamp() + 60},
    )
    run(NOON)
    assert not Alert.objects.exists()


def test_a_finding_that_waited_out_an_outage_of_ours_pages() -> None:
    make_finding(began_at=LONG_AGO)
    run(NOON)
    assert Alert.objects.count() == 1


@pytest.mark.parametrize("window_end", ["soon", True, 1e300, None, -1e18])
def test_evidence_that_makes_no_sense_does_not_keep_a_finding_out(window_end: object) -> None:
    make_finding(evidence={"window_end": window_end})
    run(NOON)
    assert Alert.objects.count() == 1


@pytest.mark.parametrize("status", [Site.Status.PLANNED, Site.Status.RETIRED])
def test_a_site_that_is_not_live_pages_nobody(status: str) -> None:
    finding = make_finding(site=make_site(status=status))
    run(NOON)
    assert is_taken_in(finding)
    assert not Alert.objects.exists()


def test_a_site_that_goes_live_pages_with_the_next_change() -> None:
    site = make_site(status=Site.Status.STAGING)
    finding = make_finding(site=site)
    run(NOON)
    Site.objects.filter(pk=site.pk).update(status=Site.Status.ACTIVE)
    revise(finding, summary="Still hot.")
    run(LATER)
    assert Alert.objects.count() == 1


def test_an_alert_of_a_site_that_is_retired_still_hears_the_clear() -> None:
    finding = make_finding()
    run(NOON)
    Site.objects.filter(pk=finding.site_id).update(status=Site.Status.RETIRED)
    clear(finding, now=LATER)
    run(LATER)
    assert alert_of(finding).condition == Alert.Condition.CLEARED


def test_what_came_and_went_before_intake_is_on_record_and_pages_nobody() -> None:
    finding = make_finding()
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    assert (alert.condition, alert.response) == ("cleared", "unacknowledged")
    assert kinds_of(alert) == ["opened", "cleared"]
    assert not alert.pages.exists()


def test_a_late_clear_of_an_earlier_finding_does_not_clear_the_one_that_fires() -> None:
    first = make_finding()
    run(NOON)
    second = fire_again(clear(first, now=LATER), now=LATER)
    Finding.objects.filter(pk=first.pk).update(taken_in_revision=2)
    take_in_findings(now=LATER)
    Finding.objects.filter(pk=first.pk).update(taken_in_revision=1)
    take_in_findings(now=LATER)
    alert = Alert.objects.get()
    assert (alert.finding, alert.condition) == (second, Alert.Condition.FIRING)


def test_a_clear_whose_alert_was_closed_by_hand_opens_nothing() -> None:
    finding = make_finding()
    run(NOON)
    Alert.objects.update(response="closed", closed_at=NOON)
    clear(finding, now=LATER)
    run(LATER)
    assert Alert.objects.count() == 1


def test_a_later_edition_of_the_runbook_does_not_reach_an_open_alert() -> None:
    finding = make_finding()
    run(NOON)
    pinned = alert_of(finding).runbook_version
    make_runbook("thermal-alarm", matches="thermal.envelope", title="Rewritten", now=LATER)
    revise(finding, summary="Hotter still.")
    run(LATER)
    assert alert_of(finding).runbook_version == pinned
    assert RunbookVersion.objects.filter(runbook=pinned.runbook).count() == 2


def test_intake_takes_no_more_than_it_is_asked_to() -> None:
    site = make_site()
    for _ in range(3):
        make_finding(site=site)
    assert take_in_findings(now=NOON, limit=2, alone=0) == 2
    assert take_in_findings(now=NOON, limit=2, alone=0) == 1


def test_a_new_finding_does_not_wait_while_others_change() -> None:
    """Hundreds that change are taken in one by one, some at a time; a new one goes first."""
    known = [make_finding() for _ in range(3)]
    take_in_findings(now=NOON)
    for finding in known:
        revise(finding, summary="Inlet 39 °C, limit 35 °C")
    newcomer = make_finding(began_at=LATER)
    assert take_in_findings(now=LATER, alone=2) == 3
    assert is_taken_in(newcomer)
    assert [is_taken_in(finding) for finding in known] == [True, True, False]


def test_what_clears_at_once_ends_each_in_its_own_way() -> None:
    findings = {name: make_finding() for name in ("waiting", "taken", "flapping", "refired")}
    findings["low"] = make_finding(severity=LOW)
    take_in_findings(now=NOON)
    acknowledge_alert(alert=alert_of(findings["taken"]), by=make_user(), now=NOON)
    Alert.objects.filter(finding=findings["flapping"]).update(is_flapping=True)
    for number, finding in enumerate(findings.values()):
        clear(finding, now=LATER + seconds(number))
    again = fire_again(findings["refired"], now=LATER + seconds(9))
    take_in_findings(now=LATER + seconds(9))
    assert all(is_taken_in(finding) for finding in [*findings.values(), again])
    ended = {
        name: kinds_of(Alert.objects.get(dedup_key=finding.fingerprint))[1:]
        for name, finding in findings.items()
    }
    assert ended == {
        "waiting": ["cleared"],
        "taken": ["acknowledged", "cleared", "closed"],
        "flapping": ["cleared"],
        "low": ["cleared", "closed"],
        "refired": ["cleared", "fired_again"],
    }
    at = dict(Alert.objects.values_list("finding", "cleared_at"))
    assert at[findings["taken"].pk] == LATER + seconds(1)
    assert at[findings["low"].pk] == LATER + seconds(4)
    assert at[again.pk] is None
    states = dict(Escalation.objects.values_list("alert__finding", "state"))
    assert states.pop(again.pk) == Escalation.State.RUNNING
    assert set(states.values()) == {Escalation.State.STOPPED}


def test_a_firing_that_follows_a_clear_of_its_key_is_taken_in_after_it() -> None:
    """Being new does not let it overtake the clear: its alert would never have cleared."""
    first = make_finding()
    take_in_findings(now=NOON)
    clear(first, now=LATER)
    fire_again(first, now=LATER)
    take_in_findings(now=LATER)
    assert kinds_of(alert_of(first))[-2:] == ["cleared", "fired_again"]


def test_two_sites_with_one_fingerprint_are_two_alerts() -> None:
    make_finding(fingerprint="site.dark")
    make_finding(fingerprint="site.dark")
    run(NOON)
    assert Alert.objects.count() == 2


def test_an_open_alert_says_what_its_finding_says_by_now_and_pages_nobody_for_it() -> None:
    finding = make_finding(summary="Inlet 36 °C, limit 35 °C")
    run(NOON)
    before = kinds_of(alert_of(finding))
    Finding.objects.filter(pk=finding.pk).update(
        summary="Inlet 39 °C, limit 35 °C", evidence={"value": 39.0}, updated_at=LATER
    )
    assert follow_findings(now=LATER) == 1
    alert = alert_of(finding)
    assert alert.summary == "Inlet 39 °C, limit 35 °C"
    assert alert.evidence == {"value": 39.0}
    assert kinds_of(alert) == before
    assert follow_findings(now=LATER + seconds(1)) == 0


def test_a_cleared_finding_changes_its_alert_no_more() -> None:
    finding = make_finding(summary="Inlet 36 °C, limit 35 °C")
    run(NOON)
    clear(finding, now=LATER)
    Finding.objects.filter(pk=finding.pk).update(summary="other", updated_at=LATER)
    assert follow_findings(now=LATER) == 0


@pytest.mark.parametrize("count", [1, STORM_ALERTS + 1])
def test_what_a_silence_covers_is_held_back_as_it_opens_storm_or_not(count: int) -> None:
    create_silence(
        matchers=parse_matchers('kind="thermal.envelope"'),
        starts_at=NOON,
        ends_at=NOON + seconds(3600),
        reason="The cooling is worked on.",
        by=make_user("admin"),
        now=NOON,
    )
    site = make_site()
    for _ in range(count):
        make_finding(site=site)
    take_in_findings(now=NOON)
    alert = Alert.objects.get()
    assert alert.is_suppressed
    assert alert.escalation.state == Escalation.State.SUSPENDED
    assert advance_due_escalations(now=LATER) == 0
