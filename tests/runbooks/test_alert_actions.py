"""What people do to an alert, T6 to T8 of `docs/alert-life.md`, each row a sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from fleet.models import Contact
from runbooks.alerts.errors import (
    AlertClosed,
    AlertError,
    AlertNotTaken,
    AlertNotWaiting,
    CloseReasonMissing,
    TextRefused,
)
from runbooks.alerts.services import (
    acknowledge_alert,
    close_alert,
    comment_on_alert,
    release_alert,
)
from runbooks.models import Alert, AlertEvent, Escalation, Page
from tests.factories import NOON, make_user
from tests.runbooks.world import (
    LOW,
    URGENT,
    alert_of,
    clear,
    fire_again,
    kinds_of,
    make_alert,
    make_finding,
    revise,
    run,
    seconds,
    states_of_pages,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
Response = Alert.Response
Condition = Alert.Condition


def state_of(alert: Alert) -> tuple[str, str]:
    alert.refresh_from_db()
    return alert.condition, alert.response


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def test_t6_an_acknowledgement_stops_paging_and_the_alert_stays_open() -> None:
    alert = make_alert()
    run(NOON)
    ana = make_user()
    acknowledge_alert(alert=alert, by=ana, now=LATER)
    assert state_of(alert) == (Condition.FIRING, Response.ACKNOWLEDGED)
    assert (alert.acknowledged_by, alert.acknowledged_at) == (ana, LATER)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.next_due_at) == (Escalation.State.STOPPED, None)
    assert states_of_pages(alert) == ["cancelled"]


def test_t6_acknowledging_what_has_cleared_closes_it_whichever_came_first() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    acknowledge_alert(alert=alert, by=make_user(), now=LATER)
    assert state_of(alert) == (Condition.CLEARED, Response.CLOSED)


def test_t6_the_second_operator_is_told_who_took_it_and_when() -> None:
    alert = make_alert()
    acknowledge_alert(alert=alert, by=make_user(first_name="Ana", last_name="Silva"), now=LATER)
    with pytest.raises(AlertNotWaiting) as refusal:
        acknowledge_alert(alert=alert, by=make_user(), now=LATER + seconds(1))
    assert refusal.value.code == "alert_not_waiting"
    assert str(refusal.value) == (
        f"A-{alert.pk} is already taken: Ana Silva acknowledged it on 1 January 2030 at 12:01 UTC. "
        "Reload to see where it stands."
    )


def test_t6_the_same_operator_twice_is_once() -> None:
    alert, ana = make_alert(), make_user()
    acknowledge_alert(alert=alert, by=ana, now=NOON)
    acknowledge_alert(alert=alert, by=ana, now=LATER)
    assert kinds_of(alert).count("acknowledged") == 1


def test_t6_a_resent_acknowledgement_does_not_take_the_alert_again() -> None:
    alert, ana = make_alert(), make_user()
    acknowledge_alert(alert=alert, by=ana, now=NOON, client_action_id="tablet-1")
    release_alert(alert=alert, by=ana, now=NOON)
    acknowledge_alert(alert=alert, by=ana, now=LATER, client_action_id="tablet-1")
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)


def test_t6_an_acknowledgement_of_a_closed_alert_is_refused_and_reopens_nothing() -> None:
    alert, ana = make_alert(), make_user(first_name="Ana")
    close_alert(alert=alert, by=ana, reason="Sensor swapped.", now=NOON)
    with pytest.raises(AlertClosed, match="was closed by Ana on 1 January 2030 at 12:00 UTC"):
        acknowledge_alert(alert=alert, by=ana, now=LATER)
    assert state_of(alert) == (Condition.FIRING, Response.CLOSED)


def test_t7_a_release_begins_paging_anew_with_the_first_step_a_moment_later() -> None:
    alert, ana = make_alert(), make_user(first_name="Ana")
    run(NOON)
    run(NOON + seconds(300))
    acknowledge_alert(alert=alert, by=ana, now=NOON + seconds(301))
    release_alert(alert=alert, by=ana, now=NOON + seconds(400))
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.step_index, escalation.rounds_left) == (
        Escalation.State.RUNNING,
        0,
        1,
    )
    assert escalation.next_due_at == NOON + seconds(410)


@pytest.mark.parametrize(
    ("act", "purpose"),
    [
        (acknowledge_alert, "acknowledged"),
        (partial(close_alert, reason="Known."), "resolved"),
    ],
)
def test_receivers_that_keep_a_state_are_told_that_nobody_need_act(
    act: Callable[..., None], purpose: str
) -> None:
    alert = make_alert()
    run(NOON)
    Contact.objects.update(kind=Contact.Kind.PAGERDUTY, tested_at=LATER)
    Page.objects.update(state=Page.State.SENT, sent_at=NOON, attempts_made=1)
    act(alert=alert, by=make_user(), now=LATER)
    told = Page.objects.exclude(purpose=Page.Purpose.PAGE).get()
    assert (told.alert, told.purpose, told.state) == (alert, purpose, Page.State.PENDING)


def test_t7_what_nobody_has_cannot_be_released() -> None:
    with pytest.raises(AlertNotTaken):
        release_alert(alert=make_alert(), by=make_user(), now=NOON)


def test_t8_closing_what_still_fires_demands_a_reason() -> None:
    alert = make_alert()
    with pytest.raises(CloseReasonMissing):
        close_alert(alert=alert, by=make_user(), reason="  ", now=NOON)
    assert state_of(alert) == (Condition.FIRING, Response.UNACKNOWLEDGED)


def test_t8_closing_what_has_cleared_needs_no_reason() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    close_alert(alert=alert, by=make_user(), reason="", now=LATER)
    assert state_of(alert) == (Condition.CLEARED, Response.CLOSED)


def test_t8_closing_ends_paging() -> None:
    alert = make_alert()
    run(NOON)
    close_alert(alert=alert, by=make_user(), reason="Known.", now=LATER)
    assert escalation_of(alert).state == Escalation.State.STOPPED
    assert states_of_pages(alert) == ["cancelled"]


def test_t8_a_resent_close_is_no_error_and_a_second_one_is() -> None:
    alert, ana = make_alert(), make_user()
    for _ in range(2):
        close_alert(alert=alert, by=ana, reason="Known.", now=NOON, client_action_id="a")
    with pytest.raises(AlertClosed):
        close_alert(alert=alert, by=ana, reason="Known.", now=NOON, client_action_id="b")
    assert kinds_of(alert).count("closed") == 1


def test_t8_a_closed_alert_stays_closed_even_by_sql() -> None:
    alert = make_alert()
    close_alert(alert=alert, by=make_user(), reason="Known.", now=NOON)
    with (
        pytest.raises(IntegrityError, match="is closed and stays closed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE runbooks_alert SET response = 'acknowledged' WHERE id = %s", [alert.pk]
        )


def test_t8_what_fires_after_a_close_is_a_new_alert_that_knows_the_old_one() -> None:
    finding = make_finding()
    run(NOON)
    first = alert_of(finding)
    close_alert(alert=first, by=make_user(), reason="Known.", now=NOON)
    again = fire_again(clear(finding, now=LATER), now=LATER)
    run(LATER)
    second = Alert.objects.get(finding=again)
    assert second.previous == first
    assert state_of(second) == (Condition.FIRING, Response.UNACKNOWLEDGED)


def test_t8_a_finding_that_a_person_settled_stays_settled_until_it_gets_worse() -> None:
    finding = make_finding(severity=LOW)
    run(NOON)
    close_alert(alert=alert_of(finding), by=make_user(), reason="Known.", now=NOON)
    revise(finding, summary="Inlet 36 °C.")
    run(LATER)
    assert Alert.objects.count() == 1
    revise(finding, severity=URGENT)
    run(LATER)
    assert Alert.objects.count() == 2


def test_the_database_refuses_a_second_open_alert_of_one_key() -> None:
    alert = make_alert()
    with (
        pytest.raises(IntegrityError, match="one_open_alert_per_dedup_key"),
        transaction.atomic(),
    ):
        Alert.objects.create(
            site=alert.site,
            dedup_key=alert.dedup_key,
            kind=alert.kind,
            severity=alert.severity,
            summary="twin",
            began_at=NOON,
            opened_at=NOON,
            last_seen_at=NOON,
            runbook_version=alert.runbook_version,
            policy_version=alert.policy_version,
        )


def test_the_database_refuses_an_alert_without_a_runbook() -> None:
    alert = make_alert()
    with (
        pytest.raises(IntegrityError, match="runbook_version_id"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE runbooks_alert SET runbook_version_id = NULL")
    assert alert.runbook_version is not None


def test_a_timeline_can_only_grow() -> None:
    make_alert()
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        AlertEvent.objects.all().delete()


def test_a_comment_is_kept_with_its_author_even_on_a_closed_alert() -> None:
    alert, ana = make_alert(), make_user()
    close_alert(alert=alert, by=ana, reason="Known.", now=NOON)
    for _ in range(2):
        comment_on_alert(alert=alert, by=ana, text=" Fan 3. ", now=LATER, client_action_id="c")
    entry = AlertEvent.objects.get(alert=alert, kind="commented")
    assert (entry.sentence, entry.actor, entry.at) == ("Fan 3.", ana, LATER)


@pytest.mark.parametrize("text", ["", "   ", "x" * 401])
def test_a_comment_that_cannot_be_kept_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(TextRefused, match="write 1 to 400 characters"):
        comment_on_alert(alert=make_alert(), by=make_user(), text=text, now=NOON)


def test_every_change_raises_the_alerts_revision() -> None:
    alert, ana = make_alert(), make_user()
    revisions = [alert.revision]
    for act in (acknowledge_alert, release_alert):
        act(alert=alert, by=ana, now=NOON)
        alert.refresh_from_db()
        revisions.append(alert.revision)
    assert revisions == [1, 2, 3]


def test_every_refusal_is_explained_where_the_life_of_an_alert_is() -> None:
    page = (Path(settings.BASE_DIR) / "docs/alert-life.md").read_text()
    codes = [error.code for error in AlertError.__subclasses__()]
    assert [code for code in codes if f"| `{code}` |" not in page] == []
