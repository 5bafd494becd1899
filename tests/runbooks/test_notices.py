"""Notices: a receiver that keeps a state of its own learns that nobody need act any more."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import Contact, Site
from runbooks.models import Alert, Page
from runbooks.paging.notices import TRIED_FOR, queue_notices, queue_notices_of
from tests.factories import NOON, make_contact, make_site
from tests.receiver import Receiver, broken_off, status
from tests.runbooks.world import deliver, make_alert, make_pager, queued, run, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

ACKNOWLEDGED, RESOLVED = Page.Purpose.ACKNOWLEDGED, Page.Purpose.RESOLVED
KEY = "0123456789abcdef0123456789abcdef"
LATER = NOON + seconds(30)


def site_with_pagerduty(receiver: Receiver, **overrides: Any) -> Site:
    contact = make_pager(receiver, kind=Contact.Kind.PAGERDUTY, secret=KEY, **overrides)
    return make_site(owner=contact.owner)


def paged(receiver: Receiver, site: Site) -> Alert:
    alert = make_alert(site=site)
    run(NOON)
    return alert


def acknowledge(alert: Alert) -> None:
    """Leave the alert as an acknowledgement leaves it."""
    Page.objects.filter(alert=alert, state=Page.State.PENDING).update(state=Page.State.CANCELLED)
    Alert.objects.filter(pk=alert.pk).update(
        response=Alert.Response.ACKNOWLEDGED, acknowledged_at=LATER
    )


def notices(alert: Alert) -> list[Page]:
    return list(Page.objects.filter(alert=alert).exclude(purpose=Page.Purpose.PAGE))


def test_what_was_paged_is_told_that_somebody_has_it(receiver: Receiver) -> None:
    alert = paged(receiver, site_with_pagerduty(receiver))
    acknowledge(alert)
    assert queue_notices(alert=alert, purpose=ACKNOWLEDGED, now=LATER) == 1
    deliver(LATER)
    actions = [request.json["event_action"] for request in receiver.requests]
    assert actions == ["trigger", "acknowledge"]
    keys = {request.json["dedup_key"] for request in receiver.requests}
    assert len(keys) == 1


def test_a_notice_waits_behind_every_page_and_is_tried_for_hours(receiver: Receiver) -> None:
    alert = paged(receiver, site_with_pagerduty(receiver))
    queue_notices(alert=alert, purpose=RESOLVED, now=LATER)
    (notice,) = notices(alert)
    assert notice.priority == 2
    assert notice.give_up_at == LATER + TRIED_FOR


def test_a_notice_asked_for_twice_is_one(receiver: Receiver) -> None:
    alert = paged(receiver, site_with_pagerduty(receiver))
    assert queue_notices(alert=alert, purpose=RESOLVED, now=LATER) == 1
    assert queue_notices(alert=alert, purpose=RESOLVED, now=LATER) == 0
    assert len(notices(alert)) == 1


def test_a_receiver_whose_answer_was_lost_is_told_as_well(receiver: Receiver) -> None:
    receiver.answers(broken_off(), status(202))
    alert = paged(receiver, site_with_pagerduty(receiver))
    acknowledge(alert)
    assert queue_notices(alert=alert, purpose=ACKNOWLEDGED, now=LATER) == 1


def test_one_that_was_never_paged_is_told_nothing(receiver: Receiver) -> None:
    alert = queued(site_with_pagerduty(receiver))
    acknowledge(alert)
    assert queue_notices(alert=alert, purpose=RESOLVED, now=LATER) == 0
    assert notices(alert) == []


def test_a_contact_that_keeps_no_state_is_told_nothing(receiver: Receiver) -> None:
    alert = paged(receiver, make_site(owner=make_pager(receiver).owner))
    assert queue_notices(alert=alert, purpose=RESOLVED, now=LATER) == 0


def test_many_alerts_are_told_of_in_few_statements(
    receiver: Receiver, django_assert_max_num_queries: Any
) -> None:
    alerts = [paged(receiver, site_with_pagerduty(receiver)) for _ in range(5)]
    with django_assert_max_num_queries(5):
        ids = [alert.pk for alert in alerts]
        assert queue_notices_of(alert_ids=ids, purpose=RESOLVED, now=LATER) == 5


def test_every_contact_that_was_paged_is_told_once(receiver: Receiver) -> None:
    site = site_with_pagerduty(receiver)
    assert site.owner is not None
    make_contact(
        owner=site.owner,
        kind=Contact.Kind.ALERTMANAGER,
        url=receiver.url + "/am",
        secret="",
        position=2,
    )
    receiver.answers(status(400), status(200))
    alert = paged(receiver, site)
    deliver(LATER)
    assert queue_notices(alert=alert, purpose=RESOLVED, now=LATER) == 2
    assert {notice.contact.kind for notice in notices(alert)} == {"pagerduty", "alertmanager"}
