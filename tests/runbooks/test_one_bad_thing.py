"""One bad answer, one bad row, one alert that got worse: the others, and the urgent, go first."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest
from django.db import OperationalError

from fleet.models import Contact, Owner
from fleet.services.engine import Module
from runbooks.alerts.services import close_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Escalation, Page
from runbooks.paging.courier import Flight, fly
from runbooks.paging.leases import LEASE_SLACK
from runbooks.paging.outcome import Answer
from runbooks.paging.record import record_answer
from runbooks.paging.worklist import AT_ONCE, work_through
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.runbooks.world import (
    LOW,
    URGENT,
    alert_of,
    claim_page,
    make_finding,
    queued,
    revise,
    run,
    seconds,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

SENT = Answer(status=200)
TIMEOUT = timedelta(seconds=8)


def test_an_answer_that_cannot_be_written_down_costs_the_others_nothing() -> None:
    written: list[Answer] = []

    def refuse_the_first(answer: Answer) -> None:
        if answer is SENT:
            raise ValueError("cannot be written")
        written.append(answer)

    flights = [
        Flight(1, lambda: SENT, refuse_the_first),
        Flight(2, lambda: Answer(status=204), written.append),
    ]
    fly(lambda busy, places: [flights.pop()] if flights else [])
    assert sorted(answer.status or 0 for answer in written) == [0, 204]


def test_answers_are_written_down_though_no_page_can_be_claimed_any_more() -> None:
    written: list[Answer] = []
    flights = [Flight(1, lambda: SENT, written.append)]

    def claim(busy: Collection[int], places: int) -> list[Flight]:
        if not flights:
            raise OperationalError("deadlock detected")
        return [flights.pop()]

    with pytest.raises(OperationalError, match="deadlock"):
        fly(claim)
    assert written == [SENT]


@pytest.mark.parametrize("field", ["error", "body_head", "retry_after"])
def test_what_the_database_cannot_hold_is_replaced_in_every_answer(field: str) -> None:
    said = {field: "450 busy\x00now"}
    assert getattr(Answer(status=None, **said), field) == "450 busy\ufffdnow"


def test_bad_rows_at_the_head_do_not_starve_those_behind_them() -> None:
    owners = [make_owner() for _ in range(6)]
    bad = {owner.pk for owner in owners[:5]}
    done: list[int] = []

    def act(owner: Owner) -> None:
        if owner.pk in bad:
            raise ValueError("poisoned")
        done.append(owner.pk)

    due = Owner.objects.select_for_update(skip_locked=True).order_by("pk")
    assert work_through(due, act, module=Module.INTAKE, limit=3, event="test.failed") == 1
    assert done == [owners[5].pk]


def test_what_is_not_plain_does_not_wait_for_all_that_is_plain_behind_it() -> None:
    Owner.objects.bulk_create(Owner(name=f"Due {n}", time_zone="UTC") for n in range(AT_ONCE + 3))
    due = Owner.objects.select_for_update(skip_locked=True).filter(name__startswith="Due")
    done: list[str] = []

    def settle(owner: Owner) -> None:
        done.append(owner.name)
        Owner.objects.filter(pk=owner.pk).update(name=f"Settled {owner.pk}")

    def settle_together(owners: Sequence[Owner]) -> int:
        plain = [owner.pk for owner in owners if owner.name != "Due 0"]
        return Owner.objects.filter(pk__in=plain).update(name="Settled with others")

    words = {"module": Module.INTAKE, "limit": AT_ONCE + 1, "event": "test.failed"}
    count = work_through(due.order_by("pk"), settle, together=settle_together, **words)
    assert (count, done) == (AT_ONCE + 1, ["Due 0"])


def test_what_becomes_due_meanwhile_is_handled_with_others_not_alone() -> None:
    due = Owner.objects.select_for_update(skip_locked=True).filter(name__startswith="Due")
    make_owner(name="Due first")
    offers: list[list[str]] = []
    alone: list[Owner] = []

    def settle_together(owners: Sequence[Owner]) -> int:
        offers.append([owner.name for owner in owners])
        Owner.objects.filter(pk__in=[owner.pk for owner in owners]).update(name="Settled")
        if len(offers) == 1:
            Owner.objects.bulk_create(Owner(name=f"Due {n}", time_zone="UTC") for n in range(2))
        return len(owners)

    words = {"module": Module.INTAKE, "limit": AT_ONCE, "event": "test.failed"}
    for _ in range(2):
        work_through(due.order_by("pk"), alone.append, together=settle_together, **words)
    assert (offers, alone) == ([["Due first"], ["Due 0", "Due 1"]], [])


def test_an_alert_that_waited_for_hours_pages_at_once_when_it_becomes_urgent() -> None:
    person = make_contact().owner
    hours = {"time_zone": "UTC", "weekdays": [0], "from": "08:00", "until": "09:00"}
    policy = make_policy(
        steps=[
            {
                "notify": ["site_owner"],
                "delay_seconds": 300,
                "severities": ["low"],
                "hours": hours,
            },
            {"notify": [word(person)], "delay_seconds": 300, "severities": ["urgent", "high"]},
        ]
    )
    # NOON is a Tuesday: the low alert may wait until Monday.
    finding = make_finding(site=make_site(policy=policy), severity=LOW)
    run(NOON)
    assert not Page.objects.exists()
    revise(finding, severity=URGENT)
    run(NOON + seconds(60))
    assert Page.objects.get().owner == person


def test_a_policy_without_conditions_goes_on_as_it_was_when_an_alert_gets_worse() -> None:
    finding = make_finding(site=make_site(), severity=LOW)
    run(NOON)
    due = Escalation.objects.get().next_due_at
    revise(finding, severity=URGENT)
    run(NOON + seconds(60))
    assert Escalation.objects.get(alert=alert_of(finding)).next_due_at == due


def test_an_answer_that_acknowledges_counts_though_the_page_was_cancelled_in_the_air() -> None:
    alert = queued(make_site())
    page = claim_page(now=NOON, timeout=TIMEOUT)
    assert page is not None
    Page.objects.filter(pk=page.pk).update(
        state=Page.State.CANCELLED, lease_token=None, lease_expires_at=None
    )
    said = Answer(status=200, body='{"acknowledge": true}')
    record_answer(page, said, started_at=NOON, now=NOON + seconds(1), rng=random.Random(1))
    assert Page.objects.get(alert=alert).replied_at == NOON + seconds(1)
    assert Page.objects.get(alert=alert).state == Page.State.CANCELLED


def test_that_it_is_over_is_not_told_before_the_page_that_is_still_in_the_air() -> None:
    duty = make_contact(kind=Contact.Kind.PAGERDUTY, secret="key", url="http://127.0.0.1:9/")
    alert = queued(make_site(owner=duty.owner))
    assert claim_page(now=NOON, timeout=TIMEOUT) is not None
    close_alert(alert=alert, by=make_user("operator"), reason="Seen.", now=NOON + seconds(1))
    told = Page.objects.get(alert=alert, purpose=Page.Purpose.RESOLVED)
    assert told.next_attempt_at == NOON + TIMEOUT + LEASE_SLACK
    assert claim_page(now=NOON + seconds(2), timeout=TIMEOUT) is None
    assert advance_due_escalations(now=NOON + seconds(2)) == 0
