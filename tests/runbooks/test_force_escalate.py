"""Getting an alert to somebody else: force the next step, hand over, pass on (T10)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from fleet.models import Contact, Membership, Owner
from runbooks.alerts.errors import (
    AlertCleared,
    AlertClosed,
    AlertHeldBack,
    AlertMoved,
    AlertNotTaken,
    CannotRespond,
    EscalationMovedOn,
    NobodyCanBePaged,
    NobodyToPage,
)
from runbooks.alerts.services import (
    acknowledge_alert,
    close_alert,
    escalate_alert,
    hand_over_alert,
    pass_on_alert,
)
from runbooks.escalation.services import (
    advance_due_escalations,
    force_escalation,
    page_directly,
    suspend_escalation,
)
from runbooks.models import Alert, AlertEvent, Escalation, Page
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.runbooks.world import (
    LOW,
    URGENT,
    alert_of,
    clear,
    kinds_of,
    make_alert,
    make_finding,
    policy_of,
    run,
    seconds,
    sentences_of,
    word,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
#: Open at noon, over a minute later.
MORNING = {"time_zone": "UTC", "weekdays": list(range(7)), "from": "08:00", "until": "12:01"}


def reachable_owner(name: str) -> Owner:
    return make_contact(owner=make_owner(name=name)).owner


@pytest.fixture
def alert() -> Alert:
    """An alert whose first step has paged Ana; Ben would be next, five minutes later."""
    ana, ben = reachable_owner("Ana"), reachable_owner("Ben")
    policy = policy_of(([word(ana)], 300), ([word(ben)], 300), repeat=1)
    opened = make_alert(site=make_site(policy=policy, owner=ana))
    advance_due_escalations(now=NOON)
    return opened


def paged(alert: Alert) -> list[tuple[float, str]]:
    """Whom the escalation has paged, and how many seconds after noon."""
    return [
        ((page.created_at - NOON).total_seconds(), page.owner.name)
        for page in Page.objects.filter(alert=alert).order_by("sequence", "owner__name")
    ]


def escalation_of(alert: Alert) -> Escalation:
    return Escalation.objects.get(alert=alert)


def escalate(alert: Alert, *, seen: int = 1, **overrides: Any) -> None:
    by = overrides.pop("by", None) or make_user(first_name="Eve")
    escalate_alert(alert=alert, seen_sequence=seen, now=LATER, **({"by": by} | overrides))


def test_t10_the_next_step_is_taken_at_once(alert: Alert) -> None:
    escalate(alert)
    assert paged(alert) == [(0, "Ana"), (60, "Ben")]
    assert escalation_of(alert).next_due_at == LATER + seconds(300)
    assert sentences_of(alert, "escalated") == ["Eve escalated it: the next step is taken now."]


def test_t10_a_second_click_on_a_stale_button_takes_no_second_step(alert: Alert) -> None:
    escalate(alert)
    with pytest.raises(EscalationMovedOn, match="has gone on to another step") as refusal:
        escalate(alert)
    assert refusal.value.code == "escalation_moved_on"
    assert len(paged(alert)) == 2
    assert kinds_of(alert).count("escalated") == 1


def test_t10_a_button_seen_before_the_engine_took_the_step_is_stale(alert: Alert) -> None:
    advance_due_escalations(now=NOON + seconds(300))
    assert not force_escalation(alert=alert, seen_sequence=1, now=NOON + seconds(301))
    assert len(paged(alert)) == 2


def test_t10_a_resent_escalation_happens_once(alert: Alert) -> None:
    eve = make_user()
    for _ in range(2):
        escalate(alert, by=eve, client_action_id="tablet-1")
    assert len(paged(alert)) == 2


def test_t10_whoever_had_it_has_it_no_longer(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=make_user(first_name="Joe"), now=NOON)
    escalate(alert)
    alert.refresh_from_db()
    assert (alert.response, alert.acknowledged_by) == (Alert.Response.UNACKNOWLEDGED, None)
    assert paged(alert) == [(0, "Ana"), (60, "Ben")]
    assert sentences_of(alert, "escalated") == [
        "Eve escalated it: the next step is taken now. Joe has it no longer."
    ]


def test_t10_after_the_last_step_the_first_one_is_taken_again(alert: Alert) -> None:
    Page.objects.update(state=Page.State.SENT)
    for step in range(1, 5):
        advance_due_escalations(now=NOON + seconds(300 * step))
    assert escalation_of(alert).state == Escalation.State.EXHAUSTED
    assert force_escalation(alert=alert, seen_sequence=4, now=NOON + seconds(3600))
    assert paged(alert)[-1] == (3600, "Ana")
    escalation = escalation_of(alert)
    assert (escalation.state, escalation.step_index, escalation.rounds_left) == (
        Escalation.State.RUNNING,
        1,
        1,
    )


def taken_by_joe(*steps: dict[str, Any], severity: int = URGENT, **site: Any) -> Alert:
    """Open an alert that these steps page for; Joe takes it at once."""
    policy = make_policy(steps=list(steps), repeat=0)
    alert = make_alert(site=make_site(policy=policy, **site), severity=severity)
    advance_due_escalations(now=NOON)
    acknowledge_alert(alert=alert, by=make_user(first_name="Joe"), now=NOON)
    return alert


def step(*people: Owner, **conditions: Any) -> dict[str, Any]:
    return {"notify": [word(one) for one in people], "delay_seconds": 300, **conditions}


def everything_about(alert: Alert) -> list[Any]:
    rows = (Alert.objects.filter(pk=alert.pk), Escalation.objects.filter(alert=alert))
    return [list(row.values()) for row in (*rows, alert.pages, alert.events)]


def test_t10_a_step_for_another_severity_is_passed_over_and_the_first_one_pages_again() -> None:
    ana, ben = reachable_owner("Ana"), reachable_owner("Ben")
    alert = taken_by_joe(step(ana), step(ben, severities=["urgent"]), severity=LOW)
    escalate(alert)
    assert paged(alert) == [(0, "Ana"), (60, "Ana")]
    assert escalation_of(alert).next_due_at == LATER + seconds(300)


def test_t10_steps_whose_hours_are_over_are_passed_over() -> None:
    ana, ben = reachable_owner("Ana"), reachable_owner("Ben")
    alert = taken_by_joe(step(ana), step(ben, hours=MORNING))
    escalate(alert)
    assert paged(alert) == [(0, "Ana"), (60, "Ana")]


def test_t10_people_without_a_contact_are_passed_over() -> None:
    ana, mute, ben = reachable_owner("Ana"), make_owner(name="Mute"), reachable_owner("Ben")
    alert = taken_by_joe(step(ana), step(mute), step(ben), owner=reachable_owner("Zoe"))
    connection.check_constraints()
    Contact.objects.filter(owner__name="Zoe").update(disabled_reason="gone")
    escalate(alert)
    assert paged(alert) == [(0, "Ana"), (60, "Ben")]


def test_t10_where_no_step_is_open_it_is_refused_and_nothing_changes() -> None:
    ana = make_contact(owner=make_owner(name="Ana", phone="+81 6 555 0100")).owner
    alert = taken_by_joe(step(ana, hours=MORNING), owner=ana)
    before = everything_about(alert)
    with pytest.raises(NobodyCanBePaged) as refusal:
        escalate(alert)
    assert refusal.value.code == "nobody_reachable"
    assert refusal.value.sentence == (
        f"Nobody can be paged now by {alert.policy_version.policy}; call Ana (+81 6 555 0100), who "
        f"answers for {alert.site}. Nothing was done with A-{alert.pk}."
    )
    alert.refresh_from_db()
    assert alert.response == Alert.Response.ACKNOWLEDGED
    assert everything_about(alert) == before


def test_t10_where_nobody_can_be_reached_it_is_refused_and_nothing_changes(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=make_user(first_name="Joe"), now=NOON)
    connection.check_constraints()
    Contact.objects.update(disabled_reason="gone")
    before = everything_about(alert)
    with pytest.raises(NobodyCanBePaged):
        escalate(alert)
    assert everything_about(alert) == before


def test_t10_the_rounds_do_not_end_before_a_page_since_then_is_delivered(alert: Alert) -> None:
    Page.objects.update(state=Page.State.SENT)
    for number in range(1, 4):
        advance_due_escalations(now=NOON + seconds(300 * number))
    now = NOON + seconds(950)
    assert force_escalation(alert=alert, seen_sequence=4, now=now)
    Page.objects.filter(created_at=now).update(state=Page.State.DEAD)
    for number in range(1, 5):
        advance_due_escalations(now=now + seconds(300 * number))
    assert escalation_of(alert).state == Escalation.State.RUNNING


def test_t10_what_has_cleared_pages_nobody() -> None:
    finding = make_finding()
    run(NOON)
    clear(finding, now=NOON)
    run(NOON)
    with pytest.raises(AlertCleared, match="nobody is paged"):
        escalate(alert_of(finding))


def test_t10_what_is_held_back_is_refused_instead_of_paging_in_secret(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
    suspend_escalation(alert=alert, now=NOON)
    with pytest.raises(AlertHeldBack, match="End what holds it back first"):
        escalate(alert)
    assert not force_escalation(alert=alert, seen_sequence=1, now=LATER)
    assert not page_directly(alert=alert, owner=reachable_owner("Zoe"), reason="x", now=LATER)


def test_t10_what_is_closed_stays_closed(alert: Alert) -> None:
    close_alert(alert=alert, by=make_user(), reason="Known.", now=NOON)
    with pytest.raises(AlertClosed):
        escalate(alert)


def test_t10_it_is_not_taken_from_somebody_the_screen_did_not_show(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=make_user(first_name="Joe"), now=NOON)
    with pytest.raises(AlertMoved, match="changed since you looked: Joe took it") as refusal:
        escalate(alert, seen_revision=alert.revision)
    assert refusal.value.code == "alert_moved"


def hand_over(alert: Alert, to: Any, **overrides: Any) -> None:
    by = overrides.pop("by", None) or make_user(first_name="Eve")
    hand_over_alert(alert=alert, to=to, now=LATER, **({"by": by} | overrides))


def operator(name: str) -> Any:
    return make_user(Membership.Role.OPERATOR, first_name=name)


def test_a_hand_over_changes_who_has_it_and_pages_nobody(alert: Alert) -> None:
    joe, kim = operator("Joe"), operator("Kim")
    acknowledge_alert(alert=alert, by=joe, now=NOON)
    hand_over(alert, kim, by=joe)
    alert.refresh_from_db()
    assert (alert.response, alert.acknowledged_by, alert.acknowledged_at) == (
        Alert.Response.ACKNOWLEDGED,
        kim,
        LATER,
    )
    assert escalation_of(alert).state == Escalation.State.STOPPED
    assert sentences_of(alert, "handed_over") == ["Joe handed it over to Kim."]


def test_a_hand_over_by_another_says_who_had_it(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=operator("Joe"), now=NOON)
    hand_over(alert, operator("Kim"))
    assert sentences_of(alert, "handed_over") == ["Eve handed it over to Kim; Joe had it."]


def test_a_hand_over_to_who_has_it_changes_nothing(alert: Alert) -> None:
    joe = operator("Joe")
    acknowledge_alert(alert=alert, by=joe, now=NOON)
    hand_over(alert, joe)
    assert "handed_over" not in kinds_of(alert)


def test_nobody_is_given_an_alert_they_may_not_act_on(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=operator("Joe"), now=NOON)
    with pytest.raises(CannotRespond, match="may not act on alerts of"):
        hand_over(alert, make_user(Membership.Role.VIEWER))


def test_what_nobody_has_cannot_be_handed_over(alert: Alert) -> None:
    with pytest.raises(AlertNotTaken):
        hand_over(alert, operator("Kim"))


def pass_on(alert: Alert, to: Owner, **overrides: Any) -> None:
    by = overrides.pop("by", None) or make_user(first_name="Eve")
    pass_on_alert(alert=alert, to=to, now=LATER, **({"by": by} | overrides))


def test_passing_on_pages_the_chosen_person_at_once(alert: Alert) -> None:
    acknowledge_alert(alert=alert, by=make_user(), now=NOON)
    pass_on(alert, reachable_owner("Zoe"))
    alert.refresh_from_db()
    assert alert.response == Alert.Response.UNACKNOWLEDGED
    assert paged(alert) == [(0, "Ana"), (60, "Zoe")]
    page = Page.objects.get(alert=alert, owner__name="Zoe")
    assert (page.reason, page.give_up_at) == ("Eve passed it on to you", LATER + seconds(300))
    assert sentences_of(alert, "handed_over") == ["Eve passed it on to Zoe."]
    assert sentences_of(alert, "paged")[-1] == (
        "Zoe by pager paged: Eve passed it on to you. The policy goes on at 12:06 UTC if nobody "
        "answers."
    )


def test_the_policy_goes_on_when_the_chosen_person_is_silent(alert: Alert) -> None:
    pass_on(alert, reachable_owner("Zoe"))
    advance_due_escalations(now=NOON + seconds(359))
    assert len(paged(alert)) == 2
    advance_due_escalations(now=NOON + seconds(360))
    assert paged(alert) == [(0, "Ana"), (60, "Zoe"), (360, "Ben")]


def test_an_exhausted_policy_begins_anew_behind_the_chosen_person(alert: Alert) -> None:
    Page.objects.update(state=Page.State.SENT)
    for step in range(1, 5):
        advance_due_escalations(now=NOON + seconds(300 * step))
    assert page_directly(
        alert=alert, owner=reachable_owner("Zoe"), reason="asked for", now=NOON + seconds(3600)
    )
    advance_due_escalations(now=NOON + seconds(3900))
    assert paged(alert)[-2:] == [(3600, "Zoe"), (3900, "Ana")]


def test_nothing_happens_when_the_chosen_person_cannot_be_paged(alert: Alert) -> None:
    joe = make_user(first_name="Joe")
    acknowledge_alert(alert=alert, by=joe, now=NOON)
    with pytest.raises(NobodyToPage, match="Mute has no working contact") as refusal:
        pass_on(alert, make_owner(name="Mute"))
    assert refusal.value.code == "owner_unreachable"
    alert.refresh_from_db()
    assert alert.acknowledged_by == joe
    assert "handed_over" not in kinds_of(alert)


def test_an_owner_without_an_account_is_named_where_they_act(alert: Alert) -> None:
    ana = Owner.objects.get(name="Ana")
    channel = AlertEvent.Channel.LINK
    acknowledge_alert(alert=alert, by=None, owner=ana, channel=channel, now=NOON)
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_owner) == (None, ana)
    entry = AlertEvent.objects.get(alert=alert, kind="acknowledged")
    assert (entry.owner, entry.actor, entry.channel) == (ana, None, "link")
    assert entry.sentence == "Ana took it by the link in a page. Paging stopped."
