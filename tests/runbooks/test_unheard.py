"""Alerts that nobody has heard of: paging goes on until a page is delivered, and says so."""

from __future__ import annotations

from datetime import datetime, time

import pytest
from django.db import connection

from fleet.models import Contact, Owner
from runbooks.alerts.services import acknowledge_alert, release_alert
from runbooks.auditor import audit_promises
from runbooks.escalation.clock import mend_waits
from runbooks.escalation.services import advance_due_escalations, suspend_escalation
from runbooks.models import Alert, BrokenPromise, Escalation, Page
from runbooks.paging.receipts import record_receipt
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.receiver import Receiver, status
from tests.runbooks.oncall_world import make_rotation, make_schedule
from tests.runbooks.world import (
    deliver,
    kinds_of,
    make_alert,
    make_pager,
    only_page,
    policy_of,
    queued,
    run,
    seconds,
    sentences_of,
    site_paging,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

Code, State = BrokenPromise.Code, Escalation.State
FOUR_HOURS = 14_400


def switch_off(*owners: Owner) -> None:
    """Leave these owners, or everybody, without a contact; their sites are live already."""
    connection.check_constraints()
    contacts = Contact.objects.filter(owner__in=owners) if owners else Contact.objects.all()
    contacts.update(disabled_reason="The receiver answered 410.")


def switch_on(*owners: Owner) -> None:
    contacts = Contact.objects.filter(owner__in=owners) if owners else Contact.objects.all()
    contacts.update(disabled_reason="")


def cycles(start: float, end: float, *, every: float = 15) -> None:
    """Let the engine go round from `start` to `end`, in seconds after noon."""
    count = int((end - start) // every)
    for number in range(count + 1):
        run(NOON + seconds(start + number * every))


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def paged(alert: Alert) -> list[tuple[float, str]]:
    """Whom the escalation has paged, and how many seconds after noon."""
    pages = Page.objects.filter(alert=alert).order_by("sequence", "owner__name")
    return [((page.created_at - NOON).total_seconds(), page.owner.name) for page in pages]


def codes(at: datetime) -> list[str]:
    return [promise.code for promise in audit_promises(now=at)]


def reachable_owner(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


# Nobody can be reached.


def test_an_alert_whom_nobody_could_be_paged_for_pages_once_a_contact_works_again(
    receiver: Receiver,
) -> None:
    site = site_paging(receiver, policy=policy_of((["site_owner"], 60), repeat=1))
    switch_off()
    alert = make_alert(site=site)
    cycles(0, 600)
    assert states_of_pages(alert) == []
    assert Code.NOBODY_REACHABLE in codes(NOON + seconds(600))
    switch_on()
    cycles(605, 640, every=5)
    assert len(receiver.requests) == 1
    assert states_of_pages(alert) == ["sent"]
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.sequence, escalation.rounds_left) == (State.RUNNING, 1, 0)
    assert codes(NOON + seconds(640)) == []


def test_the_timeline_says_once_that_nobody_could_be_reached_and_since_when(
    receiver: Receiver,
) -> None:
    site = site_paging(receiver, policy=policy_of((["site_owner"], 60), repeat=1))
    switch_off()
    alert = make_alert(site=site)
    cycles(0, 600)
    policy = alert.policy_version.policy
    assert kinds_of(alert) == ["opened", "nobody_reachable"]
    assert sentences_of(alert, "nobody_reachable") == [
        f"Nobody of step 1 of {policy} can be reached: nobody is on call, or no contact works. "
        "No step that is left reaches anybody either: the first that does pages at once."
    ]
    switch_on()
    cycles(630, 630)
    assert sentences_of(alert, "paged") == [
        f"Step 1 of {policy}: {site.owner} by pager paged; nobody could be reached since Tuesday "
        "at 12:00 UTC. Next step at 12:11 UTC if nobody answers."
    ]


def test_a_second_time_is_told_anew(receiver: Receiver) -> None:
    policy = policy_of((["site_owner"], 60), repeat=5)
    alert = make_alert(site=site_paging(receiver, policy=policy))
    cycles(0, 0)
    switch_off()
    cycles(60, 120)
    switch_on()
    cycles(135, 150)
    switch_off()
    cycles(240, 300)
    assert kinds_of(alert).count("nobody_reachable") == 2


def test_a_long_delay_is_not_waited_out_while_nobody_was_paged(receiver: Receiver) -> None:
    site = site_paging(receiver, policy=policy_of((["site_owner"], FOUR_HOURS)))
    switch_off()
    alert = make_alert(site=site)
    cycles(0, 60)
    switch_on()
    cycles(65, 90, every=5)
    assert states_of_pages(alert) == ["sent"]
    assert escalation_of(alert).next_due_at == NOON + seconds(90 + FOUR_HOURS)


def test_a_gap_in_a_schedule_ends_with_a_page_to_whoever_comes_on_call(receiver: Receiver) -> None:
    ana = make_pager(receiver, owner=make_owner(name="Ana")).owner
    schedule = make_schedule(slug="europe")
    make_rotation(schedule, ana, covers_from=time(14), covers_until=time(18))
    policy = policy_of((["schedule:europe"], FOUR_HOURS))
    site = make_site(policy=policy)
    switch_off(site.owner)
    alert = make_alert(site=site)
    cycles(0, 7200, every=30)
    assert paged(alert) == [(7200, "Ana")]


def test_the_first_step_that_reaches_somebody_begins_and_no_round_is_used_up() -> None:
    ana, ben, eve = (reachable_owner(name) for name in ("Ana", "Ben", "Eve"))
    policy = policy_of(([word(ana)], 60), ([word(ben)], 60), ([word(eve)], 60), repeat=1)
    site = make_site(policy=policy, owner=ana)
    switch_off()
    alert = make_alert(site=site)
    cycles(0, 600)
    switch_on(ben)
    cycles(630, 630)
    assert paged(alert) == [(630, "Ben")]
    escalation = escalation_of(alert)
    assert (escalation.step_index, escalation.rounds_left) == (2, 1)


def test_in_the_last_round_the_steps_whose_pages_were_delivered_are_not_gone_back_to(
    receiver: Receiver,
) -> None:
    ana = make_pager(receiver, owner=make_owner(name="Ana")).owner
    ben = reachable_owner("Ben")
    site = make_site(policy=policy_of(([word(ana)], 60), ([word(ben)], 60)))
    switch_off(site.owner, ben)
    alert = make_alert(site=site)
    cycles(0, 1200)
    assert paged(alert) == [(0, "Ana")]
    switch_on(ben)
    cycles(1230, 1230)
    assert paged(alert) == [(0, "Ana"), (1230, "Ben")]


def test_in_the_last_round_the_steps_whose_pages_died_are_gone_back_to(receiver: Receiver) -> None:
    receiver.answers(status(503))
    ana = make_pager(receiver, owner=make_owner(name="Ana")).owner
    ben = make_owner(name="Ben")
    site = make_site(policy=policy_of(([word(ana)], 60), ([word(ben)], 60)))
    switch_off(site.owner)
    alert = make_alert(site=site)
    cycles(0, 345)
    assert paged(alert) == [(0, "Ana"), (330, "Ana")]


def test_many_for_whom_nobody_can_be_reached_keep_nobody_else_waiting() -> None:
    ana = reachable_owner("Ana")
    mute = make_policy(steps=[{"notify": ["site_owner"], "delay_seconds": 60}])
    late = make_alert(site=make_site(policy=policy_of(([word(ana)], 60), ([word(ana)], 60))))
    advance_due_escalations(now=NOON)
    sites = [make_site(policy=mute) for _ in range(60)]
    switch_off(*[site.owner for site in sites])
    unreachable = [make_alert(site=site, now=NOON) for site in sites]
    assert advance_due_escalations(now=NOON, limit=60) == 60
    new = make_alert(site=make_site(policy=policy_of(([word(ana)], 60))), now=NOON + seconds(90))
    advance_due_escalations(now=NOON + seconds(90), limit=1)
    pages = Page.objects.filter(created_at__gt=NOON).order_by("alert")
    assert [page.alert for page in pages] == [late, new]
    # Of the others one was looked at, and none is forgotten.
    due = Escalation.objects.filter(alert__in=unreachable, next_due_at__lte=NOON + seconds(90))
    assert due.count() == 59
    assert advance_due_escalations(now=NOON + seconds(90)) == 59


def test_when_the_clock_is_set_back_the_next_look_is_no_later() -> None:
    alert = make_alert(site=make_site(policy=policy_of((["site_owner"], 60), repeat=5)))
    advance_due_escalations(now=NOON)
    switch_off()
    later = NOON + seconds(7200)
    advance_due_escalations(now=later)
    back = NOON + seconds(3600)
    assert mend_waits(now=back) == 1
    escalation = escalation_of(alert)
    assert (escalation.next_due_at, escalation.last_step_at) == (back, NOON)


# Somebody is paged, and no page gets through.


def test_an_outage_that_outlasts_the_policy_ends_with_a_page(receiver: Receiver) -> None:
    receiver.answers(status(503))
    policy = policy_of((["site_owner"], 300), (["site_owner"], 300), (["site_owner"], 300))
    alert = make_alert(site=site_paging(receiver, policy=policy))
    cycles(0, 1800)
    assert "sent" not in states_of_pages(alert)
    receiver.answers(status(200))
    cycles(1815, 2130)
    assert "sent" in states_of_pages(alert)
    assert escalation_of(alert).state == State.RUNNING


def test_the_timeline_says_that_no_page_was_delivered_and_that_the_steps_begin_anew(
    receiver: Receiver,
) -> None:
    receiver.answers(status(503))
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 60))))
    cycles(0, 60)
    assert sentences_of(alert, "nobody_reachable") == [
        "No page has been delivered to anybody, so the steps of "
        f"{alert.policy_version.policy} begin anew at 12:05 UTC."
    ]


def test_once_a_page_is_delivered_the_rounds_end(receiver: Receiver) -> None:
    receiver.answers(status(503))
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 60))))
    cycles(0, 120)
    receiver.answers(status(200))
    cycles(135, 420)
    assert escalation_of(alert).state == State.EXHAUSTED
    assert kinds_of(alert)[-1] == "exhausted"
    cycles(420, 1200, every=60)
    assert len(paged(alert)) == 2


def test_rounds_of_seconds_begin_anew_every_five_minutes(receiver: Receiver) -> None:
    receiver.answers(status(503))
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 5))))
    cycles(0, 1200, every=5)
    assert [at for at, _ in paged(alert)] == [0, 300, 600, 900, 1200]


def test_a_round_of_which_every_page_is_refused_begins_anew_after_five_minutes(
    receiver: Receiver,
) -> None:
    receiver.answers(status(404))
    policy = policy_of((["site_owner"], FOUR_HOURS), repeat=1)
    alert = queued(site_paging(receiver, policy=policy))
    deliver(NOON)
    assert sentences_of(alert, "page_failed")[0].endswith(
        "Nobody of this step was reached, so the next step is taken at 12:05 UTC."
    )
    receiver.answers(status(200))
    cycles(15, 300)
    assert [at for at, _ in paged(alert)] == [0, 300]
    assert sorted(states_of_pages(alert)) == ["dead", "sent"]


def test_a_page_that_counted_as_delivered_and_was_not_is_made_up_for(receiver: Receiver) -> None:
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 60))))
    cycles(0, 60)
    assert escalation_of(alert).state == State.EXHAUSTED
    now = NOON + seconds(400)
    record_receipt(page=only_page(alert), receipt=Page.Receipt.FAILED, seq=1, now=now)
    run(now)
    run(now)
    assert sorted(states_of_pages(alert)) == ["dead", "sent"]


def test_what_was_delivered_before_a_release_does_not_count_afterwards(
    receiver: Receiver,
) -> None:
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 60))))
    cycles(0, 0)
    joe = make_user()
    acknowledge_alert(alert=alert, by=joe, now=NOON)
    receiver.answers(status(503))
    release_alert(alert=alert, by=joe, now=NOON)
    cycles(15, 150)
    assert escalation_of(alert).state == State.RUNNING
    assert sorted(states_of_pages(alert)) == ["dead", "sent"]


# What the auditor says of it.


def unheard(at: datetime) -> list[str]:
    found = audit_promises(now=at)
    return [row.subject for row in found if row.code == Code.ALERT_UNHEARD]


@pytest.fixture
def in_an_outage(receiver: Receiver) -> Alert:
    """An alert of which no page was delivered by a quarter past noon."""
    receiver.answers(status(503))
    alert = make_alert(site=site_paging(receiver, policy=policy_of((["site_owner"], 120))))
    cycles(0, 900)
    return alert


def test_an_alert_without_a_delivered_page_for_a_quarter_of_an_hour_breaks_a_promise(
    receiver: Receiver, in_an_outage: Alert
) -> None:
    assert unheard(NOON + seconds(914)) == []
    found = audit_promises(now=NOON + seconds(916))
    assert [row.sentence for row in found if row.code == Code.ALERT_UNHEARD] == [
        f"Nobody has heard of A-{in_an_outage.pk}: no page of it was delivered. Call somebody by "
        "phone, and look at what became of its pages."
    ]
    receiver.answers(status(200))
    cycles(930, 1245)
    assert unheard(NOON + seconds(1245)) == []


def test_what_somebody_took_or_what_is_held_back_breaks_none(in_an_outage: Alert) -> None:
    now = NOON + seconds(960)
    suspend_escalation(alert=in_an_outage, now=now)
    Alert.objects.update(is_suppressed=True)
    assert unheard(now) == []
    Alert.objects.update(is_suppressed=False)
    acknowledge_alert(alert=in_an_outage, by=make_user(), now=now)
    assert unheard(now) == []


def test_an_alert_for_whom_nobody_can_be_reached_for_a_quarter_of_an_hour_breaks_it_too() -> None:
    site = make_site()
    switch_off()
    alert = make_alert(site=site)
    cycles(0, 900)
    assert unheard(NOON + seconds(914)) == []
    assert unheard(NOON + seconds(916)) == [f"alert {alert.pk}"]


def test_an_alert_that_pages_nobody_any_more_and_of_which_nobody_heard_breaks_it_at_once() -> None:
    alert = make_alert()
    Escalation.objects.update(state=State.EXHAUSTED, next_due_at=None)
    assert unheard(NOON) == [f"alert {alert.pk}"]
    Page.objects.all().delete()
    advance_due_escalations(now=NOON + seconds(15))
    assert unheard(NOON + seconds(15)) == []


def test_a_new_alert_and_one_that_waits_for_its_hours_break_none() -> None:
    hours = {"time_zone": "UTC", "weekdays": list(range(7)), "from": "08:00", "until": "12:01"}
    step = {"notify": ["site_owner"], "delay_seconds": 60, "hours": hours}
    make_alert(site=make_site(policy=make_policy(steps=[step])))
    advance_due_escalations(now=NOON)
    Page.objects.update(state=Page.State.DEAD)
    make_alert(now=NOON + seconds(60))
    advance_due_escalations(now=NOON + seconds(60))
    assert unheard(NOON + seconds(960)) == []
