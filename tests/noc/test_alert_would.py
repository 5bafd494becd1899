"""Who would be paged about an alert that somebody has, or that is held back, and from when."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Site
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, Escalation, Page, Suppression
from runbooks.suppression.matchers import parse_matchers
from runbooks.suppression.silences import create_silence
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import NOW, hot_alert, hot_node, signed_in, stop_clock
from tests.runbooks.world import word

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 21:20 in Tokyo."""
    stop_clock(monkeypatch)


@pytest.fixture
def site() -> Site:
    """A site in Tokyo: Aya is paged, then Ben five minutes later."""
    aya, ben = (make_contact(owner=make_owner(name=name)).owner for name in ("Aya", "Ben"))
    steps = [{"notify": [word(who)], "delay_seconds": 300} for who in (aya, ben)]
    policy = make_policy(steps=steps, repeat=0)
    return make_site(time_zone="Asia/Tokyo", policy=policy)


def would(alert: Alert) -> str:
    """Return the part of the page that says who would be paged, as text; empty without one."""
    page = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    _, title, part = page.content.decode().partition('id="would-title"')
    text = re.sub(r"<[^>]*>", " ", title + part.partition("</section>")[0])
    return " ".join(text.partition(">")[2].split())


def take(alert: Alert, *, for_minutes: int | None) -> None:
    """Somebody takes it at NOW; the acknowledgement runs out after so long, or never."""
    acknowledge_alert(alert=alert, by=make_user("operator"), now=NOW)
    ends_at = None if for_minutes is None else NOW + for_minutes * minute
    Alert.objects.filter(pk=alert.pk).update(acknowledgement_ends_at=ends_at)


def silence(alert: Alert, *, until: datetime) -> None:
    create_silence(
        matchers=parse_matchers(f'site="{alert.site.slug}"'),
        starts_at=NOW,
        ends_at=until,
        reason="Fan is changed",
        by=make_user("operator"),
        now=NOW,
    )


def test_an_alert_that_pages_by_itself_shows_no_second_list(site: Site) -> None:
    assert would(hot_alert(hot_node(site=site))) == ""


def test_an_acknowledged_alert_says_who_is_paged_when_the_acknowledgement_runs_out(
    site: Site,
) -> None:
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    assert would(alert).startswith(
        "Who would be paged When the acknowledgement runs out at 21:50: "
        "21:50 Aya by pager 21:55 Ben by pager As known now."
    )


def test_an_acknowledgement_that_never_runs_out_pages_nobody(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=None)
    assert would(alert) == ""


def test_a_silenced_alert_says_who_is_paged_when_the_silence_ends(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    silence(alert, until=NOW + 60 * minute)
    # The silence came before her page went out, so Aya is paged first.
    assert would(alert).startswith(
        "Who would be paged When it is let go at 22:20, if nobody has it by then: "
        "22:20 Aya by pager 22:25 Ben by pager As known now."
    )


def test_a_time_of_another_day_says_the_day(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    silence(alert, until=NOW + 3 * 60 * minute)
    assert "let go at 2 Jan, 00:20, if nobody has it by then: 2 Jan, 00:20 Aya" in would(alert)


@pytest.mark.parametrize(("silent_for", "begins"), [(10, "From 21:50 on"), (90, "From 22:50 on")])
def test_one_that_is_taken_and_silenced_waits_for_the_later_end(
    site: Site, silent_for: int, begins: str
) -> None:
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    silence(alert, until=NOW + silent_for * minute)
    said = would(alert)
    assert f"{begins}, when the acknowledgement has run out and nothing holds it back:" in said
    assert f"{begins[5:10]} Aya by pager" in said


@pytest.mark.parametrize(
    ("is_taken", "lead"),
    [
        (False, "Nobody knows yet when it will be let go. If it were now: 21:20 Aya by pager"),
        (
            True,
            "When the acknowledgement has run out, at 21:50, if nothing holds it back by then: "
            "21:50 Aya by pager",
        ),
    ],
)
def test_one_that_another_alert_holds_back_says_that_nobody_knows_until_when(
    site: Site, is_taken: bool, lead: str
) -> None:
    alert = hot_alert(hot_node(site=site))
    cause = hot_alert(hot_node(site=site, name="uplink"))
    silence(alert, until=NOW + 60 * minute)
    if is_taken:
        take(alert, for_minutes=30)
    Suppression.objects.filter(alert=alert).update(
        kind=Suppression.Kind.INHIBITED, silence=None, inhibited_by=cause, until=None
    )
    assert lead in would(alert)


def test_what_is_over_pages_nobody_when_it_is_let_go(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    Alert.objects.update(condition=Alert.Condition.CLEARED, cleared_at=NOW)
    assert would(alert) == ""


def test_a_policy_that_has_run_out_says_whom_to_phone(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    silence(alert, until=NOW + 60 * minute)
    Escalation.objects.update(state=Escalation.State.EXHAUSTED)
    assert f"Nobody: the policy has run out. Phone {site.owner}." in would(alert)


def test_a_policy_that_nobody_can_read_does_not_take_the_page_away() -> None:
    site = make_site(policy=make_policy(steps=[{"notify": 7}]))
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    assert would(alert) == ""


def test_a_long_policy_is_cut_and_leads_to_the_preview_of_any_time() -> None:
    site = make_site(policy=make_policy(repeat=5))
    make_contact(owner=make_owner(is_catch_all=True))
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    assert "and 8 more steps if nobody answers" in would(alert)
    client: Any = signed_in(make_user("operator"))
    page = client.get(reverse("noc:alert", args=[alert.pk])).content.decode()
    address = reverse("noc:policy", args=[alert.policy_version.policy.slug])
    link = f"{address}?site={site.slug}&amp;severity=urgent"
    assert f'<a href="{link}">Who is paged at any other time</a>' in page
    assert "Who is paged when" in client.get(link.replace("&amp;", "&")).content.decode()


def test_looking_pages_nobody(site: Site) -> None:
    alert = hot_alert(hot_node(site=site))
    take(alert, for_minutes=30)
    before = Page.objects.count(), Escalation.objects.values().get()
    would(alert)
    assert (Page.objects.count(), Escalation.objects.values().get()) == before
    assert Page.objects.filter(created_at__gt=NOON).count() == 0
