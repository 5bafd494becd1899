"""The list of runs, and the runs on a site's page: what is under way, what may be begun."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse

from fleet.models import Site
from fleet.noc.run_list_board import run_list
from runbooks.models import Run
from runbooks.runs.services import abandon_run
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.run_noc_world import busy_site, make_tablets, worked_on
from tests.runbooks.run_world import make_edition, make_run

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def site() -> Site:
    """A site with a run that waits for an approval, one that is held, and two tablets."""
    return busy_site()


def page_of(path: str, user: Any = None, **headers: str) -> str:
    answer = signed_in(user or make_user("operator")).get(path, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def runs_page(query: str = "", user: Any = None) -> str:
    return page_of(reverse("noc:runs") + query, user)


def start(site: Site, user: Any, **said: Any) -> Any:
    return signed_in(user).post(reverse("noc:site-run", args=[site.slug]), said)


def test_without_a_run_the_page_says_what_comes_next() -> None:
    make_site()
    page = runs_page()
    assert "Nobody has followed a runbook yet." in page
    assert "press “Run this runbook”" in page
    assert "press “Run" not in runs_page(user=make_user("viewer"))


def test_runs_under_way_say_where_they_are_and_what_they_wait_for(site: Site) -> None:
    page = runs_page()
    assert "2 runs are under way" in page
    waits = "Step 3 of 6, <b>Do allow</b>: waits for an approval by an engineer"
    assert waits in page
    assert "<b>paused</b>: Waiting for a spare fan" in page
    assert "Aiko Sato, for" in page
    assert "1 entry is kept aside" in page


def test_a_run_that_waits_says_for_how_long() -> None:
    hour = timedelta(hours=1)
    for waited in (27 * hour, 3 * hour, 59 * minute):
        make_run(now=NOW - waited)
    page = runs_page()
    assert page.count("waiting for <time") == 2
    assert re.search(r'class="chip due">waiting for <time [^>]*>1 d 3 h</time>', page)
    assert re.search(r'class="chip">waiting for <time [^>]*>3 h</time>', page)


def test_runs_that_have_ended_stand_below_with_their_reason(site: Site) -> None:
    run = Run.objects.filter(site=site).earliest("pk")
    assert run.lead is not None
    abandon_run(run=run, by=run.lead, reason="Another crew came", now=NOON + minute)
    page = runs_page()
    assert page.index("Under way") < page.index("Ended")
    assert "abandoned: Another crew came" in page


def test_the_address_narrows_the_list(site: Site) -> None:
    other = make_run()
    page = runs_page(f"?site={site.slug}")
    assert "2 runs are under way" in page
    assert f"R-{other.pk}," not in page
    assert f'<option value="{site.slug}" selected>' in page
    book = other.runbook_version.runbook.slug
    assert "1 run is under way" in runs_page(f"?runbook={book}")
    assert "1 run is under way" in runs_page("?state=waiting_approval")
    assert "No run fits." in runs_page("?state=failed")


def test_an_address_that_makes_no_sense_narrows_nothing(site: Site) -> None:
    assert "2 runs are under way" in runs_page("?state=nonsense&before=x")


def test_more_runs_than_a_page_are_a_link_away() -> None:
    site = make_site()
    lead = make_user("operator", site)
    version = make_edition()
    for _ in range(51):
        run = make_run(site=site, by=lead, version=version)
        abandon_run(run=run, by=lead, reason="x", now=NOON)
    page = runs_page(f"?site={site.slug}")
    oldest, second = Run.objects.order_by("pk")[:2]
    assert f"?site={site.slug}&amp;before={second.pk}" in page
    older = runs_page(f"?site={site.slug}&before={second.pk}")
    assert f"R-{oldest.pk}," in older
    assert f"R-{second.pk}," not in older


def test_more_runs_under_way_than_a_page_are_counted_and_a_link_away() -> None:
    site = make_site()
    lead, version = make_user("operator", site), make_edition()
    runs = [make_run(site=site, by=lead, version=version) for _ in range(52)]
    abandon_run(run=runs.pop(), by=lead, reason="Not meant", now=NOON)
    page = runs_page(f"?site={site.slug}")
    assert "51 runs are under way" in page
    assert "abandoned: Not meant" in page
    assert f"?site={site.slug}&amp;open_before={runs[1].pk}" in page
    assert f"R-{runs[0].pk}," not in page
    older = runs_page(f"?site={site.slug}&open_before={runs[1].pk}")
    assert "51 runs are under way" in older
    assert f"R-{runs[0].pk}," in older
    assert f"R-{runs[1].pk}," not in older
    assert "Older runs" not in older
    assert "abandoned: Not meant" not in older


def test_runs_of_hidden_sites_do_not_exist(site: Site) -> None:
    page = runs_page(user=make_user("operator", make_site()))
    assert "Nobody has followed a runbook yet." in page
    assert site.name not in page


def test_the_runbooks_menu_is_marked_on_pages_of_runs() -> None:
    assert 'href="/runbooks/" aria-current="true"' in runs_page()
    assert reverse("noc:runs") in page_of(reverse("noc:runbooks"))


def test_the_changing_part_alone_is_fetched_where_the_page_asks(site: Site) -> None:
    assert page_of(reverse("noc:runs"), **HTMX).startswith('<div id="runs"')


def test_the_list_asks_the_same_few_questions_for_any_number_of_runs(site: Site) -> None:
    user = make_user("operator")
    with counted_queries() as few:
        run_list(user=user, asked=QueryDict(), now=NOW)
    for _ in range(4):
        worked_on(make_run(site=site))
    with counted_queries() as many:
        run_list(user=user, asked=QueryDict(), now=NOW)
    assert len(many) == len(few) <= 16


def test_a_site_shows_its_runs_and_its_tablets(site: Site) -> None:
    page = page_of(reverse("noc:site", args=[site.slug]))
    card = page[page.index('id="site-runs"') : page.index("</section>", page.index("site-runs"))]
    assert "waits for an approval by an engineer" in card
    assert "<b>Rack tablet</b>" in card
    assert "ready, 14 of 14, checked" in card
    assert "not ready, 9 of 14" in card
    assert "3 entries wait to be sent" in card
    assert 'href="/tablet/"' in card


def test_a_tablet_that_knows_nothing_of_the_newest_run_is_not_ready(site: Site) -> None:
    make_run(site=site, now=NOW + timedelta(hours=1))
    page = page_of(reverse("noc:site", args=[site.slug]))
    assert "not ready, 14 of 14, and a run was begun since, checked" in page


def test_a_run_is_started_at_a_site_for_one_of_its_nodes() -> None:
    site = make_site()
    node = make_node(site=site)
    version = make_edition()
    slug = version.runbook.slug
    answer = start(site, make_user("operator"), runbook=slug, node=node.pk, seen_run=0)
    run = Run.objects.get()
    assert answer["Location"] == reverse("noc:run-watch", args=[run.pk])
    assert (run.node, run.runbook_version) == (node, version)


def test_the_second_press_of_the_button_starts_nothing() -> None:
    site, slug = make_site(), make_edition().runbook.slug
    user = make_user("operator", first_name="Mei", last_name="Tanaka")
    start(site, user, runbook=slug, seen_run=0)
    refused = start(site, user, runbook=slug, seen_run=0)
    assert refused.status_code == 409
    assert "Mei Tanaka began this runbook here a moment ago" in refused.content.decode()
    assert Run.objects.count() == 1
    assert start(site, user, runbook=slug, seen_run=Run.objects.get().pk).status_code == 302


def test_a_start_without_a_runbook_or_for_a_strange_node_is_refused_beside_its_field() -> None:
    site, slug = make_site(), make_edition().runbook.slug
    user = make_user("operator")
    refused = start(site, user, runbook="")
    assert refused.status_code == 422
    assert 'id="fault-runbook"' in refused.content.decode()
    refused = start(site, user, runbook=slug, node=make_node().pk)
    assert refused.status_code == 422
    assert 'id="fault-node"' in refused.content.decode()


def test_who_may_only_look_starts_nothing_at_a_site() -> None:
    site, slug = make_site(), make_edition().runbook.slug
    make_tablets(site)
    viewer = make_user("viewer", site)
    assert "Start a run" not in page_of(reverse("noc:site", args=[site.slug]), viewer)
    assert start(site, viewer, runbook=slug).status_code == 403
    assert start(site, make_user("operator", make_site()), runbook=slug).status_code == 404
