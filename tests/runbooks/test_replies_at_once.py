"""Presses, replies and acknowledgements at the same moment as the pages they are about."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from runbooks.alerts.replies import acknowledge_by_link, take_in_replies
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import AlertEvent, Page
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver, held, status
from tests.runbooks.test_concurrency import together
from tests.runbooks.world import deliver, make_pager, queued, site_paging, states_of_pages

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]


def test_of_two_presses_of_one_link_at_once_one_acknowledges() -> None:
    for _ in range(6):
        alert = queued(make_site())
        page = Page.objects.select_related("alert", "owner__user").get(alert=alert)

        def press(page: Page = page) -> None:
            acknowledge_by_link(page=page, now=NOON)

        answers = together(press, press)
        assert sorted(getattr(answer, "code", "") for answer in answers) == ["", "link_used"]
        assert alert.events.filter(kind="acknowledged").count() == 1


def test_two_takers_in_of_replies_acknowledge_each_alert_once(receiver: Receiver) -> None:
    receiver.answers(status(200, b'{"acknowledge": true}'))
    for _ in range(6):
        queued(site_paging(receiver))
    deliver(NOON)
    taken = together(*[lambda: take_in_replies(now=NOON)] * 2)
    assert sum(taken) == 6
    assert AlertEvent.objects.filter(kind="acknowledged").count() == 6


def test_acknowledging_alerts_whose_pages_travel_in_one_bundle_blocks_nobody(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 0
    receiver.answers(held())
    owner, ana = make_pager(receiver).owner, make_user()
    alerts = [queued(make_site(owner=owner)) for _ in range(6)]

    def acknowledge_some() -> None:
        receiver.wait_for(1)
        receiver.release()
        for alert in alerts[:3]:
            acknowledge_alert(alert=alert, by=ana, now=NOON)

    together(lambda: deliver(NOON), acknowledge_some)
    assert len(receiver.requests) == 1
    assert {states_of_pages(alert)[0] for alert in alerts[3:]} == {"sent"}
    assert {states_of_pages(alert)[0] for alert in alerts} <= {"sent", "cancelled"}
