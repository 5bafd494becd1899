"""Silences: what matches pages nobody for a while, and then again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.models import AuditEntry
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, Escalation, Page, Silence
from runbooks.suppression.cycle import apply_suppressions, suppress_at_birth
from runbooks.suppression.errors import MatcherError, SilenceError
from runbooks.suppression.labels import labels_of
from runbooks.suppression.matchers import Matcher, parse_matchers
from runbooks.suppression.selectors import (
    SilenceState,
    state_of,
    suppressions_of,
)
from runbooks.suppression.silences import (
    change_silence,
    create_silence,
    end_silence,
    matched_alerts,
)
from telemetry.models import Finding
from tests.architecture.tree import ROOT, python_files
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import (
    deliver,
    kinds_of,
    make_alert,
    only_page,
    queued,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR = timedelta(hours=1)
HOT = 'kind="thermal.envelope"'


def make_silence(text: str = HOT, *, now: datetime = NOON, **overrides: Any) -> Silence:
    fields: dict[str, Any] = {
        "starts_at": now,
        "ends_at": now + HOUR,
        "reason": "Fan is being changed.",
        "by": overrides.pop("by", None) or make_user(first_name="Ana", last_name="Sato"),
    }
    return create_silence(matchers=parse_matchers(text), now=now, **(fields | overrides))


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def is_held(alert: Alert) -> bool:
    return Alert.objects.get(pk=alert.pk).is_suppressed


def test_a_silence_holds_back_in_the_transaction_that_makes_it() -> None:
    alert = make_alert()
    silence = make_silence()
    assert is_held(alert)
    (row,) = suppressions_of(alert)
    assert (row.kind, row.silence, row.until) == ("silenced", silence, NOON + HOUR)
    assert escalation_of(alert).state == Escalation.State.SUSPENDED
    assert sentences_of(alert, "suppressed") == [
        "Held back by a silence until 2030-01-01 13:00 UTC (Fan is being changed). Nobody is paged."
    ]


def test_a_silence_leaves_condition_and_response_as_they_are() -> None:
    alert = make_alert()
    before = (alert.condition, alert.response, alert.opened_at)
    make_silence()
    alert.refresh_from_db()
    assert (alert.condition, alert.response, alert.opened_at) == before


def test_pages_in_flight_are_cancelled_when_a_silence_begins(receiver: Any) -> None:
    alert = queued(site_paging(receiver))
    assert states_of_pages(alert) == ["pending"]
    make_silence()
    assert states_of_pages(alert) == ["cancelled"]
    deliver(NOON)
    assert receiver.requests == []


def test_nothing_is_paged_while_a_silence_lasts() -> None:
    alert = make_alert()
    make_silence()
    for minute in range(0, 60, 5):
        apply_suppressions(now=NOON + timedelta(minutes=minute))
        advance_due_escalations(now=NOON + timedelta(minutes=minute))
    assert not Page.objects.filter(alert=alert).exists()


def test_paging_goes_on_within_one_cycle_after_the_end() -> None:
    alert = make_alert()
    make_silence()
    end = NOON + HOUR
    assert apply_suppressions(now=end - seconds(1)) == 0
    assert apply_suppressions(now=end) == 1
    assert advance_due_escalations(now=end) == 1
    assert not is_held(alert)
    assert only_page(alert).step_index == 0
    assert sentences_of(alert, "suppression_ended") == [
        "No longer held back by a silence (Fan is being changed). Paging goes on."
    ]


def test_the_wait_that_was_left_is_waited_after_the_silence() -> None:
    alert = queued(make_site())
    Page.objects.filter(alert=alert).update(state=Page.State.SENT, sent_at=NOON)
    make_silence(now=NOON + seconds(100))
    end = NOON + seconds(100) + HOUR
    apply_suppressions(now=end)
    escalation = escalation_of(alert)
    assert escalation.state == Escalation.State.RUNNING
    assert escalation.next_due_at == end + seconds(200)
    assert escalation.step_index == 1


def test_a_step_that_reached_nobody_is_taken_again_after_the_silence() -> None:
    alert = queued(make_site())
    make_silence(now=NOON + seconds(2))
    end = NOON + seconds(2) + HOUR
    apply_suppressions(now=end)
    advance_due_escalations(now=end)
    pages = Page.objects.filter(alert=alert).order_by("sequence")
    assert list(pages.values_list("step_index", "state")) == [(0, "cancelled"), (0, "pending")]


def test_an_acknowledged_alert_stays_acknowledged_through_a_silence() -> None:
    alert = make_alert()
    Alert.objects.filter(pk=alert.pk).update(response="acknowledged", acknowledged_at=NOON)
    Escalation.objects.filter(alert=alert).update(state="stopped", next_due_at=None)
    make_silence()
    assert is_held(alert)
    apply_suppressions(now=NOON + HOUR)
    assert not is_held(alert)
    assert escalation_of(alert).state == Escalation.State.STOPPED
    assert Alert.objects.get(pk=alert.pk).response == "acknowledged"
    assert advance_due_escalations(now=NOON + HOUR) == 0


def test_an_alert_that_opens_during_a_silence_pages_nobody_even_once() -> None:
    make_silence()
    alert = make_alert(now=NOON + seconds(60))
    assert is_held(alert)
    assert kinds_of(alert) == ["opened", "suppressed"]
    assert advance_due_escalations(now=NOON + seconds(60)) == 0
    assert not Page.objects.exists()


def test_a_birth_that_is_told_twice_is_held_back_once() -> None:
    make_silence()
    alert = make_alert(now=NOON + seconds(60))
    assert suppress_at_birth(alerts=[alert], now=NOON + seconds(60)) == {alert.pk}
    assert kinds_of(alert).count("suppressed") == 1


def test_a_birth_that_nothing_covers_is_left_alone() -> None:
    make_silence('kind="site.dark"')
    alert = make_alert()
    assert suppress_at_birth(alerts=[alert], now=NOON) == set()
    assert escalation_of(alert).state == Escalation.State.RUNNING
    assert "suppressed" not in kinds_of(alert)


def test_a_silence_of_a_site_holds_back_nothing_elsewhere() -> None:
    here, there = make_alert(), make_alert()
    make_silence(site=here.site)
    assert apply_suppressions(now=NOON + seconds(5)) == 0
    assert is_held(here)
    assert not is_held(there)


def test_a_silence_that_begins_later_holds_back_from_then() -> None:
    alert = make_alert()
    silence = make_silence(starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)
    assert not is_held(alert)
    assert state_of(silence, now=NOON) is SilenceState.PENDING
    assert apply_suppressions(now=NOON + HOUR) == 1
    assert is_held(alert)
    assert state_of(silence, now=NOON + HOUR) is SilenceState.ACTIVE


def test_ending_a_silence_lets_go_at_once_and_only_once() -> None:
    alert = make_alert()
    silence = make_silence()
    later = NOON + seconds(90)
    assert end_silence(silence=silence, by=make_user(), now=later) is True
    assert end_silence(silence=silence, by=make_user(), now=later + HOUR) is False
    silence.refresh_from_db()
    assert silence.ended_at == later
    assert not is_held(alert)
    assert state_of(silence, now=later) is SilenceState.EXPIRED
    assert AuditEntry.objects.filter(action="silence.ended").count() == 1


def test_what_two_silences_hold_back_stays_back_until_both_are_over() -> None:
    alert = make_alert()
    first = make_silence()
    make_silence(f'site="{alert.site.slug}"', ends_at=NOON + 2 * HOUR)
    end_silence(silence=first, by=None, now=NOON + seconds(1))
    assert is_held(alert)
    apply_suppressions(now=NOON + HOUR)
    assert is_held(alert)
    apply_suppressions(now=NOON + 2 * HOUR)
    assert not is_held(alert)
    assert kinds_of(alert).count("suppression_ended") == 1


def test_a_new_end_alone_moves_the_end() -> None:
    alert = make_alert()
    silence = make_silence()
    same = change_silence(silence=silence, ends_at=NOON + 3 * HOUR, by=make_user(), now=NOON)
    assert same.pk == silence.pk
    assert [row.until for row in suppressions_of(alert)] == [NOON + 3 * HOUR]
    assert apply_suppressions(now=NOON + 2 * HOUR) == 0
    assert is_held(alert)


def test_any_other_change_ends_the_silence_and_makes_another() -> None:
    alert = make_alert()
    old = make_silence()
    new = change_silence(
        silence=old,
        matchers=parse_matchers(f'site="{alert.site.slug}"'),
        by=make_user(),
        now=NOON + seconds(60),
    )
    old.refresh_from_db()
    assert (new.replaces, old.ended_at) == (old, NOON + seconds(60))
    assert new.reason == old.reason
    assert [row.silence for row in suppressions_of(alert)] == [new]
    assert "suppression_ended" not in kinds_of(alert)


def test_a_silence_that_is_over_is_replaced_not_revived() -> None:
    old = make_silence()
    end_silence(silence=old, by=None, now=NOON + seconds(1))
    new = change_silence(silence=old, ends_at=NOON + 2 * HOUR, by=make_user(), now=NOON + HOUR)
    assert new.pk != old.pk
    assert state_of(Silence.objects.get(pk=old.pk), now=NOON + HOUR) is SilenceState.EXPIRED


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"ends_at": NOON}, "already_over"),
        ({"starts_at": NOON + 2 * HOUR}, "ends_before_start"),
        ({"ends_at": NOON + timedelta(days=91)}, "too_long"),
        ({"reason": "  "}, "reason_missing"),
        ({"reason": "x" * 301}, "reason_missing"),
        ({"text": ""}, "matchers_missing"),
        ({"text": 'kind=~".*"'}, "matches_everything"),
        ({"text": 'kind!="site.dark"'}, "matches_everything"),
        ({"text": 'knid="site.dark"'}, "unknown_label"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_and_changes_nothing(
    overrides: dict[str, Any], code: str
) -> None:
    alert = make_alert()
    with pytest.raises(SilenceError) as refusal:
        make_silence(**overrides)
    assert refusal.value.code == code
    assert not Silence.objects.exists()
    assert not is_held(alert)


def test_a_silence_needs_an_author() -> None:
    with pytest.raises(SilenceError) as refusal:
        create_silence(
            matchers=parse_matchers(HOT),
            starts_at=NOON,
            ends_at=NOON + HOUR,
            reason="why",
            by=None,
            now=NOON,
        )
    assert refusal.value.code == "author_missing"


def test_a_program_may_name_labels_that_no_alert_has_had_yet() -> None:
    silence = make_silence('rack="7"', author_name="amtool")
    assert silence.author_name == "amtool"


def test_conditions_made_by_code_are_checked_like_typed_ones() -> None:
    with pytest.raises(MatcherError):
        create_silence(
            matchers=[Matcher("kind", "(", is_regex=True)],
            starts_at=NOON,
            ends_at=NOON + HOUR,
            reason="why",
            by=make_user(),
            now=NOON,
        )


def test_a_preview_names_what_would_be_held_back_the_worst_first() -> None:
    low, urgent = make_alert(severity=3), make_alert(severity=1)
    make_alert(kind=Finding.Kind.DISK_FULL)
    assert matched_alerts(matchers=parse_matchers(HOT), site=None) == [urgent, low]
    assert matched_alerts(matchers=parse_matchers(HOT), site=low.site) == [low]
    assert not Silence.objects.exists()


def test_labels_of_an_external_alert_are_its_senders_but_never_its_site() -> None:
    said = {"alertname": "Down", "severity": "critical", "site": "elsewhere", "rack": 7}
    alert = make_alert(kind=Finding.Kind.EXTERNAL_ALERT, evidence={"labels": said})
    labels = labels_of(alert)
    assert labels["alertname"] == "Down"
    assert labels["severity"] == "critical"
    assert labels["rack"] == "7"
    assert labels["site"] == alert.site.slug
    make_silence('rack="7"')
    assert is_held(alert)


def test_every_refusal_is_explained_to_people() -> None:
    rooms = [path for path in python_files("runbooks") if "suppression" in path.parts]
    codes = {
        code
        for path in rooms
        for code in re.findall(r'(?:Error|_fault)\(\s*"([a-z_]+)"', path.read_text())
    }
    explained = (ROOT / "docs/silences.md").read_text()
    assert "bad_pattern" in codes
    assert {code for code in codes if f"`{code}`" not in explained} == set()
