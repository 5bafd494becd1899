"""The on-call page: who has the pager, who is next, my turns, whom each site would page."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact, Site
from fleet.names import listed
from fleet.noc.oncall_reach import who_now
from runbooks.escalation.policies import policy_version_for
from runbooks.escalation.preview import preview_policy
from runbooks.models import Schedule
from telemetry.models import Finding
from tests.factories import make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.paging_world import make_europe, make_paging, unreachable_site

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_for(user: Any, query: str = "", **headers: str) -> str:
    answer = signed_in(user).get(reverse("noc:oncall") + query, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def asking(schedule: Schedule, **overrides: Any) -> Site:
    """Make a site whose policy asks the schedule first."""
    step = {"notify": [f"schedule:{schedule.slug}"], "delay_seconds": 300}
    return make_site(policy=make_policy(name="Standard", steps=[step]), **overrides)


def reachable(name: str, **overrides: Any) -> Any:
    return make_contact(owner=make_owner(name=name, **overrides)).owner


def test_without_a_schedule_the_page_says_the_next_step() -> None:
    page = page_for(make_user("engineer"))
    assert "No schedule says who is on call" in page
    assert "Make a schedule below, give it a rotation, then name it in a policy." in page


def test_it_says_who_is_on_call_until_when_and_who_is_next_on_local_clocks() -> None:
    europe = make_europe(reachable("Anne Roux"), reachable("Mei Tanaka"), now=NOW)
    asking(europe)
    page = page_for(make_user("viewer"))
    assert "1 person is on call now" in page
    assert "<b>Anne Roux</b>" in page
    assert "21:20 in Tokyo" in page
    assert "13:20 in Paris" in page
    assert "Mon 7 Jan, 09:00 in Paris" in page
    assert "then Mei Tanaka" in page


def test_a_gap_that_a_policy_would_hit_is_the_headline() -> None:
    europe = make_europe(
        reachable("Anne Roux"), now=NOW, covers_from=time(15), covers_until=time(18)
    )
    make_contact(owner=make_owner(is_catch_all=True))
    asking(europe)
    page = page_for(make_user("viewer"))
    assert "Nobody is on call in Europe" in page
    assert "Tue 1 Jan, 15:00 in Paris" in page


def test_a_gap_that_no_policy_asks_is_told_without_alarm() -> None:
    make_europe(reachable("Anne Roux"), now=NOW, starts_on=date(2031, 1, 6))
    page = page_for(make_user("viewer"))
    assert "Nobody is on call in Europe" not in page
    assert "no policy asks it" in page


def test_sites_are_grouped_by_whom_they_would_page() -> None:
    europe = make_europe(reachable("Anne Roux"), now=NOW)
    asking(europe, name="Lyon-Clinic", slug="lyon-clinic", time_zone="Europe/Paris")
    page = page_for(make_user("viewer"))
    assert "Each of the 1 live site would reach somebody for an urgent alert." in page
    reach = page[page.index("Who would be paged now") :]
    assert "<b>Anne Roux</b>" in reach
    assert "Standard v1, step 1" in reach
    assert reach.index("Lyon-Clinic") < reach.index("13:20")


def test_a_site_that_would_page_nobody_comes_first_and_is_the_headline() -> None:
    unreachable_site("Kobe-1")
    make_site(name="Osaka-3")
    page = page_for(make_user("viewer"))
    assert "1 site would page nobody now" in page
    reach = page[page.index("Who would be paged now") :]
    assert reach.index("Kobe-1") < reach.index("Osaka-3")
    assert "has a working contact" in reach


def test_when_nobody_of_the_step_can_be_reached_it_says_who_stands_in() -> None:
    europe = make_europe(make_owner(name="Anne Roux"), now=NOW)
    asking(europe, owner=reachable("Ken"))
    page = page_for(make_user("viewer"))
    assert "<b>Ken</b>" in page
    assert "the site&#x27;s owner, because nobody of Standard v1, step 1, can be reached" in page


def test_another_severity_is_asked_by_its_link() -> None:
    mei, ken = reachable("Mei Tanaka"), reachable("Ken")
    steps = [
        {"notify": [f"owner:{mei.pk}"], "delay_seconds": 60, "severities": ["urgent"]},
        {"notify": [f"owner:{ken.pk}"], "delay_seconds": 60, "severities": ["high", "low"]},
    ]
    make_site(policy=make_policy(steps=steps))
    viewer = make_user("viewer")
    assert "<b>Mei Tanaka</b>" in page_for(viewer)
    low = page_for(viewer, "?severity=low")
    assert "<b>Ken</b>" in low
    assert "<b>Mei Tanaka</b>" not in low
    assert "<b>Mei Tanaka</b>" in page_for(viewer, "?severity=nonsense")


def test_a_contact_that_a_step_names_counts_by_itself_alone() -> None:
    owner = reachable("Mei Tanaka")
    untested = make_contact(owner=owner, position=2, tested_at=None)
    steps = [{"notify": [f"contact:{untested.pk}"], "delay_seconds": 60}]
    make_site(policy=make_policy(name="Lone", steps=steps), owner=reachable("Ken"))
    viewer = make_user("viewer")
    assert "because nobody of Lone v1, step 1, can be reached" in page_for(viewer)
    Contact.objects.filter(pk=untested.pk).update(tested_at=NOW)
    assert '<b>Mei Tanaka</b><span class="small">Lone v1, step 1</span>' in page_for(viewer)


@pytest.mark.parametrize("severity", ["urgent", "high", "low"])
def test_it_says_the_same_as_the_dry_run_of_each_sites_policy(severity: str) -> None:
    make_paging(now=NOW)
    groups = who_now(make_user("viewer"), severity=severity, now=NOW)
    said = {place.site.name: group.names for group in groups for place in group.places}
    dry = {}
    for site in Site.objects.filter(status=Site.Status.ACTIVE):
        version = policy_version_for(site)
        level = Finding.Severity[severity.upper()]
        steps = preview_policy(version=version, site=site, severity=level, at=NOW)
        dry[site.name] = next(listed(step.names) for step in steps if step.names)
    assert len(said) == 11
    assert said == dry


def test_my_turns_stand_on_my_own_clocks() -> None:
    user = make_user("operator")
    make_europe(reachable("Anne Roux"), reachable("Mei Tanaka", user=user), now=NOW)
    page = page_for(user)
    turns = page[page.index("Your turns") :]
    assert "Mon 7 Jan, 17:00 in Tokyo" in turns
    assert 'to <time datetime="2030-01-14T08:00:00Z"' in turns


def test_somebody_who_is_no_owner_is_told_that_no_pages_come_here() -> None:
    assert "No pages go to this account." in page_for(make_user("operator"))


def test_sites_that_are_not_mine_to_see_are_left_out() -> None:
    mine, hidden = make_site(), make_site()
    page = page_for(make_user("viewer", site=mine))
    assert mine.name in page
    assert hidden.name not in page


def test_without_any_role_the_page_is_refused() -> None:
    assert signed_in(make_user()).get(reverse("noc:oncall")).status_code == 403


def test_nobody_gets_in_without_signing_in(client: Any) -> None:
    assert client.get(reverse("noc:oncall")).status_code == 302


def test_htmx_gets_the_part_that_changes_alone() -> None:
    page = page_for(make_user("viewer"), **HTMX)
    assert page.startswith('<div id="oncall"')
    assert "<html" not in page


def test_the_queries_do_not_grow_with_sites_and_schedules() -> None:
    europe = make_europe(reachable("Anne Roux"), now=NOW)
    asking(europe)
    user = make_user("viewer")
    page_for(user)
    with counted_queries() as few:
        page_for(user)
    for _ in range(5):
        asking(europe)
    with counted_queries() as many:
        page_for(user)
    assert len(many) == len(few)


def test_an_engineer_makes_a_schedule_and_goes_on_to_its_page() -> None:
    said = {"name": "Asia Pacific", "time_zone": "Asia/Tokyo"}
    answer = signed_in(make_user("engineer")).post(reverse("noc:schedule-create"), said)
    assert answer["Location"] == reverse("noc:schedule", args=["asia-pacific"])
    assert Schedule.objects.values_list("name", "time_zone").get() == ("Asia Pacific", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"name": "Europe", "time_zone": "Paris"}, "is no time zone"),
        ({"name": "!!!", "time_zone": "UTC"}, "Give the schedule a name"),
        ({"name": "x" * 121, "time_zone": "UTC"}, "Give the schedule a name"),
    ],
)
def test_a_schedule_that_cannot_be_made_says_why_and_keeps_what_was_typed(
    said: dict[str, str], sentence: str
) -> None:
    answer = signed_in(make_user("engineer")).post(reverse("noc:schedule-create"), said)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert f'value="{said["time_zone"]}"' in answer.content.decode()
    assert not Schedule.objects.exists()


def test_an_operator_may_not_make_a_schedule() -> None:
    said = {"name": "Europe", "time_zone": "UTC"}
    answer = signed_in(make_user("operator")).post(reverse("noc:schedule-create"), said)
    assert answer.status_code == 403
    assert not Schedule.objects.exists()
