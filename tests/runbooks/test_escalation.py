"""Escalations: one step at a time, the right people, and nobody forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import Contact, Owner
from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.plan import PlanError
from runbooks.escalation.policies import policy_version_for, publish_policy
from runbooks.escalation.services import advance_due_escalations, upcoming_steps
from runbooks.models import (
    Alert,
    AlertEvent,
    BrokenPromise,
    Escalation,
    EscalationPolicyVersion,
    Page,
)
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.runbooks.world import (
    kinds_of,
    make_alert,
    policy_of,
    seconds,
    sentences_of,
    states_of_pages,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

# Sites are committed first: the rule that one needs a contact is judged at COMMIT.
committed = pytest.mark.django_db(transaction=True)


def reachable_owner(**overrides: Any) -> Owner:
    return make_contact(owner=make_owner(**overrides)).owner


def alert_with(*steps: tuple[list[str], int], repeat: int = 0, **site: Any) -> Alert:
    """Open an alert at a site that follows these steps."""
    return make_alert(site=make_site(policy=policy_of(*steps, repeat=repeat), **site))


def advance(*offsets: float) -> None:
    for offset in offsets:
        advance_due_escalations(now=NOON + seconds(offset))


def paged(alert: Alert) -> list[tuple[float, str]]:
    """Whom the escalation has paged, and how many seconds after noon."""
    return [
        ((page.created_at - NOON).total_seconds(), page.owner.name)
        for page in Page.objects.filter(alert=alert).order_by("sequence", "owner__name")
    ]


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def switch_off(owner: Owner) -> None:
    """Leave the owner without a working contact, as a receiver that answers 410 does."""
    Contact.objects.filter(owner=owner).update(disabled_reason="gone")


def test_a_new_alert_pages_without_a_grace() -> None:
    alert = make_alert(site=make_site(owner=make_contact().owner), now=NOON)
    assert advance_due_escalations(now=NOON) == 1
    assert states_of_pages(alert) == ["pending"]


def test_a_step_pages_and_waits_its_own_delay_before_the_next() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with(([word(ana)], 60), ([word(ben)], 120))
    advance(0, 30, 59)
    assert paged(alert) == [(0, "Ana")]
    advance(60, 100, 179)
    assert paged(alert) == [(0, "Ana"), (60, "Ben")]


def test_one_step_pages_all_of_its_people_and_nobody_twice() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with((["site_owner", word(ben), word(ana), word(ben)], 60), owner=ana)
    advance(0)
    assert paged(alert) == [(0, "Ana"), (0, "Ben")]


def test_a_step_its_timeline_entry_and_its_pages_belong_together() -> None:
    ana = reachable_owner(name="Ana")
    alert = alert_with(([word(ana)], 300))
    advance(0)
    page = Page.objects.get(alert=alert)
    policy = alert.policy_version.policy
    assert sentences_of(alert, "paged") == [
        f"Step 1 of {policy}: Ana by pager paged. Next step at 12:05 UTC if nobody answers."
    ]
    assert (page.sequence, page.step_index, page.reason) == (1, 0, f"step 1 of {policy}")
    assert page.give_up_at == NOON + seconds(300)
    escalation = escalation_of(alert)
    assert (escalation.sequence, escalation.step_index, escalation.last_step_at) == (1, 1, NOON)


def test_after_the_last_step_it_begins_again_while_rounds_are_left() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with(([word(ana)], 60), ([word(ben)], 60), repeat=1)
    advance(0, 60, 120, 180, 240, 300)
    assert paged(alert) == [(0, "Ana"), (60, "Ben"), (120, "Ana"), (180, "Ben")]


def test_an_exhausted_escalation_says_so_and_the_alert_stays_open() -> None:
    alert = alert_with(([word(reachable_owner())], 60))
    advance(0)
    Page.objects.update(state=Page.State.SENT)
    advance(60, 120)
    alert.refresh_from_db()
    assert escalation_of(alert).state == Escalation.State.EXHAUSTED
    assert alert.response == Alert.Response.UNACKNOWLEDGED
    assert kinds_of(alert) == ["opened", "paged", "exhausted"]
    assert sentences_of(alert, "exhausted") == [
        f"Nobody answered: the rounds of {alert.policy_version.policy} are over. Nobody else is "
        "paged; the alert stays open until somebody takes it."
    ]


def test_the_last_step_has_its_whole_delay_before_that() -> None:
    alert = alert_with(([word(reachable_owner())], 60))
    advance(0, 59)
    assert escalation_of(alert).state == Escalation.State.RUNNING


def test_after_an_outage_exactly_one_step_is_taken() -> None:
    ana, ben, eve = (reachable_owner(name=name) for name in ("Ana", "Ben", "Eve"))
    alert = alert_with(([word(ana)], 60), ([word(ben)], 60), ([word(eve)], 60), repeat=5)
    advance(0, 7200, 7200)
    assert paged(alert) == [(0, "Ana"), (7200, "Ben")]
    assert escalation_of(alert).next_due_at == NOON + seconds(7260)


def test_people_are_looked_up_when_the_step_is_taken() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with(([word(ana)], 60), (["site_owner"], 60), owner=ana)
    advance(0)
    alert.site.owner = ben
    alert.site.save()
    advance(60)
    assert paged(alert) == [(0, "Ana"), (60, "Ben")]


def test_the_steps_are_those_of_the_edition_the_alert_opened_with() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with(([word(ana)], 60), ([word(ana)], 60))
    EscalationPolicyVersion.objects.create(
        policy=alert.policy_version.policy,
        number=2,
        steps=[{"notify": [word(ben)], "delay_seconds": 5}],
        repeat=0,
        created_at=NOON,
    )
    advance(0, 5, 60)
    assert paged(alert) == [(0, "Ana"), (60, "Ana")]


def test_a_step_without_a_reachable_person_goes_to_the_sites_owner_at_once() -> None:
    ana, mute = reachable_owner(name="Ana"), make_owner(name="Mute")
    alert = alert_with(([word(mute)], 300), (["catch_all"], 300), owner=ana)
    advance(0)
    assert paged(alert) == [(0, "Ana")]
    policy = alert.policy_version.policy
    assert sentences_of(alert, "nobody_reachable") == [
        f"Nobody of step 1 of {policy} can be reached: nobody is on call, or no contact works. "
        "Paged instead: Ana, the site's owner."
    ]
    reason = Page.objects.get(alert=alert).reason
    assert reason == f"the site's owner, because nobody of step 1 of {policy} can be reached"


@committed
def test_without_the_sites_owner_it_goes_to_the_catch_all_owner() -> None:
    reachable_owner(name="Zoe", is_catch_all=True)
    alert = alert_with(([word(make_owner())], 300))
    switch_off(alert.site.owner)
    advance(0)
    assert paged(alert) == [(0, "Zoe")]


@committed
def test_without_any_of_them_the_next_step_is_taken_at_once() -> None:
    ben = reachable_owner(name="Ben")
    alert = alert_with((["site_owner"], 300), ([word(ben)], 300))
    switch_off(alert.site.owner)
    advance(0)
    assert paged(alert) == [(0, "Ben")]
    assert escalation_of(alert).next_due_at == NOON + seconds(300)


@committed
def test_when_nobody_at_all_can_be_reached_it_waits_and_does_not_spin() -> None:
    alert = alert_with((["site_owner"], 60), (["catch_all"], 120), repeat=9)
    switch_off(alert.site.owner)
    advance(0, 0, 1, 29)
    escalation = escalation_of(alert)
    assert (escalation.step_index, escalation.sequence) == (0, 0)
    assert escalation.next_due_at == NOON + seconds(30)
    assert sentences_of(alert, "nobody_reachable")[0].endswith(
        "No step that is left reaches anybody either: the first that does pages at once."
    )
    assert paged(alert) == []


def test_a_step_that_reaches_nobody_is_raised_as_a_broken_promise() -> None:
    alert = alert_with(([word(make_owner())], 300))
    advance(0)
    promise = BrokenPromise.objects.get()
    assert promise.code == BrokenPromise.Code.NOBODY_REACHABLE
    assert promise.subject == f"site {alert.site.slug}"
    assert promise.sentence.endswith("Give these people a working contact.")


def test_an_owner_who_is_gone_is_nobody() -> None:
    ana = reachable_owner(name="Ana")
    alert = alert_with((["owner:999999"], 300), owner=ana)
    advance(0)
    assert paged(alert) == [(0, "Ana")]


def test_an_escalation_that_runs_for_a_taken_alert_stops_instead_of_paging() -> None:
    alert = alert_with(([word(reachable_owner())], 300))
    Alert.objects.filter(pk=alert.pk).update(response="acknowledged", acknowledged_at=NOON)
    advance(0)
    assert escalation_of(alert).state == Escalation.State.STOPPED
    assert paged(alert) == []


def test_one_escalation_that_fails_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = alert_with((["nobody anybody knows"], 60))
    fine = alert_with(([word(reachable_owner(name="Ana"))], 60))
    assert advance_due_escalations(now=NOON) == 1
    assert paged(fine) == [(0, "Ana")]
    assert escalation_of(broken).sequence == 0
    assert "escalation.advance_failed" in caplog.text


def test_the_longest_due_goes_first() -> None:
    ana = reachable_owner()
    second = alert_with(([word(ana)], 60))
    first = alert_with(([word(ana)], 60))
    Escalation.objects.filter(alert=first).update(next_due_at=NOON - seconds(1))
    advance_due_escalations(now=NOON, limit=1)
    assert [page.alert for page in Page.objects.all()] == [first]
    assert not Page.objects.filter(alert=second).exists()


def test_the_first_step_of_a_new_alert_goes_before_later_ones_that_are_due_longer() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    old = [alert_with(([word(ana)], 60), ([word(ana)], 60)) for _ in range(3)]
    advance(0)
    new = make_alert(site=make_site(policy=policy_of(([word(ben)], 60))), now=NOON + seconds(90))
    assert advance_due_escalations(now=NOON + seconds(90), limit=2) == 3
    assert paged(new) == [(90, "Ben")]
    assert [len(paged(alert)) for alert in old] == [2, 2, 1]
    # By their entries: the numbers of pages are drawn at random.
    taken = AlertEvent.objects.filter(kind="paged", at=NOON + seconds(90)).order_by("pk")
    assert taken[0].alert == new


def test_upcoming_steps_are_those_that_will_come_if_nobody_answers() -> None:
    ana, ben = reachable_owner(name="Ana"), reachable_owner(name="Ben")
    alert = alert_with(([word(ana)], 60), ([word(ana), word(ben)], 120), repeat=1)
    advance(0)
    coming = upcoming_steps(alert=alert, now=NOON)
    assert [(step.at, step.names, step.step_number, step.is_next) for step in coming] == [
        (NOON + seconds(60), ("Ana", "Ben"), 2, True),
        (NOON + seconds(180), ("Ana",), 1, False),
        (NOON + seconds(240), ("Ana", "Ben"), 2, False),
    ]


def test_nothing_is_upcoming_for_an_alert_that_somebody_has() -> None:
    alert = alert_with(([word(reachable_owner())], 60))
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    assert upcoming_steps(alert=alert, now=NOON) == []


def test_a_step_that_is_overdue_is_upcoming_now() -> None:
    alert = alert_with(([word(reachable_owner())], 60))
    assert upcoming_steps(alert=alert, now=NOON + seconds(9))[0].at == NOON + seconds(9)


STEPS = [{"notify": ["site_owner"], "delay_seconds": 300}]


def published(**overrides: Any) -> EscalationPolicyVersion:
    fields = {
        "slug": "europe",
        "name": "Europe",
        "steps": STEPS,
        "repeat": 1,
        "by": None,
        "now": NOON,
    }
    return publish_policy(**(fields | overrides))


def test_the_same_policy_twice_is_one_edition() -> None:
    assert published() == published(name="Europe, Middle East")


def test_other_steps_are_the_next_edition() -> None:
    published()
    second = published(repeat=2)
    assert (second.number, second.policy.versions.count()) == (2, 2)
    third = published()
    assert third.number == 3


@pytest.mark.parametrize("repeat", [-1, 21])
def test_a_policy_that_repeats_for_ever_is_refused(repeat: int) -> None:
    with pytest.raises(PlanError, match="repeated 0 to 20 times"):
        published(repeat=repeat)


def test_a_policy_that_cannot_be_followed_is_not_published() -> None:
    with pytest.raises(PlanError):
        published(steps=[])
    assert not EscalationPolicyVersion.objects.exists()


def test_a_site_follows_the_newest_edition_of_its_policy() -> None:
    policy = published().policy
    site = make_site(policy=policy)
    newest = published(repeat=3)
    assert policy_version_for(site) == newest
