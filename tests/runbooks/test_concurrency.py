"""Several workers, operators and receivers at the same time, on connections of their own."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from runbooks.alerts.errors import AlertError, AlertNotWaiting
from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.services import acknowledge_alert
from runbooks.auditor import audit_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import (
    Alert,
    AlertEvent,
    Announcement,
    BrokenPromise,
    Escalation,
    Page,
    Runbook,
    RunbookVersion,
)
from runbooks.paging.links import LinkError
from runbooks.paging.outcome import Answer
from runbooks.paging.record import record_answer
from runbooks.reminders.waits import remind_of_waits
from runbooks.runs.services import start_run_for_alert
from tests.factories import NOON, make_site, make_user
from tests.processes import wait_until
from tests.receiver import Receiver, held, status
from tests.runbooks.world import (
    claim_page,
    clear,
    deliver,
    fire_again,
    make_alert,
    make_finding,
    make_pager,
    make_runbook,
    page_to_send,
    policy_of,
    queued,
    run,
    seconds,
    site_paging,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]


def together(*works: Callable[[], Any]) -> Sequence[Any]:
    """Run the works at the same moment, each in its own thread and connection.

    Returns what they returned, or the error an action was refused with; a lock that is waited
    for longer than 20 s is a failure.
    """
    barrier = threading.Barrier(len(works))

    def run_one(work: Callable[[], Any]) -> Any:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
            barrier.wait(20)
            return work()
        except (AlertError, LinkError) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run_one, works))


def claimed_page() -> Page:
    claimed = claim_page(now=NOON, timeout=seconds(8))
    assert claimed is not None
    page = page_to_send(claimed)
    assert page is not None
    return page


def refuse(page: Page) -> None:
    record_answer(page, Answer(status=404), started_at=NOON, now=NOON, rng=random.Random(1))


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


def test_two_deliverers_send_each_page_once(receiver: Receiver) -> None:
    owner = make_pager(receiver).owner
    for _ in range(12):
        make_alert(site=make_site(owner=owner))
    advance_due_escalations(now=NOON)
    deliveries = together(lambda: deliver(NOON), lambda: deliver(NOON))
    assert sum(delivery.sent for delivery in deliveries) == 12
    # Five travel alone and the rest in one request, however many workers share them.
    assert Counter(Counter(receiver.ids).values()) == {1: 6}
    told = AlertEvent.objects.filter(kind="page_sent").values_list("alert_id", flat=True)
    assert Counter(Counter(told).values()) == {1: 12}


def test_two_intakes_open_one_alert_for_each_finding() -> None:
    sites = [make_site() for _ in range(4)]
    for number in range(20):
        make_finding(site=sites[number % 4])
    together(*[lambda: take_in_findings(now=NOON)] * 3)
    take_in_findings(now=NOON)
    assert Alert.objects.count() == Escalation.objects.count() == 20
    assert AlertEvent.objects.filter(kind="opened").count() == 20


def test_two_intakes_of_one_key_leave_one_alert_that_fires() -> None:
    pairs = []
    for _ in range(8):
        first = make_finding()
        pairs.append((first, fire_again(clear(first, now=NOON), now=NOON)))
    together(*[lambda: take_in_findings(now=NOON)] * 2)
    take_in_findings(now=NOON)
    alerts = Alert.objects.exclude(response="closed")
    assert [alert.finding for alert in alerts.order_by("finding_id")] == [
        second for _, second in pairs
    ]
    assert set(alerts.values_list("condition", flat=True)) == {"firing"}


def test_a_site_whose_findings_another_worker_takes_in_is_passed_over() -> None:
    site = make_site()
    for _ in range(2):
        make_finding(site=site)
    make_finding()
    with transaction.atomic():
        assert take_in_findings(now=NOON, limit=1, alone=0) == 1
        assert together(lambda: take_in_findings(now=NOON)) == [1]
    assert take_in_findings(now=NOON) == 1


def test_two_escalators_take_each_step_once() -> None:
    for _ in range(12):
        make_alert()
    moved = together(*[lambda: advance_due_escalations(now=NOON)] * 2)
    assert sum(moved) == 12
    assert Page.objects.count() == 12
    assert set(Escalation.objects.values_list("sequence", flat=True)) == {1}


def test_of_two_operators_one_has_it_and_the_other_is_told() -> None:
    ana, ben = make_user(), make_user()
    for _ in range(8):
        alert = make_alert()
        answers = together(
            lambda: acknowledge_alert(alert=alert, by=ana, now=NOON),  # noqa: B023 - run at once
            lambda: acknowledge_alert(alert=alert, by=ben, now=NOON),  # noqa: B023 - run at once
        )
        assert sorted(type(answer) for answer in answers if answer) == [AlertNotWaiting]
        alert.refresh_from_db()
        assert alert.acknowledged_by in (ana, ben)
        assert alert.events.filter(kind="acknowledged").count() == 1


def test_one_action_sent_twice_at_once_happens_once() -> None:
    ana = make_user()
    for _ in range(8):
        alert = make_alert()

        def act(alert: Alert = alert) -> None:
            acknowledge_alert(alert=alert, by=ana, now=NOON, client_action_id="tablet-1")

        assert together(act, act) == [None, None]
        assert alert.events.filter(kind="acknowledged").count() == 1


def test_an_acknowledgement_racing_a_claim_leaves_no_page_that_may_still_go_out(
    receiver: Receiver,
) -> None:
    site, ana = site_paging(receiver), make_user()
    for _ in range(10):
        alert = make_alert(site=site)
        advance_due_escalations(now=NOON)
        together(
            lambda: deliver(NOON),
            lambda: acknowledge_alert(alert=alert, by=ana, now=NOON),  # noqa: B023 - run at once
        )
        assert set(states_of_pages(alert)) <= {"sent", "cancelled"}
        sent_before = len(receiver.requests)
        deliver(NOON + seconds(60))
        assert len(receiver.requests) == sent_before
        assert Escalation.objects.get(alert=alert).state == Escalation.State.STOPPED


def test_an_acknowledgement_racing_a_step_leaves_no_page_that_may_still_go_out() -> None:
    ana = make_user()
    for _ in range(10):
        alert = make_alert()
        together(
            lambda: advance_due_escalations(now=NOON),
            lambda: acknowledge_alert(alert=alert, by=ana, now=NOON),  # noqa: B023 - run at once
        )
        assert set(states_of_pages(alert)) <= {"cancelled"}
        assert Escalation.objects.get(alert=alert).state == Escalation.State.STOPPED


def test_an_acknowledgement_while_the_request_is_in_the_air_is_not_undone_by_its_answer(
    receiver: Receiver,
) -> None:
    receiver.answers(held())
    alert, ana = make_alert(site=site_paging(receiver)), make_user()
    advance_due_escalations(now=NOON)

    def acknowledge() -> None:
        receiver.wait_for(1)
        acknowledge_alert(alert=alert, by=ana, now=NOON)
        receiver.release()

    together(lambda: deliver(NOON), acknowledge)
    assert states_of_pages(alert) == ["cancelled"]
    assert Page.objects.get().attempts.get().status == 200


def test_of_the_two_last_pages_of_a_step_that_die_at_once_one_sees_that_it_is_the_last(
    receiver: Receiver,
) -> None:
    people = [make_pager(receiver).owner for _ in range(2)]
    policy = policy_of(([word(owner) for owner in people], 300), (["catch_all"], 300))
    alert = queued(make_site(owner=people[0], policy=policy))
    first, second = (claimed_page() for _ in people)
    is_first_dead, is_second_dead = threading.Event(), threading.Event()

    def refuse_and_hesitate() -> None:
        with transaction.atomic():
            refuse(first)
            is_first_dead.set()
            wait_until(lambda: is_second_dead.is_set() or somebody_waits_for_a_lock())

    def refuse_the_other() -> None:
        is_first_dead.wait(20)
        refuse(second)
        is_second_dead.set()

    together(refuse_and_hesitate, refuse_the_other)
    assert states_of_pages(alert) == ["dead", "dead"]
    assert Escalation.objects.get(alert=alert).next_due_at == NOON


def test_clearing_acknowledging_and_delivering_at_once_do_not_block_each_other(
    receiver: Receiver,
) -> None:
    receiver.answers(status(404))
    site = site_paging(receiver, policy=policy_of((["site_owner"], 300), (["site_owner"], 300)))
    ana = make_user()
    for _ in range(8):
        finding = make_finding(site=site)
        take_in_findings(now=NOON)
        advance_due_escalations(now=NOON)
        alert = Alert.objects.get(finding=finding)
        clear(finding, now=NOON)
        together(
            lambda: run(NOON),
            lambda: run(NOON),
            lambda: acknowledge_alert(alert=alert, by=ana, now=NOON),  # noqa: B023 - run at once
        )
        run(NOON)
        alert.refresh_from_db()
        assert (alert.condition, alert.response) == ("cleared", "closed")


def test_two_editions_published_at_once_get_two_numbers() -> None:
    together(*[lambda title=title: make_runbook("reboot", title=title) for title in "ABC"])
    editions = RunbookVersion.objects.filter(runbook__slug="reboot")
    assert sorted(editions.values_list("number", flat=True)) == [1, 2, 3]
    assert Runbook.objects.filter(slug="reboot").count() == 1


def test_two_auditors_open_one_row() -> None:
    make_alert()
    late = NOON + seconds(60)
    together(*[lambda: audit_promises(now=late)] * 3)
    assert BrokenPromise.objects.count() == 1


def test_two_sweeps_tell_once_of_a_run_that_waits(receiver: Receiver) -> None:
    site = site_paging(receiver)
    alert = make_alert(site=site)
    start_run_for_alert(alert=alert, by=make_user("operator", site), now=NOON)
    a_day_on = NOON + timedelta(days=1)
    told = together(*[lambda: remind_of_waits(now=a_day_on)] * 4)
    assert sum(told) == 1
    assert Announcement.objects.count() == 1
    assert alert.events.filter(kind="run_waiting").count() == 1
