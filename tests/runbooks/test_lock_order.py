"""Alert, escalation, pages; many by number: whoever locks in another order waits in a circle."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from runbooks.alerts.intake import follow_findings, take_in_findings
from runbooks.escalation.services import stop_escalation
from runbooks.models import Alert, Escalation, Page, Suppression
from runbooks.paging.record import give_up
from runbooks.suppression.cycle import apply_suppressions
from telemetry.models import Finding
from tests.factories import NOON, make_site
from tests.processes import wait_until
from tests.runbooks.test_concurrency import claimed_page, somebody_waits_for_a_lock, together
from tests.runbooks.world import clear, kinds_of, make_alert, queued, seconds, states_of_pages
from tests.telemetry.connections import in_another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)


def locked(alert: Alert) -> Alert:
    return Alert.objects.select_for_update(no_key=True).get(pk=alert.pk)


def test_a_page_that_is_given_up_while_its_escalation_is_stopped_waits_in_no_circle() -> None:
    alert = queued(make_site())
    page = claimed_page()
    has_escalation, is_given_up = threading.Event(), threading.Event()

    def stop() -> None:
        with transaction.atomic():
            Escalation.objects.select_for_update(no_key=True).get(alert=alert)
            has_escalation.set()
            wait_until(lambda: is_given_up.is_set() or somebody_waits_for_a_lock())
            stop_escalation(alert=alert)

    def give_it_up() -> None:
        has_escalation.wait(20)
        give_up(page, reason="no success before the end of its step", now=NOON)
        is_given_up.set()

    together(stop, give_it_up)
    assert states_of_pages(alert) == ["cancelled"]
    assert Page.objects.get().attempts_made == page.attempts_made
    assert Escalation.objects.get().state == Escalation.State.STOPPED


def test_following_findings_waits_in_no_circle_with_who_takes_many_by_number() -> None:
    first, second = make_alert(), make_alert()
    Finding.objects.update(summary="Hotter.", updated_at=LATER)
    # Its row lies behind the other's now, so that a plain update would come to it last.
    Alert.objects.filter(pk=first.pk).update(fired_count=2)
    has_first, has_followed = threading.Event(), threading.Event()

    def take_both_by_number() -> None:
        with transaction.atomic():
            locked(first)
            has_first.set()
            wait_until(lambda: has_followed.is_set() or somebody_waits_for_a_lock())
            locked(second)

    def follow() -> int:
        has_first.wait(20)
        followed = follow_findings(now=LATER)
        has_followed.set()
        return followed

    assert together(take_both_by_number, follow) == [None, 1]
    assert follow_findings(now=LATER) == 1
    assert set(Alert.objects.values_list("summary", flat=True)) == {"Hotter."}


def test_a_finding_that_clears_while_alerts_follow_it_stops_none_of_them() -> None:
    over, lasting = make_alert(), make_alert()
    Finding.objects.update(summary="Hotter.", updated_at=LATER)

    def clear_it(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            # On another connection, so that it is over by the time of this very statement.
            with ThreadPoolExecutor(1) as other:
                other.submit(clear_elsewhere).result()
        return execute(sql, *rest)

    def clear_elsewhere() -> None:
        Finding.objects.filter(pk=over.finding_id).update(cleared_at=LATER)
        connection.close()

    with connection.execute_wrapper(clear_it):
        assert follow_findings(now=LATER) == 1
    summaries = dict(Alert.objects.values_list("pk", "summary"))
    assert summaries == {over.pk: over.summary, lasting.pk: "Hotter."}


def shelved_and_closed() -> Alert:
    """An alert that closed by a way that did not look at its shelf."""
    alert = make_alert()
    Suppression.objects.create(
        alert=alert, kind="shelved", source="shelf", reason="x", began_at=NOON, until=LATER
    )
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True, response="closed", closed_at=NOON)
    return alert


def test_what_held_back_a_closed_alert_ends_as_a_whole_or_not_at_all() -> None:
    alert = shelved_and_closed()
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE runbooks_alert ADD CONSTRAINT refuses CHECK (is_suppressed) NOT VALID"
        )
    try:
        with pytest.raises(IntegrityError, match="refuses"):
            apply_suppressions(now=NOON)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE runbooks_alert DROP CONSTRAINT refuses")
    assert Suppression.objects.filter(alert=alert, ended_at__isnull=True).count() == 1
    apply_suppressions(now=NOON)
    alert.refresh_from_db()
    assert not alert.is_suppressed
    assert Suppression.objects.get().ended_at == NOON


def test_a_closed_alert_that_another_worker_holds_is_forgotten_by_the_next_cycle() -> None:
    alert = shelved_and_closed()
    with transaction.atomic():
        locked(alert)
        together(lambda: apply_suppressions(now=NOON))
    assert Suppression.objects.get().ended_at is None
    apply_suppressions(now=LATER)
    assert Suppression.objects.get().ended_at == LATER


def test_clears_do_not_wait_for_an_alert_that_somebody_acts_on() -> None:
    held, free = make_alert(), make_alert()
    for alert in (held, free):
        clear(alert.finding, now=LATER)
    with transaction.atomic():
        locked(held)
        assert in_another_connection(lambda: take_in_findings(now=LATER, alone=0)) == 1
    assert [kinds_of(alert)[-1] for alert in (held, free)] == ["opened", "cleared"]
    assert take_in_findings(now=LATER, alone=0) == 1
    assert kinds_of(held)[-1] == "cleared"
