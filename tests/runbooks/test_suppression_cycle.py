"""The cycle: what should be held back is, what may go does, however many and whatever broke."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from fleet.models import Node, Site
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Escalation, Page, Silence, Suppression
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.maintenance import plan_maintenance
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.shelf import shelve_alert
from runbooks.suppression.silences import create_silence, end_silence
from tests.factories import NOON, make_node, make_site, make_user
from tests.runbooks.world import kinds_of, make_alert, make_library, queued, seconds

HOUR = timedelta(hours=1)
MANY = 10_000


def silence(text: str, **overrides: Any) -> Silence:
    fields: dict[str, Any] = {
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "reason": "Known.",
        "by": None,
        "author_name": "test",
        "now": NOON,
    }
    return create_silence(matchers=parse_matchers(text), **(fields | overrides))


def plant_silence(text: str, **overrides: Any) -> Silence:
    """Make a silence that has not been applied yet, as if it began by itself."""
    made = silence(text, starts_at=NOON + seconds(1), **overrides)
    Silence.objects.filter(pk=made.pk).update(starts_at=NOON)
    return made


def make_many(count: int) -> Alert:
    """Open `count` alerts at the site of a first one, each on its first wait."""
    first = make_alert()
    fields = {
        field.name: getattr(first, field.name)
        for field in Alert._meta.concrete_fields
        if field.name not in ("id", "dedup_key")
    }
    made = Alert.objects.bulk_create(
        [Alert(**fields, dedup_key=f"many/{number}") for number in range(count - 1)]
    )
    Escalation.objects.bulk_create(
        [
            Escalation(
                alert=alert,
                policy_version=first.policy_version,
                rounds_left=1,
                next_due_at=NOON + HOUR,
            )
            for alert in made
        ]
    )
    return first


def is_held(alert: Alert) -> bool:
    return Alert.objects.get(pk=alert.pk).is_suppressed


@pytest.mark.django_db
@pytest.mark.usefixtures("library")
class TestManyAlerts:
    """Statements do not grow with the alerts."""

    def count_queries(self, now: Any) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            apply_suppressions(now=now)
        return len(queries)

    def test_ten_thousand_alerts_are_held_and_let_go_in_a_bounded_number_of_queries(self) -> None:
        make_many(MANY)
        plant_silence('kind="thermal.envelope"')
        assert self.count_queries(NOON) < 150
        assert Alert.objects.filter(is_suppressed=True).count() == MANY
        assert Escalation.objects.filter(state="suspended").count() == MANY
        assert self.count_queries(NOON + seconds(5)) < 12
        assert self.count_queries(NOON + HOUR) < 150
        assert Alert.objects.filter(is_suppressed=True).count() == 0
        assert Escalation.objects.filter(state="running").count() == MANY

    def test_alerts_that_nothing_holds_back_cost_a_handful_of_queries(self) -> None:
        make_many(1_000)
        silence('kind="site.dark"')
        assert self.count_queries(NOON) < 12

    def test_a_silence_over_a_thousand_alerts_is_made_in_a_bounded_number_of_queries(
        self,
    ) -> None:
        make_many(1_000)
        with CaptureQueriesContext(connection) as queries:
            silence('kind="thermal.envelope"')
        assert len(queries) < 60
        assert Alert.objects.filter(is_suppressed=True).count() == 1_000

    def test_a_limit_leaves_the_rest_to_the_next_cycle(self) -> None:
        make_many(10)
        plant_silence('kind="thermal.envelope"')
        assert apply_suppressions(now=NOON, limit=4) == 4
        assert apply_suppressions(now=NOON, limit=20) == 6


@pytest.mark.django_db
@pytest.mark.usefixtures("library")
class TestOneCycle:
    """What one cycle does."""

    def test_a_cycle_without_anything_to_do_writes_nothing(self) -> None:
        alert = make_alert()
        silence('kind="thermal.envelope"')
        entries = AlertEvent.objects.count()
        assert apply_suppressions(now=NOON + seconds(5)) == 0
        assert AlertEvent.objects.count() == entries
        assert Alert.objects.get(pk=alert.pk).is_suppressed

    def test_a_flag_that_says_something_else_than_the_rows_is_mended(self) -> None:
        alert = make_alert()
        silence('kind="thermal.envelope"')
        Alert.objects.filter(pk=alert.pk).update(is_suppressed=False)
        assert apply_suppressions(now=NOON) == 1
        assert is_held(alert)

    def test_a_flag_that_nothing_stands_behind_is_taken_back(self) -> None:
        alert = make_alert()
        Alert.objects.filter(pk=alert.pk).update(is_suppressed=True)
        assert apply_suppressions(now=NOON) == 1
        assert not is_held(alert)

    def test_a_row_that_was_lost_is_written_again(self) -> None:
        alert = make_alert()
        silence('kind="thermal.envelope"')
        Suppression.objects.all().delete()
        assert apply_suppressions(now=NOON) == 1
        assert alert.suppressions.count() == 1

    def test_a_silence_that_is_deleted_holds_nothing_back(self) -> None:
        alert = make_alert()
        silence('kind="thermal.envelope"').delete()
        assert apply_suppressions(now=NOON) == 1
        assert not is_held(alert)

    def test_an_alert_that_comes_to_fit_by_a_change_is_held_in_the_next_cycle(self) -> None:
        alert = make_alert(severity=3)
        silence('severity="urgent"')
        assert apply_suppressions(now=NOON) == 0
        Alert.objects.filter(pk=alert.pk).update(severity=1)
        assert apply_suppressions(now=NOON) == 1

    def test_one_reason_takes_over_from_another_without_a_page_between(self) -> None:
        alert = queued(make_site())
        silence('kind="thermal.envelope"')
        plan_maintenance(
            site=alert.site,
            starts_at=NOON + HOUR,
            ends_at=NOON + 2 * HOUR,
            reason="Work.",
            by=None,
            now=NOON,
        )
        apply_suppressions(now=NOON + HOUR)
        assert is_held(alert)
        assert advance_due_escalations(now=NOON + HOUR) == 0
        assert kinds_of(alert).count("suppression_ended") == 0
        assert not Page.objects.filter(alert=alert, state="pending").exists()

    def test_a_cleared_alert_that_is_let_go_pages_nobody(self) -> None:
        alert = queued(make_site())
        made = silence('kind="thermal.envelope"')
        Alert.objects.filter(pk=alert.pk).update(condition="cleared", cleared_at=NOON)
        end_silence(silence=made, by=None, now=NOON + seconds(9))
        advance_due_escalations(now=NOON + seconds(9))
        assert not Page.objects.filter(alert=alert, state="pending").exists()

    def test_every_change_raises_the_revision_that_screens_compare(self) -> None:
        alert = make_alert()
        made = silence('kind="thermal.envelope"')
        end_silence(silence=made, by=None, now=NOON)
        assert Alert.objects.get(pk=alert.pk).revision == alert.revision + 2


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    """Beside other workers, no order of commits lets a page out or keeps one for ever."""

    def test_an_alert_that_another_worker_holds_is_left_to_the_next_cycle(self) -> None:
        make_library()
        busy, free = make_alert(), make_alert()
        plant_silence('kind="thermal.envelope"')
        done: list[int] = []

        def cycle() -> None:
            done.append(apply_suppressions(now=NOON))
            connection.close()

        with transaction.atomic():
            Alert.objects.select_for_update().get(pk=busy.pk)
            worker = threading.Thread(target=cycle)
            worker.start()
            worker.join(timeout=60)
        assert done == [1]
        assert [is_held(busy), is_held(free)] == [False, True]
        assert apply_suppressions(now=NOON) == 1

    def test_two_cycles_at_once_write_each_reason_once(self) -> None:
        make_library()
        make_many(50)
        plant_silence('kind="thermal.envelope"')
        barrier = threading.Barrier(2)

        def cycle() -> None:
            barrier.wait(timeout=60)
            apply_suppressions(now=NOON)
            connection.close()

        workers = [threading.Thread(target=cycle) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
        apply_suppressions(now=NOON)
        assert Suppression.objects.count() == 50
        assert AlertEvent.objects.filter(kind="suppressed").count() == 50


ACTS = ["silence", "maintenance", "shelf", "end", "wait"]
numbers = st.integers(0, 12)
lengths = st.integers(1, 40).map(lambda minutes: timedelta(minutes=minutes))


class TestAnyStory(TestCase):
    """Whatever is silenced, planned, shelved and ended, the flag tells the truth."""

    alerts: list[Alert]
    site: Site
    node: Node

    @classmethod
    def setUpTestData(cls) -> None:
        make_library()
        cls.site = make_site()
        cls.node = make_node(site=cls.site)
        cls.alerts = [
            make_alert(site=cls.site, kind="thermal.envelope"),
            make_alert(site=cls.site, node=cls.node, kind="node.silent"),
            make_alert(site=cls.site, kind="site.dark"),
            make_alert(kind="disk.full"),
        ]

    @given(st.lists(st.tuples(st.sampled_from(ACTS), numbers, lengths), max_size=10))
    @settings(max_examples=15)
    def test_the_flag_tells_the_truth_and_paging_follows_it(
        self, story: list[tuple[str, int, timedelta]]
    ) -> None:
        now = NOON
        for act, number, length in story:
            now += timedelta(minutes=number)
            getattr(self, f"play_{act}")(number, length, now)
            apply_suppressions(now=now)
            self.check(now)
        apply_suppressions(now=now + 2 * HOUR)
        held = Alert.objects.filter(is_suppressed=True).values_list("kind", flat=True)
        # The dark site alone goes on holding back its node.
        assert list(held) == ["node.silent"]

    def play_wait(self, number: int, length: timedelta, now: datetime) -> None:
        """Let time pass."""

    def play_silence(self, number: int, length: timedelta, now: datetime) -> None:
        kind = self.alerts[number % 4].kind
        silence(f'kind="{kind}"', starts_at=now, ends_at=now + length, now=now)

    def play_maintenance(self, number: int, length: timedelta, now: datetime) -> None:
        plan_maintenance(
            site=self.site,
            node=[None, self.node][number % 2],
            starts_at=now + timedelta(minutes=number),
            ends_at=now + timedelta(minutes=number) + length,
            reason="Work.",
            by=None,
            now=now,
        )

    def play_shelf(self, number: int, length: timedelta, now: datetime) -> None:
        chosen = self.alerts[number % 4]
        shelve_alert(alert=chosen, by=make_user(), until=now + length, reason="Later.", now=now)

    def play_end(self, number: int, length: timedelta, now: datetime) -> None:
        for made in Silence.objects.filter(ended_at__isnull=True)[number:]:
            end_silence(silence=made, by=None, now=now)

    def check(self, now: Any) -> None:
        for alert in Alert.objects.select_related("escalation"):
            rows = Suppression.objects.filter(alert=alert, ended_at__isnull=True)
            assert alert.is_suppressed is rows.exists()
            assert all(row.until is None or row.until > now for row in rows)
            is_suspended = alert.escalation.state == Escalation.State.SUSPENDED
            assert is_suspended is alert.is_suppressed
