"""Many alerts at once (T11): one statement each, never backwards, and each refusal told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.models import Contact, Membership, Site
from runbooks.alerts.bulk import MOST_ALERTS, acknowledge_alerts, close_alerts
from runbooks.alerts.errors import TextRefused, TooManyAlerts
from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Escalation, Page
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import (
    alert_of,
    clear,
    kinds_of,
    make_alert,
    make_finding,
    revise,
    run,
    seconds,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

LATER = NOON + seconds(60)
Response = Alert.Response


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def ana(site: Site) -> Any:
    return make_user(Membership.Role.OPERATOR, site, first_name="Ana")


def alerts_at(site: Site, count: int) -> list[int]:
    """Open so many alerts at the site, the first step of each carried out."""
    opened = [make_alert(site=site).pk for _ in range(count)]
    advance_due_escalations(now=NOON)
    return opened


def responses(alert_ids: list[int]) -> list[str]:
    rows = Alert.objects.filter(pk__in=alert_ids).order_by("pk")
    return list(rows.values_list("response", flat=True))


def test_t11_many_are_acknowledged_as_one_is(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 3)
    outcome = acknowledge_alerts(alert_ids=chosen, by=ana, now=LATER)
    assert (outcome.done, outcome.refused) == (3, [])
    assert responses(chosen) == [Response.ACKNOWLEDGED] * 3
    assert set(Escalation.objects.values_list("state", flat=True)) == {Escalation.State.STOPPED}
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.CANCELLED}
    entries = AlertEvent.objects.filter(kind="acknowledged")
    assert set(entries.values_list("alert", "actor", "channel", "sentence")) == {
        (pk, ana.pk, "browser", "Ana took it. Paging stopped.") for pk in chosen
    }
    assert set(Alert.objects.values_list("revision", "acknowledged_at")) == {(2, LATER)}


def test_t11_many_cost_no_more_statements_than_one(site: Site, ana: Any) -> None:
    one, many = alerts_at(site, 1), alerts_at(site, 8)
    with CaptureQueriesContext(
        connection,
    ) as few:
        acknowledge_alerts(alert_ids=one, by=ana, now=LATER)
    with CaptureQueriesContext(connection) as more:
        acknowledge_alerts(alert_ids=many, by=ana, now=LATER)
    assert len(more) == len(few)


def test_t11_what_has_cleared_is_closed(ana: Any, site: Site) -> None:
    finding = make_finding(site=site)
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    alert = alert_of(finding)
    acknowledge_alerts(alert_ids=[alert.pk], by=ana, now=LATER, client_action_id="a")
    alert.refresh_from_db()
    assert (alert.response, alert.closed_by) == (Response.CLOSED, ana)
    assert alert.close_reason == "The condition had cleared."
    assert kinds_of(alert)[-2:] == ["acknowledged", "closed"]


def test_t11_each_refusal_is_told_and_the_others_go_through(site: Site, ana: Any) -> None:
    closed, taken, mine, free = alerts_at(site, 4)
    ben = make_user(first_name="Ben")
    close_alert(alert=Alert.objects.get(pk=closed), by=ben, reason="Known.", now=NOON)
    acknowledge_alert(alert=Alert.objects.get(pk=taken), by=ben, now=NOON)
    acknowledge_alert(alert=Alert.objects.get(pk=mine), by=ana, now=NOON)
    outcome = acknowledge_alerts(alert_ids=[closed, taken, mine, free], by=ana, now=LATER)
    assert outcome.done == 2
    assert [pk for pk, _ in outcome.refused] == [closed, taken]
    assert "stays closed" in outcome.refused[0][1]
    assert "is already taken: Ben acknowledged it" in outcome.refused[1][1]
    assert responses([closed, taken, mine, free]) == [
        Response.CLOSED,
        Response.ACKNOWLEDGED,
        Response.ACKNOWLEDGED,
        Response.ACKNOWLEDGED,
    ]
    assert Alert.objects.get(pk=taken).acknowledged_by == ben


def test_t11_alerts_of_sites_without_a_role_are_as_if_they_were_not_there(
    site: Site, ana: Any
) -> None:
    hidden = make_alert().pk
    outcome = acknowledge_alerts(alert_ids=[hidden, 999_999_999], by=ana, now=LATER)
    assert outcome.done == 0
    assert outcome.refused == [
        (hidden, f"There is no A-{hidden}, or you may not act on it."),
        (999_999_999, "There is no A-999999999, or you may not act on it."),
    ]
    assert responses([hidden]) == [Response.UNACKNOWLEDGED]


def test_t11_who_may_only_look_acknowledges_nothing(site: Site) -> None:
    chosen = alerts_at(site, 2)
    viewer = make_user(Membership.Role.VIEWER, site)
    assert acknowledge_alerts(alert_ids=chosen, by=viewer, now=LATER).done == 0


def test_t11_a_resent_action_happens_once(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 2)
    for _ in range(2):
        outcome = close_alerts(
            alert_ids=chosen, by=ana, reason="Known.", now=LATER, client_action_id="b"
        )
        assert (outcome.done, outcome.refused) == (2, [])
    assert AlertEvent.objects.filter(kind="closed").count() == 2


def test_t11_many_are_closed_as_one_is(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 2)
    close_alerts(alert_ids=chosen, by=ana, reason=" Sensor swapped. ", now=LATER)
    rows = Alert.objects.values_list("response", "closed_at", "closed_by", "close_reason")
    assert set(rows) == {(Response.CLOSED, LATER, ana.pk, "Sensor swapped.")}
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.CANCELLED}


def test_t11_without_a_reason_only_what_has_cleared_is_closed(site: Site, ana: Any) -> None:
    finding = make_finding(site=site)
    run(NOON)
    clear(finding, now=LATER)
    run(LATER)
    (firing,) = alerts_at(site, 1)
    outcome = close_alerts(alert_ids=[alert_of(finding).pk, firing], by=ana, reason="", now=LATER)
    assert outcome.done == 1
    assert outcome.refused == [
        (firing, f"A-{firing} is still firing. Say in a few words why it is closed all the same.")
    ]


def test_t11_more_than_an_action_takes_is_refused_whole(ana: Any) -> None:
    with pytest.raises(TooManyAlerts, match="At most 500 alerts at once"):
        acknowledge_alerts(alert_ids=range(MOST_ALERTS + 1), by=ana, now=NOON)


@pytest.mark.parametrize("fault", [{"reason": "x" * 301}, {"client_action_id": ""}])
def test_t11_words_that_cannot_be_kept_are_refused_whole(
    site: Site, ana: Any, fault: dict[str, str]
) -> None:
    chosen = alerts_at(site, 1)
    with pytest.raises(TextRefused):
        close_alerts(**({"alert_ids": chosen, "by": ana, "reason": "x", "now": NOON} | fault))
    assert responses(chosen) == [Response.UNACKNOWLEDGED]


def test_t11_receivers_that_keep_a_state_are_told_of_each(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 2)
    Contact.objects.update(kind=Contact.Kind.PAGERDUTY, tested_at=LATER)
    Page.objects.update(state=Page.State.SENT, sent_at=NOON, attempts_made=1)
    acknowledge_alerts(alert_ids=chosen, by=ana, now=LATER)
    close_alerts(alert_ids=chosen, by=ana, reason="Known.", now=LATER)
    told = Page.objects.exclude(purpose=Page.Purpose.PAGE).order_by("purpose", "alert")
    assert list(told.values_list("purpose", "alert")) == [
        ("acknowledged", chosen[0]),
        ("acknowledged", chosen[1]),
        ("resolved", chosen[0]),
        ("resolved", chosen[1]),
    ]


def revisions(alert_ids: list[int]) -> dict[int, int]:
    return dict(Alert.objects.filter(pk__in=alert_ids).values_list("pk", "revision"))


def test_t11_what_got_worse_since_somebody_looked_is_left_and_told(site: Site, ana: Any) -> None:
    worse, same = make_finding(site=site, severity=3), make_finding(site=site)
    run(NOON)
    chosen = [alert_of(finding).pk for finding in (worse, same)]
    seen = revisions(chosen)
    revise(worse, severity=1)
    run(LATER)
    for act in (acknowledge_alerts, partial(close_alerts, reason="Known.")):
        outcome = act(alert_ids=chosen, by=ana, now=LATER, seen_revisions=seen)
        assert [pk for pk, _ in outcome.refused] == chosen[:1]
        assert f"A-{chosen[0]} changed since you looked" in outcome.refused[0][1]
    assert responses(chosen) == [Response.UNACKNOWLEDGED, Response.CLOSED]


def test_t11_what_another_took_since_somebody_looked_is_not_closed(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 2)
    seen = revisions(chosen)
    acknowledge_alert(alert=Alert.objects.get(pk=chosen[0]), by=make_user(), now=NOON)
    outcome = close_alerts(
        alert_ids=chosen, by=ana, reason="Known.", now=LATER, seen_revisions=seen
    )
    assert (outcome.done, [pk for pk, _ in outcome.refused]) == (1, chosen[:1])
    assert responses(chosen) == [Response.ACKNOWLEDGED, Response.CLOSED]


def test_t11_ones_own_act_before_is_no_news(site: Site, ana: Any) -> None:
    chosen = alerts_at(site, 2)
    seen = revisions(chosen)
    acknowledge_alerts(alert_ids=chosen, by=ana, now=NOON)
    outcome = close_alerts(
        alert_ids=chosen, by=ana, reason="Known.", now=LATER, seen_revisions=seen
    )
    assert (outcome.done, outcome.refused) == (2, [])


def test_t11_many_stale_ones_cost_no_more_statements_than_one(site: Site, ana: Any) -> None:
    one, many = alerts_at(site, 1), alerts_at(site, 8)
    other = make_user(Membership.Role.OPERATOR)
    counts = []
    for chosen in (one, many):
        seen = revisions(chosen)
        acknowledge_alerts(alert_ids=chosen, by=other, now=NOON)
        with CaptureQueriesContext(connection) as asked:
            close_alerts(alert_ids=chosen, by=ana, reason="x", now=LATER, seen_revisions=seen)
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert responses(many) == [Response.ACKNOWLEDGED] * 8
