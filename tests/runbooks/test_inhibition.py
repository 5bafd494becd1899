"""Inhibition: what follows from another alert pages nobody; something of it always does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.models import AuditEntry, Site
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, InhibitionRule
from runbooks.paging.worklist import AT_ONCE
from runbooks.suppression.causes import Subject
from runbooks.suppression.cycle import apply_suppressions, suppress_at_birth
from runbooks.suppression.errors import InhibitionError
from runbooks.suppression.inhibition import Rule, inhibitions
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.rules import remove_rule, set_rule, switch_rule
from runbooks.suppression.selectors import inhibition_rules, suppressions_of
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site
from tests.runbooks.world import make_alert, make_finding, seconds, sentences_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Kind = Finding.Kind
LATER = NOON + seconds(5)


def make_dark(site: Site) -> Alert:
    return make_alert(site=site, kind=Kind.SITE_DARK, summary="Site is dark.")


def make_of_node(site: Site, **overrides: Any) -> Alert:
    fields: dict[str, Any] = {"kind": Kind.NODE_SILENT, "node": make_node(site=site)}
    return make_alert(site=site, **(fields | overrides))


def make_rule(source: str, target: str, *equal: str, name: str = "cooling") -> InhibitionRule:
    return set_rule(
        name=name,
        source_matchers=parse_matchers(source),
        target_matchers=parse_matchers(target),
        equal=equal,
        by=None,
        now=NOON,
    )


def is_held(alert: Alert) -> bool:
    return Alert.objects.get(pk=alert.pk).is_suppressed


def stop_firing(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(condition="cleared", cleared_at=LATER)


def held_after_a_cycle(*alerts: Alert) -> list[bool]:
    apply_suppressions(now=LATER)
    return [is_held(alert) for alert in alerts]


def test_a_dark_site_explains_its_silent_nodes() -> None:
    site = make_site()
    silent = [make_of_node(site) for _ in range(3)]
    elsewhere = make_of_node(make_site())
    dark = make_dark(site)
    assert held_after_a_cycle(dark, *silent, elsewhere) == [False, True, True, True, False]
    (row,) = suppressions_of(silent[0])
    assert (row.kind, row.inhibited_by, row.until) == ("inhibited", dark, None)
    assert sentences_of(silent[0], "suppressed") == [
        f"Held back by another alert (The site is dark: A-{dark.pk} Site is dark). Nobody is paged."
    ]


def test_darkness_explains_neither_heat_nor_a_lost_supply() -> None:
    site = make_site()
    hot = make_of_node(site, kind=Kind.THERMAL_ENVELOPE)
    on_battery = make_of_node(site, kind=Kind.POWER_BATTERY)
    make_dark(site)
    assert held_after_a_cycle(hot, on_battery) == [False, False]


def test_a_dark_hub_explains_its_dark_spurs_and_their_nodes() -> None:
    hub = make_site()
    spur = make_site(parent=hub, pattern=Site.Pattern.SPUR)
    node, spur_dark, hub_dark = make_of_node(spur), make_dark(spur), make_dark(hub)
    assert held_after_a_cycle(hub_dark, spur_dark, node) == [False, True, True]
    stop_firing(hub_dark)
    assert held_after_a_cycle(spur_dark, node) == [False, True]


def test_a_late_heartbeat_of_the_site_explains_those_of_its_nodes() -> None:
    site = make_site()
    of_node = make_of_node(site, kind=Kind.HEARTBEAT_LATE)
    silent = make_of_node(site)
    of_site = make_alert(site=site, kind=Kind.HEARTBEAT_LATE)
    assert held_after_a_cycle(of_site, of_node, silent) == [False, True, False]


def test_what_was_explained_pages_within_one_cycle_after_its_cause() -> None:
    site = make_site()
    silent, dark = make_of_node(site), make_dark(site)
    apply_suppressions(now=NOON)
    advance_due_escalations(now=NOON)
    assert not silent.pages.exists()
    stop_firing(dark)
    assert held_after_a_cycle(silent) == [False]
    advance_due_escalations(now=LATER)
    assert silent.pages.count() == 1


def test_an_alert_that_somebody_took_still_explains_others_while_it_fires() -> None:
    site = make_site()
    silent, dark = make_of_node(site), make_dark(site)
    Alert.objects.filter(pk=dark.pk).update(response="acknowledged", acknowledged_at=NOON)
    assert held_after_a_cycle(silent) == [True]


def test_a_closed_alert_explains_nothing() -> None:
    site = make_site()
    silent, dark = make_of_node(site), make_dark(site)
    Alert.objects.filter(pk=dark.pk).update(response="closed", closed_at=NOON)
    assert held_after_a_cycle(silent) == [False]


def test_an_alert_born_into_a_dark_site_pages_nobody_even_once() -> None:
    site = make_site()
    make_dark(site)
    silent = make_of_node(site)
    assert is_held(silent)
    advance_due_escalations(now=NOON)
    assert not silent.pages.exists()


def was_dark_before(*sites: Site) -> None:
    """Have alerts of their darkness that were closed since."""
    for site in sites:
        alert = make_dark(site)
        Alert.objects.filter(pk=alert.pk).update(response="closed", closed_at=NOON)
        Finding.objects.filter(pk=alert.finding_id).update(cleared_at=NOON)


def goes_dark_again(site: Site) -> None:
    first = Finding.objects.filter(site=site, kind=Kind.SITE_DARK).earliest("pk")
    make_finding(site=site, kind=Kind.SITE_DARK, fingerprint=first.fingerprint)


def of_nodes(site: Site, count: int) -> None:
    """Make findings of nodes that fell silent; nothing is taken in yet."""
    for _ in range(count):
        make_finding(site=site, kind=Kind.NODE_SILENT, node=make_node(site=site))


def open_at(site: Site) -> Alert:
    return Alert.objects.exclude(response="closed").get(site=site)


def test_an_alert_born_with_a_site_that_goes_dark_again_pages_nobody_even_once() -> None:
    site = make_site()
    was_dark_before(site)
    of_nodes(site, 1)
    goes_dark_again(site)
    take_in_findings(now=LATER)
    assert Alert.objects.get(kind=Kind.NODE_SILENT).is_suppressed


def test_a_storm_born_with_a_site_that_goes_dark_again_pages_nobody_even_once() -> None:
    site = make_site()
    was_dark_before(site)
    of_nodes(site, 11)
    goes_dark_again(site)
    take_in_findings(now=LATER)
    assert Alert.objects.get(is_storm=True).is_suppressed


def test_a_storm_born_with_a_site_that_is_dark_for_the_first_time_pages_nobody_either() -> None:
    site = make_site()
    of_nodes(site, 11)
    make_finding(site=site, kind=Kind.SITE_DARK)
    take_in_findings(now=LATER)
    assert Alert.objects.get(is_storm=True).is_suppressed


def test_a_spur_that_goes_dark_again_with_its_hub_pages_nobody_even_once() -> None:
    hub = make_site()
    spur = make_site(pattern=Site.Pattern.SPUR, parent=hub)
    was_dark_before(spur, hub)
    for site in (spur, hub):
        goes_dark_again(site)
    take_in_findings(now=LATER)
    assert [open_at(site).is_suppressed for site in (spur, hub)] == [True, False]


def test_many_findings_between_a_node_and_its_dark_site_change_nothing() -> None:
    site = make_site()
    of_nodes(site, 1)
    for _ in range(AT_ONCE):
        make_finding()
    make_finding(site=site, kind=Kind.SITE_DARK)
    take_in_findings(now=LATER)
    assert Alert.objects.get(kind=Kind.NODE_SILENT).is_suppressed


def test_an_alert_born_under_a_rule_pages_nobody_even_once() -> None:
    make_rule('kind="power.battery"', 'kind="thermal.envelope"', "site")
    site = make_site()
    make_alert(site=site, kind=Kind.POWER_BATTERY)
    hot, elsewhere = make_alert(site=site), make_alert()
    assert suppress_at_birth(alerts=[hot], now=NOON) == {hot.pk}
    assert suppress_at_birth(alerts=[elsewhere], now=NOON) == set()


def test_a_rule_holds_back_where_its_labels_agree() -> None:
    make_rule('kind="power.battery"', 'kind="thermal.envelope"', "site")
    here, there = make_site(), make_site()
    hot_here, hot_there = make_alert(site=here), make_alert(site=there)
    cause = make_alert(site=here, kind=Kind.POWER_BATTERY)
    assert held_after_a_cycle(cause, hot_here, hot_there) == [False, True, False]


def test_an_alert_that_fits_both_sides_does_not_hold_itself_back() -> None:
    make_rule('site=~".+"', 'kind="thermal.envelope"', "site")
    assert held_after_a_cycle(make_alert()) == [False]


def test_two_alerts_that_both_fit_both_sides_do_not_hold_each_other_back() -> None:
    make_rule('kind="thermal.envelope"', 'kind="thermal.envelope"', "site")
    site = make_site()
    assert held_after_a_cycle(make_alert(site=site), make_alert(site=site)) == [False, False]


def test_rules_that_go_round_in_a_circle_leave_the_worst_heard() -> None:
    make_rule('kind="disk.full"', 'kind="memory.pressure"', "site", name="one")
    make_rule('kind="memory.pressure"', 'kind="disk.full"', "site", name="other")
    site = make_site()
    mild = make_alert(site=site, kind=Kind.DISK_FULL, severity=3)
    bad = make_alert(site=site, kind=Kind.MEMORY_PRESSURE, severity=1)
    assert held_after_a_cycle(mild, bad) == [True, False]


def test_a_rule_switched_off_or_removed_lets_go_in_the_next_cycle() -> None:
    rule = make_rule('kind="power.battery"', 'kind="thermal.envelope"')
    make_alert(kind=Kind.POWER_BATTERY)
    hot = make_alert()
    assert held_after_a_cycle(hot) == [True]
    switch_rule(rule=rule, is_enabled=False, by=None, now=NOON)
    assert held_after_a_cycle(hot) == [False]
    switch_rule(rule=rule, is_enabled=True, by=None, now=NOON)
    assert held_after_a_cycle(hot) == [True]
    remove_rule(rule=rule, by=None, now=NOON)
    assert held_after_a_cycle(hot) == [False]
    assert AuditEntry.objects.filter(action__startswith="inhibition.").count() == 4


def test_a_rule_that_cannot_be_read_any_more_stops_nothing_else() -> None:
    rule = make_rule('kind="a"', 'kind="b"')
    InhibitionRule.objects.filter(pk=rule.pk).update(source_matchers=[{"name": 1}])
    site = make_site()
    make_dark(site)
    assert held_after_a_cycle(make_of_node(site)) == [True]


@pytest.mark.parametrize(
    ("source", "target", "equal", "name", "code"),
    [
        ("", 'kind="a"', (), "n", "matches_everything"),
        ('kind="a"', 'kind=~".*"', (), "n", "matches_everything"),
        ('kind="a"', 'kind="b"', ("not a label",), "n", "bad_label"),
        ('kind="a"', 'kind="b"', (), " ", "name_missing"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    source: str, target: str, equal: tuple[str, ...], name: str, code: str
) -> None:
    with pytest.raises(InhibitionError) as refusal:
        make_rule(source, target, *equal, name=name)
    assert refusal.value.code == code
    assert not inhibition_rules().exists()


KINDS = ["site.dark", "node.silent", "heartbeat.late", "disk.full", "thermal.envelope"]


@st.composite
def fleets(draw: st.DrawFn) -> list[Subject]:
    count = draw(st.integers(1, 8))
    return [_draw_subject(draw, number) for number in range(count)]


def _draw_subject(draw: st.DrawFn, number: int) -> Subject:
    kind, site = draw(st.sampled_from(KINDS)), draw(st.integers(1, 3))
    return Subject(
        alert_id=number,
        site_id=site,
        # Sites may hang on each other in a circle: nothing forbids it.
        parent_site_id=draw(st.sampled_from([None, 1, 2, 3])),
        node_id=draw(st.sampled_from([None, 1])),
        kind=kind,
        severity=draw(st.integers(1, 3)),
        is_firing=draw(st.booleans()),
        is_waiting=True,
        is_storm=draw(st.booleans()),
        is_suppressed=False,
        opened_at=NOON + timedelta(minutes=draw(st.integers(0, 5))),
        summary="",
        labels={"kind": kind, "site": str(site)},
    )


sides = st.sampled_from(
    [f'kind="{kind}"' for kind in KINDS] + ['site="1"', 'kind=~"(site|node).*"']
)
rules = st.lists(
    st.builds(
        lambda source, target, equal: Rule(
            "r", parse_matchers(source), parse_matchers(target), equal
        ),
        sides,
        sides,
        st.sampled_from([(), ("site",)]),
    ),
    max_size=4,
)


@given(fleets(), rules)
def test_whatever_holds_what_back_each_chain_begins_with_one_that_is_heard(
    subjects: list[Subject], rules: list[Rule]
) -> None:
    held = inhibitions(subjects, rules)
    firing = {subject.alert_id for subject in subjects if subject.is_firing}
    causes = {target: {hold.inhibited_by_id for hold in holds} for target, holds in held.items()}
    assert all(target not in found for target, found in causes.items())
    assert all(found <= firing for found in causes.values())
    assert not firing or firing - set(held)


@given(fleets(), rules)
def test_the_order_in_which_alerts_are_read_changes_nothing(
    subjects: list[Subject], rules: list[Rule]
) -> None:
    assert inhibitions(subjects, rules) == inhibitions(subjects[::-1], rules)
