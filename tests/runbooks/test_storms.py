"""Storms: many findings of one kind at one site at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from fleet.models import Site
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.alerts.storms import STORM_ALERTS
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Page, StormMember
from runbooks.suppression.cycle import apply_suppressions
from telemetry.models import Finding
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver
from tests.runbooks.world import (
    HIGH,
    LOW,
    URGENT,
    clear,
    fire_again,
    kinds_of,
    make_finding,
    make_library,
    revise,
    run,
    seconds,
    sentences_of,
    site_paging,
)
from tests.telemetry.connections import in_another_connection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(5)
#: More than ten minutes after everything that happened around NOON.
MUCH_LATER = NOON + seconds(1200)


def burst(site: Site, count: int, **overrides: Any) -> list[Finding]:
    return [make_finding(site=site, **overrides) for _ in range(count)]


def owed() -> int:
    return Finding.objects.filter(revision__gt=F("taken_in_revision")).count()


def storm_at(site: Site) -> Alert:
    return Alert.objects.get(site=site, is_storm=True)


def start_storm(site: Site, **overrides: Any) -> list[Finding]:
    findings = burst(site, STORM_ALERTS + 1, **overrides)
    take_in_findings(now=NOON)
    return findings


def clear_all(findings: list[Finding], *, now: Any) -> None:
    for finding in findings:
        clear(finding, now=now)
    take_in_findings(now=now)


def test_a_burst_is_one_alert_and_every_finding_of_it_is_taken_in() -> None:
    site = make_site()
    burst(site, 1500)
    assert take_in_findings(now=NOON) == 1500
    assert owed() == 0
    storm = Alert.objects.get()
    assert (storm.is_storm, storm.member_count, storm.firing_member_count) == (True, 1500, 1500)
    assert StormMember.objects.filter(storm=storm).count() == 1500


def test_a_storm_has_a_runbook_and_a_policy_like_any_alert() -> None:
    site = make_site()
    start_storm(site)
    storm = storm_at(site)
    assert storm.runbook_version.runbook.slug == "thermal-alarm"
    assert storm.policy_version.policy == site.escalation_choice.policy
    assert storm.dedup_key == "storm/thermal.envelope"
    assert storm.finding is None


def test_a_storm_sends_as_many_pages_as_one_alert(receiver: Receiver) -> None:
    burst(site_paging(receiver), 200)
    run(NOON)
    run(LATER)
    assert len(receiver.requests) == 1
    assert receiver.requests[0].json["data"]["alert"]["evidence"]["members"] == 200


def test_ten_alerts_of_one_kind_are_no_storm_yet() -> None:
    burst(make_site(), STORM_ALERTS)
    take_in_findings(now=NOON)
    assert Alert.objects.filter(is_storm=False).count() == STORM_ALERTS


def test_what_comes_one_by_one_becomes_a_storm_with_the_eleventh_in_a_minute() -> None:
    site = make_site()
    for offset in range(STORM_ALERTS + 3):
        make_finding(site=site)
        take_in_findings(now=NOON + seconds(offset))
    assert Alert.objects.filter(is_storm=False).count() == STORM_ALERTS
    assert storm_at(site).member_count == 3


def test_the_same_number_over_a_longer_time_is_no_storm() -> None:
    site = make_site()
    for offset in range(STORM_ALERTS + 3):
        make_finding(site=site)
        take_in_findings(now=NOON + seconds(offset * 10))
    assert not Alert.objects.filter(is_storm=True).exists()


def test_other_kinds_and_other_sites_are_not_drawn_in() -> None:
    site, other = make_site(), make_site()
    burst(site, STORM_ALERTS + 1)
    burst(site, 2, kind=Finding.Kind.DISK_FULL)
    burst(other, 2)
    take_in_findings(now=NOON)
    assert Alert.objects.filter(is_storm=True).count() == 1
    assert Alert.objects.filter(is_storm=False).count() == 4


def test_later_findings_join_the_storm_while_it_rages() -> None:
    site = make_site()
    start_storm(site)
    make_finding(site=site)
    take_in_findings(now=LATER)
    assert Alert.objects.count() == 1
    assert storm_at(site).member_count == STORM_ALERTS + 2


def test_members_that_clear_count_down_and_the_last_one_clears_the_storm() -> None:
    site = make_site()
    first, *others = start_storm(site)
    clear_all(others, now=LATER)
    storm = storm_at(site)
    assert (storm.member_count, storm.firing_member_count) == (STORM_ALERTS + 1, 1)
    assert storm.condition == Alert.Condition.FIRING
    clear_all([first], now=LATER)
    storm.refresh_from_db()
    assert (storm.firing_member_count, storm.condition) == (0, Alert.Condition.CLEARED)
    assert storm.response == Alert.Response.UNACKNOWLEDGED
    assert not storm.members.filter(cleared_at__isnull=True).exists()


def test_a_storm_somebody_has_taken_closes_when_its_last_member_clears() -> None:
    site = make_site()
    findings = start_storm(site)
    acknowledge_alert(alert=storm_at(site), by=make_user(), now=NOON)
    clear_all(findings, now=LATER)
    assert storm_at(site).response == Alert.Response.CLOSED


def test_a_member_that_gets_worse_raises_the_storm_and_alarms_anew() -> None:
    site = make_site()
    first, *_ = start_storm(site, severity=HIGH)
    acknowledge_alert(alert=storm_at(site), by=make_user(), now=NOON)
    revise(first, severity=URGENT)
    take_in_findings(now=LATER)
    storm = storm_at(site)
    assert (storm.severity, storm.response) == (URGENT, Alert.Response.UNACKNOWLEDGED)
    assert Alert.objects.count() == 1


def test_a_storm_is_as_severe_as_its_worst_finding() -> None:
    site = make_site()
    burst(site, STORM_ALERTS, severity=LOW)
    make_finding(site=site, severity=HIGH)
    take_in_findings(now=NOON)
    assert storm_at(site).severity == HIGH


def test_a_storm_that_has_quietened_lets_the_next_finding_have_an_alert_of_its_own() -> None:
    site = make_site()
    start_storm(site)
    late = make_finding(site=site, began_at=MUCH_LATER)
    take_in_findings(now=MUCH_LATER)
    assert Alert.objects.get(is_storm=False).finding == late
    assert storm_at(site).condition == Alert.Condition.FIRING


def test_a_storm_that_cleared_lets_the_next_finding_have_an_alert_of_its_own() -> None:
    site = make_site()
    clear_all(start_storm(site), now=LATER)
    make_finding(site=site)
    take_in_findings(now=LATER)
    assert Alert.objects.filter(is_storm=False).count() == 1


def test_a_second_burst_fires_the_same_storm_again() -> None:
    site = make_site()
    clear_all(start_storm(site), now=LATER)
    burst(site, STORM_ALERTS + 1, began_at=MUCH_LATER)
    run(MUCH_LATER)
    storm = storm_at(site)
    assert (storm.condition, storm.fired_count) == (Alert.Condition.FIRING, 2)
    assert storm.cleared_at is None
    assert "fired_again" in kinds_of(storm)
    assert Page.objects.filter(alert=storm, created_at=MUCH_LATER).count() == 1


def test_a_burst_after_the_storm_was_closed_is_another_storm_that_knows_the_first() -> None:
    site = make_site()
    findings = start_storm(site)
    acknowledge_alert(alert=storm_at(site), by=make_user(), now=NOON)
    clear_all(findings, now=LATER)
    burst(site, STORM_ALERTS + 1)
    take_in_findings(now=LATER)
    first, second = Alert.objects.filter(is_storm=True).order_by("pk")
    assert second.previous == first


def test_members_of_a_storm_that_was_closed_by_hand_are_settled_until_they_get_worse() -> None:
    site = make_site()
    first, second, *_ = start_storm(site, severity=HIGH)
    close_alert(alert=storm_at(site), by=make_user(), now=NOON, reason="A drill.")
    revise(first, summary="Still hot.")
    clear(second, now=LATER)
    take_in_findings(now=LATER)
    assert Alert.objects.count() == 1
    revise(first, severity=URGENT)
    take_in_findings(now=LATER)
    assert Alert.objects.filter(is_storm=False, finding=first).count() == 1


def test_what_came_and_went_before_intake_is_on_record_and_pages_nobody() -> None:
    site = make_site()
    for finding in burst(site, STORM_ALERTS + 1):
        clear(finding, now=LATER)
    run(LATER)
    storm = storm_at(site)
    assert (storm.condition, storm.member_count) == (Alert.Condition.CLEARED, STORM_ALERTS + 1)
    assert not Page.objects.exists()


def test_an_alert_that_is_open_already_hears_of_its_own_key_itself() -> None:
    site = make_site()
    own = make_finding(site=site)
    take_in_findings(now=NOON)
    back = fire_again(clear(own, now=LATER), now=LATER)
    burst(site, STORM_ALERTS + 1)
    take_in_findings(now=LATER)
    alert = Alert.objects.get(is_storm=False)
    assert (alert.finding, alert.fired_count) == (back, 2)
    assert not StormMember.objects.filter(finding=back).exists()


def test_old_news_in_numbers_is_taken_in_and_opens_nothing() -> None:
    long_ago = NOON - seconds(86_400)
    burst(make_site(), STORM_ALERTS + 5, began_at=long_ago, detected_at=NOON)
    take_in_findings(now=NOON)
    assert owed() == 0
    assert not Alert.objects.exists()


def test_growth_is_told_each_time_the_storm_has_doubled() -> None:
    site = make_site()
    burst(site, 20)
    take_in_findings(now=NOON)
    for _ in range(60):
        make_finding(site=site)
        take_in_findings(now=LATER)
    told = sentences_of(storm_at(site), "storm_grew")
    assert [sentence.split()[3] for sentence in told] == ["40", "80"]


def test_a_storm_says_how_many_it_stands_for_and_how_it_began() -> None:
    site = make_site()
    first, *_ = start_storm(site)
    storm = storm_at(site)
    assert storm.summary.startswith("Storm: 11 findings of “Thermal envelope”, 11 still firing.")
    assert first.summary in storm.summary
    assert len(storm.evidence["first"]) == 10


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_open_one_storm_and_lose_nothing() -> None:
    sites = [make_site(), make_site()]
    for site in sites:
        burst(site, 60)

    def work(_: int) -> int:
        return in_another_connection(lambda: take_in_findings(now=NOON))

    with ThreadPoolExecutor() as threads:
        taken = sum(threads.map(work, range(3)))
    assert taken + take_in_findings(now=NOON) == 120
    assert owed() == 0
    assert [storm_at(site).member_count for site in sites] == [60, 60]
    assert Alert.objects.count() == 2


def test_alerts_that_opened_just_before_the_storm_page_no_more_while_it_fires() -> None:
    site = make_site()
    first = burst(site, STORM_ALERTS)
    take_in_findings(now=NOON)
    advance_due_escalations(now=NOON)
    storm = burst(site, 2)
    take_in_findings(now=LATER)
    apply_suppressions(now=LATER)
    waiting = Page.objects.filter(state=Page.State.PENDING)
    assert not waiting.exclude(alert__is_storm=True).exists()
    assert Alert.objects.filter(is_suppressed=True).count() == STORM_ALERTS
    clear_all(storm, now=LATER)
    apply_suppressions(now=LATER)
    advance_due_escalations(now=LATER)
    assert not Alert.objects.filter(is_suppressed=True).exists()
    assert waiting.count() == len(first)


def test_an_alert_that_is_worse_than_the_storm_stays_heard() -> None:
    site = make_site()
    make_finding(site=site, severity=URGENT)
    burst(site, STORM_ALERTS - 1, severity=LOW)
    take_in_findings(now=NOON)
    burst(site, 2, severity=HIGH)
    take_in_findings(now=LATER)
    apply_suppressions(now=LATER)
    assert Alert.objects.get(severity=URGENT).is_suppressed is False
    assert Alert.objects.filter(is_suppressed=True).count() == STORM_ALERTS - 1


ACTS = st.lists(
    st.tuples(st.integers(0, 29), st.sampled_from(["begin", "clear", "raise"])),
    min_size=1,
    max_size=80,
)


class TestCounts(TestCase):
    """Whatever comes in whatever order, nothing stays owed and the counts are those of the rows."""

    @hypothesis_settings(max_examples=15)
    @given(acts=ACTS, every=st.integers(1, 40))
    def test_the_counts_agree_with_the_rows(self, acts: list[tuple[int, str]], every: int) -> None:
        make_library()
        site = make_site()
        for number, (key, act) in enumerate(acts):
            play(site, f"thermal.envelope/k{key}", act)
            run_every(number, every)
        take_in_findings(now=NOON)
        assert owed() == 0
        for storm in Alert.objects.filter(is_storm=True):
            firing = storm.members.filter(cleared_at__isnull=True)
            assert storm.member_count == storm.members.count()
            assert storm.firing_member_count == firing.count()
            assert not firing.filter(finding__cleared_at__isnull=False).exists()
            assert (storm.condition == "firing") == firing.exists()


def play(site: Site, key: str, act: str) -> None:
    """Begin, clear or change the finding of a key, where it can be done."""
    standing = Finding.objects.filter(site=site, fingerprint=key, cleared_at__isnull=True).first()
    if standing is None:
        make_finding(site=site, fingerprint=key, severity=HIGH)
    elif act == "clear":
        clear(standing, now=NOON)
    elif act == "raise":
        revise(standing, severity=URGENT)


def run_every(number: int, every: int) -> None:
    if number % every == 0:
        take_in_findings(now=NOON)
