"""Storms of alerts of other systems: by site and rule, so that unlike ones do not gather."""

from __future__ import annotations

import pytest

from fleet.models import Site
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.storms import STORM_ALERTS
from runbooks.models import Alert
from runbooks.suppression.cycle import apply_suppressions
from telemetry.models import Finding
from tests.factories import NOON, make_site
from tests.runbooks.world import clear, make_finding, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(5)


def external(site: Site, rule: str, number: int) -> Finding:
    return make_finding(
        site=site,
        kind=Finding.Kind.EXTERNAL_ALERT,
        fingerprint=f"am/{rule}/{number}",
        evidence={"labels": {"alertname": rule, "instance": f"n{number}"}},
    )


def test_alerts_of_another_system_are_a_storm_by_their_rule_and_unlike_ones_do_not_gather() -> None:
    site = make_site()
    for number in range(STORM_ALERTS + 5):
        external(site, "DiskFull", number)
    others = [external(site, rule, 1) for rule in ("LinkDown", "FanFailed")]
    take_in_findings(now=NOON)
    storm = Alert.objects.get(site=site, is_storm=True)
    assert storm.dedup_key == "storm/external.alert/DiskFull"
    assert storm.member_count == STORM_ALERTS + 5
    assert "DiskFull" in storm.summary
    alone = Alert.objects.filter(is_storm=False)
    assert {alert.finding_id for alert in alone} == {finding.pk for finding in others}
    apply_suppressions(now=NOON)
    assert not alone.filter(is_suppressed=True).exists()


def test_twelve_rules_that_fire_once_each_are_twelve_alerts() -> None:
    site = make_site()
    for number in range(STORM_ALERTS + 2):
        external(site, f"Rule{number}", number)
    take_in_findings(now=NOON)
    assert Alert.objects.count() == STORM_ALERTS + 2
    assert not Alert.objects.filter(is_storm=True).exists()


def test_two_rules_that_rage_at_one_site_are_two_storms_and_clear_each_by_itself() -> None:
    site = make_site()
    disks = [external(site, "DiskFull", number) for number in range(STORM_ALERTS + 1)]
    for number in range(STORM_ALERTS + 1):
        external(site, "LinkDown", number)
    take_in_findings(now=NOON)
    assert Alert.objects.filter(is_storm=True).count() == 2
    for disk in disks:
        clear(disk, now=LATER)
    take_in_findings(now=LATER)
    conditions = dict(Alert.objects.values_list("dedup_key", "condition"))
    assert conditions["storm/external.alert/DiskFull"] == "cleared"
    assert conditions["storm/external.alert/LinkDown"] == "firing"
