"""The runbooks that a run's steps lead to come with it, to be read where nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from fleet.models import Membership
from runbooks.library.document import RunbookStep
from runbooks.library.selectors import document_of
from runbooks.library.stored import document_to_json
from runbooks.models import Run, Runbook, RunbookVersion, RunbookWithdrawal
from runbooks.runs.linked import MOST_LINKED
from runbooks.runs.pack import pack_of
from tests.factories import NOON, make_site, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, make_edition, make_run

pytestmark = pytest.mark.django_db

READ = make_step(
    "valve",
    title="Close the valve at {{ site.name }}",
    body="It is **red**. <script>alert(1)</script>",
    expect="It is tight.",
    otherwise="Call the plumber.",
    warning="It is hot.",
)


def leads_to(*editions: RunbookVersion) -> list[RunbookStep]:
    return [
        make_step(f"go-{place}", "link", runbook=edition.runbook.slug)
        for place, edition in enumerate(editions)
    ]


def links_of_run(run: Run, language: str = "") -> Any:
    return pack_of(run=run, me=None, now=NOON, language=language)["links"]


def test_a_key_alone_reads_the_steps_of_the_runbook_that_a_step_leads_to() -> None:
    linked = make_edition(READ)
    run = make_run(*leads_to(linked), site=make_site(name="Osaka-3"))
    device = Device(run)
    answer = Client().get(
        f"/api/v1/runs/{run.pk}/pack", headers={"Authorization": f"Bearer {device.secret}"}
    )
    assert answer.json()["links"] == {
        linked.runbook.slug: {
            "title": linked.runbook.title,
            "version": 1,
            "language": "en",
            "steps": [
                {
                    "number": 1,
                    "title": 'Close the valve at <span class="filled">Osaka-3</span>',
                    "body": "<p>It is <strong>red</strong>. "
                    "&lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
                    "expect": "It is tight.",
                    "otherwise": "Call the plumber.",
                    "warning": "It is hot.",
                }
            ],
        }
    }


def test_the_edition_in_force_is_read_and_none_where_all_are_withdrawn() -> None:
    first, gone = make_edition(READ), make_edition(READ)
    second = make_edition(make_step("other"), runbook=first.runbook)
    third = make_edition(READ, runbook=first.runbook)
    run = make_run(*leads_to(first, gone))
    for edition in (third, gone):
        RunbookWithdrawal.objects.create(version=edition, at=NOON, by=make_user(), reason="Wrong.")
    links = links_of_run(run)
    assert list(links) == [first.runbook.slug]
    assert links[first.runbook.slug]["version"] == second.number
    assert [step["title"] for step in links[first.runbook.slug]["steps"]] == ["Do other"]


def test_what_a_linked_runbook_leads_to_is_not_taken_along_and_of_many_only_the_first() -> None:
    inner = make_edition(READ)
    outer = [make_edition(*leads_to(inner)) for _ in range(MOST_LINKED + 1)]
    links = links_of_run(make_run(*leads_to(*outer, outer[0])))
    assert sorted(links) == sorted(edition.runbook.slug for edition in outer[:MOST_LINKED])


def test_it_is_read_in_the_language_of_the_run_where_it_is_translated() -> None:
    translated, own = make_edition(READ), make_edition(READ)
    run = make_run(*leads_to(translated, own))
    for edition in (translated, run.runbook_version):
        translate(edition)
    links = links_of_run(run, "ja")
    assert links[translated.runbook.slug]["language"] == "ja"
    assert links[translated.runbook.slug]["steps"][0]["title"] == "手順1"
    assert links[own.runbook.slug]["language"] == "en"


def test_one_that_nobody_can_read_any_more_is_left_out_and_the_run_is_read() -> None:
    book = Runbook.objects.create(slug="odd", title="Odd", category="general")
    odd = RunbookVersion.objects.create(
        runbook=book,
        number=1,
        content_hash="odd",
        source="",
        document=make_edition(READ).document | {"format": 99, "slug": "odd"},
        published_at=NOON,
    )
    well = make_edition(READ)
    assert list(links_of_run(make_run(*leads_to(odd, well)))) == [well.runbook.slug]


def test_a_run_that_leads_nowhere_asks_for_nothing_and_more_links_for_no_more(
    django_assert_num_queries: Any,
) -> None:
    lead = make_user(Membership.Role.OPERATOR, site := make_site())
    plain = make_run(READ, site=site, by=lead)
    runs = [
        make_run(*leads_to(*(make_edition(READ) for _ in range(many))), site=site, by=lead)
        for many in (1, 4)
    ]
    with django_assert_num_queries(9):
        assert links_of_run(fresh(plain)) == {}
    for run in runs:
        with django_assert_num_queries(12):
            links_of_run(fresh(run))


def test_what_may_be_begun_without_network_has_them_too(client: Client) -> None:
    site = make_site(slug="osaka-3")
    client.force_login(make_user(Membership.Role.REMOTE_HANDS, site))
    linked = make_edition(READ)
    slug = make_edition(*leads_to(linked)).runbook.slug
    offers = client.get("/sites/osaka-3/pack.json").json()["standby"]["offers"]
    links = {offer["pack"]["run"]["runbook"]["slug"]: offer["pack"]["links"] for offer in offers}
    assert links[linked.runbook.slug] == {}
    [step] = links[slug][linked.runbook.slug]["steps"]
    assert step["expect"] == "It is tight."


def fresh(run: Run) -> Run:
    return Run.objects.select_related("runbook_version__runbook").get(pk=run.pk)


def translate(version: RunbookVersion) -> None:
    own = document_of(version)
    steps = tuple(replace(step, title=f"手順{step.number}") for step in own.steps)
    version.translations.create(
        language="ja",
        document=document_to_json(replace(own, language="ja", steps=steps)),
        content_hash=f"ja-{version.pk}",
        published_at=NOON,
    )
