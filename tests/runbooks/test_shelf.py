"""The shelf: one alert set aside by one person, for a while, with a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Suppression
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.endings import warn_of_endings
from runbooks.suppression.errors import ShelfError
from runbooks.suppression.selectors import suppressions_of
from runbooks.suppression.shelf import shelve_alert, unshelve_alert
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import (
    kinds_of,
    make_alert,
    queued,
    seconds,
    sentences_of,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

HOUR = timedelta(hours=1)


def shelve(alert: Alert, **overrides: Any) -> None:
    fields: dict[str, Any] = {
        "by": overrides.pop("by", None) or make_user(first_name="Ana", last_name="Sato"),
        "until": NOON + HOUR,
        "reason": "Part comes tomorrow.",
        "now": NOON,
    }
    shelve_alert(alert=alert, **(fields | overrides))


def is_held(alert: Alert) -> bool:
    return Alert.objects.get(pk=alert.pk).is_suppressed


def test_a_shelved_alert_pages_nobody_and_says_who_put_it_there() -> None:
    alert = queued(make_site())
    shelve(alert)
    assert is_held(alert)
    assert states_of_pages(alert) == ["cancelled"]
    assert advance_due_escalations(now=NOON + HOUR / 2) == 0
    assert sentences_of(alert, "suppressed") == [
        "Ana Sato put it on the shelf until 2030-01-01 13:00 UTC: Part comes tomorrow. Nobody is "
        "paged."
    ]


def test_the_alerts_beside_it_page_as_before() -> None:
    shelved, beside = make_alert(), make_alert()
    shelve(shelved)
    assert advance_due_escalations(now=NOON) == 1
    assert beside.pages.count() == 1


def test_time_on_the_shelf_ends_by_itself_within_one_cycle() -> None:
    alert = make_alert()
    shelve(alert)
    assert apply_suppressions(now=NOON + HOUR - seconds(1)) == 0
    assert apply_suppressions(now=NOON + HOUR) == 1
    assert not is_held(alert)
    assert advance_due_escalations(now=NOON + HOUR) == 1


def test_taking_it_from_the_shelf_lets_paging_go_on_at_once() -> None:
    alert = make_alert()
    shelve(alert)
    unshelve_alert(alert=alert, by=make_user(), now=NOON + seconds(30))
    assert not is_held(alert)
    assert not suppressions_of(alert).exists()
    assert advance_due_escalations(now=NOON + seconds(30)) == 1


def test_shelving_again_moves_the_end_and_the_reason() -> None:
    alert = make_alert()
    shelve(alert)
    shelve(alert, until=NOON + 2 * HOUR, reason="Later still.")
    (row,) = suppressions_of(alert)
    assert (row.until, row.reason) == (NOON + 2 * HOUR, "Later still.")
    assert apply_suppressions(now=NOON + HOUR) == 0


def test_an_alert_can_be_shelved_a_second_time() -> None:
    alert = make_alert()
    shelve(alert)
    apply_suppressions(now=NOON + HOUR)
    shelve(alert, now=NOON + HOUR, until=NOON + 2 * HOUR)
    assert is_held(alert)
    assert Suppression.objects.filter(alert=alert).count() == 2


def test_a_tap_sent_twice_happens_once() -> None:
    alert, ana = make_alert(), make_user()
    shelve(alert, by=ana, client_action_id="tap-1")
    unshelve_alert(alert=alert, by=ana, now=NOON, client_action_id="tap-2")
    shelve(alert, by=ana, client_action_id="tap-1")
    unshelve_alert(alert=alert, by=ana, now=NOON, client_action_id="tap-2")
    assert not is_held(alert)
    assert kinds_of(alert).count("suppressed") == 1


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"until": NOON}, "already_over"),
        ({"until": NOON + timedelta(days=7, seconds=1)}, "too_long"),
        ({"reason": " "}, "reason_missing"),
        ({"client_action_id": "x" * 65}, "text_refused"),
    ],
)
def test_a_shelf_that_makes_no_sense_is_refused_and_changes_nothing(
    overrides: dict[str, Any], code: str
) -> None:
    alert = make_alert()
    with pytest.raises(ShelfError) as refusal:
        shelve(alert, **overrides)
    assert refusal.value.code == code
    assert not is_held(alert)


def test_a_closed_alert_is_not_shelved() -> None:
    alert = make_alert()
    Alert.objects.filter(pk=alert.pk).update(response="closed", closed_at=NOON)
    with pytest.raises(ShelfError) as refusal:
        shelve(alert)
    assert refusal.value.code == "alert_closed"


def test_what_is_not_on_the_shelf_is_not_taken_from_it() -> None:
    with pytest.raises(ShelfError) as refusal:
        unshelve_alert(alert=make_alert(), by=make_user(), now=NOON)
    assert refusal.value.code == "not_shelved"


def test_the_end_of_the_time_on_the_shelf_is_announced_once() -> None:
    alert = make_alert()
    shelve(alert)
    assert warn_of_endings(now=NOON + timedelta(minutes=50)) == 1
    assert warn_of_endings(now=NOON + timedelta(minutes=55)) == 0
    assert "The time on the shelf" in sentences_of(alert, "suppressed")[-1]


def test_what_another_took_since_somebody_looked_is_not_set_aside() -> None:
    alert = make_alert()
    ben = make_user(first_name="Ben", last_name="Roth")
    acknowledge_alert(alert=alert, by=ben, now=NOON)
    with pytest.raises(ShelfError) as refused:
        shelve(alert, seen_revision=1)
    assert refused.value.code == "alert_moved"
    assert "Ben Roth took it" in refused.value.sentence
    assert not is_held(alert)
    shelve(alert, seen_revision=2)
    assert is_held(alert)


def test_the_timeline_says_by_which_way_it_was_set_aside_and_taken_back() -> None:
    alert, ana = make_alert(), make_user()
    shelve(alert, by=ana)
    unshelve_alert(alert=alert, by=ana, now=NOON, channel=AlertEvent.Channel.API)
    by_people = alert.events.filter(actor=ana).values_list("kind", "channel")
    assert list(by_people) == [("suppressed", "browser"), ("suppression_ended", "api")]
