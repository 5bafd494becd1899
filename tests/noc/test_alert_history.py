"""What the alert's page says of the same trouble before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fleet.models import Site
from fleet.noc.alert_history import earlier_alerts
from runbooks.models import Alert, RunEntry
from runbooks.runs.services import enter, start_run_for_alert
from tests.factories import NOON, make_site, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_edition
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)
STEPS = (
    make_step("door", title="Close the door"),
    make_step("filter", title="Change the filter of {{ site.name }}"),
    make_step("look", title="Look again"),
)


@pytest.fixture
def site() -> Site:
    make_library()
    return make_site(name="Osaka-3")


@pytest.fixture
def operator(client: Client, site: Site) -> Any:
    user = make_user("operator", site, first_name="Aiko", last_name="Sato")
    client.force_login(user)
    return user


def end(alert: Alert, *, after: timedelta) -> None:
    """Let the trouble be over, and the alert closed a minute later."""
    cleared_at = alert.opened_at + after
    Alert.objects.filter(pk=alert.pk).update(
        condition=Alert.Condition.CLEARED,
        cleared_at=cleared_at,
        response=Alert.Response.CLOSED,
        closed_at=cleared_at + minute,
    )
    alert.finding.cleared_at = cleared_at
    alert.finding.save()


def hot(site: Site, *, at: datetime) -> Alert:
    """The same trouble, at another time."""
    return make_alert(site=site, now=at, fingerprint="hot/1")


def test_the_last_step_done_before_it_was_over_is_what_it_ended_at(
    client: Client, operator: Any, site: Site
) -> None:
    old = hot(site, at=NOON)
    Alert.objects.filter(pk=old.pk).update(runbook_version=make_edition(*STEPS))
    old.refresh_from_db()
    run = start_run_for_alert(alert=old, by=operator, now=NOON)
    for step, after in (("door", 5), ("filter", 20), ("look", 30)):
        now = NOON + after * minute
        enter(run=run, kind=RunEntry.Kind.STEP_DONE, by=operator, now=now, step_id=step)
    end(old, after=21 * minute)
    alert = hot(site, at=NOON + 60 * minute)
    [before] = earlier_alerts(alert, NOON + 61 * minute).alerts
    assert (before.lasted, before.step) == ("21 min", "step 2, Change the filter of Osaka-3")
    page = client.get(reverse("noc:alert", args=[alert.pk])).content.decode()
    assert "over after 21 min at step 2, Change the filter of Osaka-3" in page


def test_where_nobody_followed_the_runbook_only_the_length_is_told(site: Site) -> None:
    end(hot(site, at=NOON), after=34 * minute)
    alert = hot(site, at=NOON + 60 * minute)
    history = earlier_alerts(alert, NOON + 61 * minute)
    assert history.sentence == "Second time in 90 days."
    assert [(old.lasted, old.step) for old in history.alerts] == [("34 min", "")]


def test_the_history_is_read_in_the_same_few_queries(
    site: Site, django_assert_num_queries: Any
) -> None:
    for hour in range(5):
        end(hot(site, at=NOON + hour * 60 * minute), after=minute)
    alert = Alert.objects.select_related("site").get(pk=hot(site, at=NOON + 600 * minute).pk)
    with django_assert_num_queries(3):
        history = earlier_alerts(alert, NOON + 601 * minute)
    assert history.sentence == "Sixth time in 90 days."
    assert len(history.alerts) == 3
