"""The table of `docs/alert-life.md`, walked at random against the real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from fleet.models import Contact
from runbooks.alerts.bulk import acknowledge_alerts, close_alerts
from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.services import (
    acknowledge_alert,
    close_alert,
    escalate_alert,
    hand_over_alert,
    pass_on_alert,
    release_alert,
)
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.escalation.services import (
    advance_due_escalations,
    lift_suspension,
    suspend_escalation,
)
from runbooks.models import Alert, Escalation, Page
from tests.runbooks.life_world import WAITING, LifeWorld
from tests.runbooks.world import LOW, clear, make_finding, revise, seconds

Condition, Response, State = Alert.Condition, Alert.Response, Escalation.State

#: Mostly one key, so that much happens to one alert.
keys = st.sampled_from([*["thermal.envelope/a"] * 3, "thermal.envelope/b"])
people = st.sampled_from([0, 1])
severities = st.sampled_from([1, 2, 3])
#: As the policy has it, most of all; the last one is refused.
lengths = st.sampled_from([None, None, None, 5, 60, 1])
chosen_steps = st.sampled_from([None, None, 0, 1, 99])


def while_some(**state: str) -> Callable[[Any], Any]:
    """Walk this way only while an open alert is so: chance alone would seldom find one."""

    def is_so(self: LifeWorld) -> bool:
        alive = [alert for alert in self.alerts if alert.response != Response.CLOSED]
        return any(
            all(getattr(alert, name) == value for name, value in state.items()) for alert in alive
        )

    return precondition(is_so)


class AlertLife(LifeWorld):
    """The rows of the table as rules, and what must hold after each of them."""

    # What the data do.

    @rule(key=keys, severity=severities)
    def detect(self, key: str, severity: int) -> None:
        """T1, T2, T3: the finding begins, begins anew, or changes its severity."""
        before = self.open_alert(key)
        finding = self.findings.get(key)
        if finding is not None and finding.cleared_at is None:
            self.findings[key] = revise(finding, severity=severity)
        else:
            fields: dict[str, Any] = {"severity": severity, "began_at": self.now}
            self.findings[key] = make_finding(site=self.site, fingerprint=key, **fields)
        self.take_in()
        after = self.open_alert(key)
        if before is None or after is None:
            assert before is None
            return
        assert after.condition == Condition.FIRING
        is_worse = severity < before.severity
        assert after.severity == min(before.severity, severity)
        expected = Response.UNACKNOWLEDGED if is_worse else before.response
        assert (after.pk, after.response) == (before.pk, expected)

    @while_some(condition=Condition.FIRING)
    @rule(key=keys)
    def clear(self, key: str) -> None:
        """T4 and T5."""
        finding, before = self.findings.get(key), self.open_alert(key)
        if finding is None or finding.cleared_at is not None:
            return
        self.findings[key] = clear(finding, now=self.now)
        self.take_in()
        if before is None:
            return
        ends = before.response == Response.ACKNOWLEDGED or before.severity == LOW
        before.refresh_from_db()
        assert before.condition == Condition.CLEARED
        assert (before.response == Response.CLOSED) == (ends and not before.is_flapping)

    @precondition(lambda self: not any(alert.is_flapping for alert in self.alerts))
    @rule(key=keys, severity=severities)
    def come_and_go(self, key: str, severity: int) -> None:
        """What flaps: four firings, half a minute apart."""
        for _ in range(4):
            self.clear(key)
            self.now += seconds(30)
            self.detect(key, severity)

    # What people do.

    @rule(key=keys, who=people, late_by=st.sampled_from([0, 0, 1, 3]), minutes=lengths)
    def acknowledge(self, key: str, who: int, late_by: int, minutes: int | None) -> None:
        """T6: the first one has it; a second one, or one who saw less, is refused."""
        before = self.newest(key)
        if before is None:
            return
        seen = max(before.revision - late_by, 1)
        lasts = None if minutes is None else timedelta(minutes=minutes)
        is_done = self.act(acknowledge_alert, before, who, seen_revision=seen, lasts=lasts)
        after = self.newest(key)
        if is_done and lasts and after.response == Response.ACKNOWLEDGED:
            assert after.acknowledgement_ends_at == self.now + lasts
        if is_done and before.response == Response.UNACKNOWLEDGED:
            stays = before.condition == Condition.FIRING or before.is_flapping
            assert after.response == (Response.ACKNOWLEDGED if stays else Response.CLOSED)
        if before.response == Response.CLOSED:
            assert not is_done

    @while_some(response=Response.ACKNOWLEDGED)
    @rule(key=keys, who=people)
    def release(self, key: str, who: int) -> None:
        """T7."""
        before = self.newest(key)
        if before is not None and self.act(release_alert, before, who):
            assert before.response == Response.ACKNOWLEDGED
            assert self.newest(key).response == Response.UNACKNOWLEDGED

    @while_some()
    @rule(key=keys, who=people, reason=st.sampled_from(["", "", "Known."]))
    def close(self, key: str, who: int, reason: str) -> None:
        """T8: what fires is closed only with a reason."""
        before = self.newest(key)
        if before is not None and self.act(close_alert, before, who, reason=reason):
            assert reason or before.condition == Condition.CLEARED
            assert self.newest(key).response == Response.CLOSED

    @while_some(condition=Condition.FIRING)
    @rule(key=keys, who=people, late_by=st.sampled_from([0, 0, 1]), to_step=chosen_steps)
    def escalate(self, key: str, who: int, late_by: int, to_step: int | None) -> None:
        """T10: one step, the next or the chosen one, and only for who saw the last one."""
        before = self.newest(key)
        if before is None:
            return
        sequence = before.escalation.sequence
        said = {"seen_sequence": sequence - late_by, "to_step": to_step}
        if self.act(escalate_alert, before, who, **said):
            assert not late_by
            after = self.newest(key)
            assert after.response == Response.UNACKNOWLEDGED
            assert after.escalation.sequence == sequence + 1
            pages = Page.objects.filter(alert=after, sequence=sequence + 1)
            assert pages.exists()
            if to_step is not None:
                assert {page.step_index for page in pages} == {to_step}

    @while_some(condition=Condition.FIRING)
    @rule(key=keys, who=people)
    def pass_on(self, key: str, who: int) -> None:
        before = self.newest(key)
        if before is not None and self.act(pass_on_alert, before, who, to=self.ben):
            after = self.newest(key)
            assert after.response == Response.UNACKNOWLEDGED
            pages = Page.objects.filter(alert=after, sequence=after.escalation.sequence)
            assert [page.owner for page in pages] == [self.ben]

    @while_some(response=Response.ACKNOWLEDGED)
    @rule(key=keys, who=people)
    def hand_over(self, key: str, who: int) -> None:
        before, to = self.newest(key), self.operators[1 - who]
        if before is not None and self.act(hand_over_alert, before, who, to=to):
            assert before.response == Response.ACKNOWLEDGED
            assert self.newest(key).acknowledged_by == to

    @while_some()
    @rule(who=people, is_closing=st.sampled_from([False, False, True]))
    def act_on_all(self, who: int, is_closing: bool) -> None:
        """T11: of all alerts at once, the closed ones are refused, and none goes backwards."""
        chosen = list(Alert.objects.values_list("pk", flat=True))
        fields: dict[str, Any] = {"alert_ids": chosen, "by": self.operators[who], "now": self.now}
        outcome = (
            close_alerts(reason="Known.", **fields) if is_closing else acknowledge_alerts(**fields)
        )
        assert outcome.done + len(outcome.refused) == len(chosen)
        assert self.closed <= {pk for pk, _ in outcome.refused}
        assert not Alert.objects.filter(response=Response.UNACKNOWLEDGED).exists()

    # What overlays, receivers and time do.

    @while_some()
    @rule(key=keys)
    def hold_back_or_let_go(self, key: str) -> None:
        """T9: the first overlay begins, or the last one ends."""
        alert = self.open_alert(key)
        if alert is None:
            return
        is_held = not alert.is_suppressed
        Alert.objects.filter(pk=alert.pk).update(is_suppressed=is_held)
        change = suspend_escalation if is_held else lift_suspension
        change(alert=alert, now=self.now)

    @precondition(lambda self: self.waiting)
    @rule()
    def get_pages_through(self) -> None:
        waiting = Page.objects.filter(state__in=WAITING)
        waiting.update(state=Page.State.SENT, sent_at=self.now)

    @precondition(lambda self: self.waiting)
    @rule()
    def lose_pages(self) -> None:
        """Every receiver refuses for good, and the next step is taken when it is due."""
        Page.objects.filter(state__in=WAITING).update(state=Page.State.DEAD)

    @while_some()
    @rule(is_back=st.sampled_from([False, True, True]))
    def lose_every_contact_or_get_them_back(self, is_back: bool) -> None:
        Contact.objects.update(disabled_reason="" if is_back else "gone")

    @while_some()
    @rule(span=st.sampled_from([1, 300, 601, 1801]))
    def pass_time(self, span: int) -> None:
        """T7 by the clock, and one cycle of the engine."""
        self.now += seconds(span)
        expire_acknowledgements(now=self.now)
        settle_flapping(now=self.now)
        advance_due_escalations(now=self.now)

    @while_some(condition=Condition.FIRING, response=Response.UNACKNOWLEDGED)
    @rule()
    def nobody_answers_until_the_rounds_are_over(self) -> None:
        for _ in range(6):
            self.now += seconds(301)
            advance_due_escalations(now=self.now)

    # What always holds.

    @invariant()
    def what_always_holds(self) -> None:
        """Asked of one look at all rows, for there are a thousand steps."""
        self.look()
        self.one_alert_of_a_key_is_open_and_closed_ones_stay_closed()
        self.whoever_must_act_is_being_paged_and_nobody_else_is()
        self.what_pages_nobody_any_more_was_heard_of()
        self.an_alert_has_a_holder_exactly_while_it_is_acknowledged()
        self.timelines_and_revisions_only_grow()
        self.nothing_failed_in_secret()

    def one_alert_of_a_key_is_open_and_closed_ones_stay_closed(self) -> None:
        alive = [alert for alert in self.alerts if alert.response != Response.CLOSED]
        assert len(alive) == len({alert.dedup_key for alert in alive})
        assert self.closed.isdisjoint(alert.pk for alert in alive)
        self.closed = {alert.pk for alert in self.alerts} - {alert.pk for alert in alive}

    def whoever_must_act_is_being_paged_and_nobody_else_is(self) -> None:
        for alert in self.alerts:
            is_asking = (alert.condition, alert.response) == (
                Condition.FIRING,
                Response.UNACKNOWLEDGED,
            )
            going = State.SUSPENDED if alert.is_suppressed else State.RUNNING
            expected = {going, State.EXHAUSTED} if is_asking else {State.STOPPED, State.EXHAUSTED}
            assert alert.escalation.state in expected, (alert, alert.escalation)
            if not is_asking or alert.is_suppressed:
                assert alert.pk not in self.waiting

    def what_pages_nobody_any_more_was_heard_of(self) -> None:
        """An escalation ends only with a page that was delivered since it began."""
        for alert in self.alerts:
            if alert.escalation.state == State.EXHAUSTED:
                assert alert.pk not in self.unheard

    def an_alert_has_a_holder_exactly_while_it_is_acknowledged(self) -> None:
        for alert in self.alerts:
            if alert.response == Response.CLOSED:
                continue
            is_taken = alert.response == Response.ACKNOWLEDGED
            assert is_taken == (alert.acknowledged_by_id is not None)
            assert is_taken == (alert.acknowledgement_ends_at is not None)

    def timelines_and_revisions_only_grow(self) -> None:
        for alert in self.alerts:
            entries, known = self.entries[alert.pk], self.timelines.get(alert.pk, [])
            assert entries[: len(known)] == known
            assert alert.revision >= self.revisions.get(alert.pk, 1)
            changed = alert.revision > self.revisions.get(alert.pk, 1)
            assert not changed or len(entries) > len(known), "a change that nobody can read about"
            self.timelines[alert.pk], self.revisions[alert.pk] = entries, alert.revision

    def nothing_failed_in_secret(self) -> None:
        """A row whose handling fails is logged and left, so the log must be asked."""
        errors = [record for record in self.log.records if record.levelname == "ERROR"]
        # That nobody can be reached is told as it is meant to be.
        assert {record.getMessage() for record in errors} <= {"promise.broken"}
        self.log.clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("library")
def test_whatever_happens_in_whatever_order_the_table_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    AlertLife.log = caplog
    run_state_machine_as_test(
        AlertLife,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            # A failing walk is told as it is: making it shorter takes minutes here.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
