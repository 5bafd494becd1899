"""Whatever happens in a storm and in whatever order, every page arrives or is not wanted."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from runbooks.alerts.services import acknowledge_alert
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Page
from tests.factories import NOON, make_site, make_user
from tests.receiver import Receiver, status
from tests.runbooks.world import (
    claim_page,
    deliver,
    make_alert,
    make_library,
    make_pager,
    policy_of,
    seconds,
)


class Storm:
    """One person with one receiver, alerts that open and are taken, and the time that passes."""

    def __init__(self, receiver: Receiver) -> None:
        make_library()
        self.now = NOON
        self.receiver = receiver
        self.ana = make_user()
        self.owner = make_pager(receiver).owner
        self.policy = policy_of((["site_owner"], 7200))

    def two_open(self) -> None:
        for _ in range(2):
            make_alert(site=make_site(owner=self.owner, policy=self.policy), now=self.now)
        advance_due_escalations(now=self.now)

    def one_is_taken(self) -> None:
        for alert in Alert.objects.filter(response="unacknowledged").order_by("pk")[:1]:
            acknowledge_alert(alert=alert, by=self.ana, now=self.now)

    def one_is_held_back(self) -> None:
        for alert in Alert.objects.filter(is_suppressed=False).order_by("-pk")[:1]:
            Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)

    def pages_go_out(self) -> None:
        deliver(self.now)

    def the_receiver_breaks(self) -> None:
        self.receiver.answers(status(503))

    def the_receiver_knows_no_bundles(self) -> None:
        self.receiver.answers(status(503), status(200))
        # By what it is, not by its turn: a single page that is refused so is dead, and rightly.
        self.receiver.refuses("alert.pages")

    def the_receiver_is_mended(self) -> None:
        self.receiver.answers(status(200))
        self.receiver.refuses()

    def a_worker_dies(self) -> None:
        claim_page(now=self.now, timeout=seconds(8))

    def an_hour_passes_in_peace(self) -> None:
        self.receiver.answers(status(200))
        Alert.objects.update(is_suppressed=False)
        for _ in range(30):
            self.now += timedelta(minutes=2)
            deliver(self.now)


ACTS = [
    Storm.two_open,
    Storm.pages_go_out,
    Storm.one_is_taken,
    Storm.a_worker_dies,
    Storm.the_receiver_breaks,
    Storm.the_receiver_is_mended,
    Storm.the_receiver_knows_no_bundles,
    Storm.one_is_held_back,
]
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 70)), max_size=14)


class TestStorms(TestCase):
    """A bundle's leader is taken, its worker dies, its receiver refuses it: nothing is lost."""

    @settings(max_examples=20)
    @given(STEPS)
    def test_every_page_arrives_or_is_not_wanted(self, steps: list) -> None:  # type: ignore[type-arg]  # acts and seconds
        # No request may be late by the real clock, however busy the machine is.
        calm = self.settings(HEARTHWATCH_PAGES_PER_CONTACT=1, HEARTHWATCH_PAGE_TIMEOUT_SECONDS=60)
        with calm, Receiver() as receiver:
            storm = Storm(receiver)
            storm.two_open()
            for act, pause in steps:
                storm.now += seconds(pause)
                act(storm)
            storm.an_hour_passes_in_peace()
        waited_for = Page.objects.filter(alert__response="unacknowledged")
        assert set(waited_for.values_list("state", flat=True)) <= {"sent"}
        assert set(Page.objects.values_list("state", flat=True)) <= {"sent", "cancelled"}
        told = AlertEvent.objects.filter(kind="page_sent").values_list("alert_id", flat=True)
        assert set(Counter(told).values()) <= {1}
        assert Page.objects.filter(lease_token__isnull=False).count() == 0
