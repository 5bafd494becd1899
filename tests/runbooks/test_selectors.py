"""Alerts, for the eyes of one user."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404
from pytest_django import DjangoAssertNumQueries

from fleet.models import Membership
from runbooks.alerts.selectors import (
    alert_for,
    alerts_visible_to,
    counts_for,
    open_alerts_for,
    timeline_of,
)
from runbooks.alerts.services import close_alert, comment_on_alert
from tests.factories import NOON, make_site, make_user
from tests.runbooks.world import HIGH, LOW, URGENT, make_alert, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

OPERATOR = Membership.Role.OPERATOR


def test_only_the_alerts_of_visible_sites_are_seen() -> None:
    mine, other = make_alert(), make_alert()
    viewer = make_user(Membership.Role.VIEWER, mine.site)
    assert list(alerts_visible_to(viewer)) == [mine]
    assert alert_for(viewer, mine.pk) == mine
    with pytest.raises(Http404):
        alert_for(viewer, other.pk)


def test_an_alert_that_does_not_exist_and_one_that_is_hidden_look_the_same() -> None:
    hidden = make_alert()
    stranger = make_user()
    answers = set()
    for alert_id in (hidden.pk, hidden.pk + 1000):
        with pytest.raises(Http404) as refusal:
            alert_for(stranger, alert_id)
        answers.add(str(refusal.value))
    assert len(answers) == 1


def test_nobody_sees_anything_without_signing_on() -> None:
    make_alert()
    assert not alerts_visible_to(AnonymousUser()).exists()


def test_the_worst_comes_first_and_the_longest_open_among_equals() -> None:
    site = make_site()
    low = make_alert(site=site, severity=LOW)
    later = make_alert(site=site, severity=URGENT, now=NOON + seconds(60))
    first = make_alert(site=site, severity=URGENT)
    high = make_alert(site=site, severity=HIGH)
    assert list(open_alerts_for(make_user(OPERATOR))) == [first, later, high, low]


def test_what_is_closed_is_no_longer_open_but_still_found() -> None:
    alert, ana = make_alert(), make_user(OPERATOR)
    close_alert(alert=alert, by=ana, reason="Known.", now=NOON)
    assert not open_alerts_for(ana).exists()
    assert alert_for(ana, alert.pk) == alert


def test_open_alerts_are_counted_by_severity() -> None:
    for severity in (URGENT, URGENT, LOW):
        make_alert(severity=severity)
    assert counts_for(make_user(OPERATOR)) == {URGENT: 2, HIGH: 0, LOW: 1}


def test_the_queue_takes_one_query_however_long_it_is(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(3):
        make_alert()
    ana = make_user(is_superuser=True)
    with django_assert_num_queries(1):
        seen = [
            (alert.site.owner, alert.node, alert.runbook_version.runbook, alert.escalation.state)
            for alert in open_alerts_for(ana)
        ]
    assert len(seen) == 3


def test_the_timeline_is_read_in_the_order_in_which_it_was_written() -> None:
    alert, ana = make_alert(), make_user()
    for text in ("First.", "Second."):
        comment_on_alert(alert=alert, by=ana, text=text, now=NOON)
    assert [entry.kind for entry in timeline_of(alert)] == ["opened", "commented", "commented"]
    assert [entry.sentence for entry in timeline_of(alert)][1:] == ["First.", "Second."]
