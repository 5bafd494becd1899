"""Which edition an alert is given: every rung from the named runbook down to the generic one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from fleet.models import Node, Site
from runbooks.library.match import NoRunbook, match_runbook
from runbooks.library.services import publish_runbook
from runbooks.models import RunbookVersion, RunbookWithdrawal
from tests.factories import NOON, make_node, make_site, make_user
from tests.runbooks.world import make_runbook, runbook_text, seconds

pytestmark = pytest.mark.django_db

KIND = "node.silent"
LADDER = {
    "by-label": {"category": "general"},
    "node-gone": {"category": "general"},
    "kind-site-class": {"matches": KIND, "scope": "sites: [lyon-1]\nclasses: [edge-2u]\n"},
    "kind-site": {"matches": KIND, "scope": "sites: [oslo-1, lyon-1]\n"},
    "kind-class": {"matches": KIND, "scope": "classes: [edge-2u]\n"},
    "kind": {"matches": KIND},
    "category-site-class": {"scope": "sites: [lyon-1]\nclasses: [edge-2u]\n"},
    "category-site": {"scope": "sites: [lyon-1]\n"},
    "category-class": {"scope": "classes: [edge-2u]\n"},
    "category": {},
    "generic": {"category": "general", "matches": ""},
}
LABELS = {"labels": {"runbook": "by-label", "alertname": "NodeGone"}}


def make_scoped(
    slug: str, *, scope: str = "", category: str = "node", matches: str = "disk.full"
) -> RunbookVersion:
    text = runbook_text(slug, matches=matches, category=category)
    return publish_runbook(
        source=text.replace("language: en\n", f"language: en\n{scope}"), by=None, now=NOON
    )


@pytest.fixture
def node() -> Node:
    return make_node(site=make_site(slug="lyon-1"), hardware_class="edge-2u")


def answer(node: Node, **parts: Any) -> str:
    return match_runbook(kind=KIND, site=node.site, node=node, **parts).runbook.slug


def withdraw(version: RunbookVersion) -> None:
    RunbookWithdrawal.objects.create(version=version, at=NOON, by=make_user(), reason="Wrong.")


@pytest.mark.parametrize("rung", range(len(LADDER)), ids=list(LADDER))
def test_each_rung_answers_when_those_above_it_are_missing(node: Node, rung: int) -> None:
    # The narrowest is published first, so that the time of publication does not decide.
    slugs = list(LADDER)[rung:]
    for slug in slugs:
        make_scoped(slug, **LADDER[slug])
    assert answer(node, evidence=LABELS) == slugs[0]


def test_a_runbook_for_other_sites_or_classes_is_passed_over(node: Node) -> None:
    make_scoped("generic", matches="", category="general")
    make_scoped("elsewhere", matches=KIND, scope="sites: [oslo-1]\n")
    make_scoped("other-machines", matches=KIND, scope="classes: [edge-4u]\n")
    make_scoped("half", matches=KIND, scope="sites: [lyon-1]\nclasses: [edge-4u]\n")
    assert answer(node) == "generic"


def test_an_alert_without_a_node_is_not_given_a_runbook_for_a_class(node: Node) -> None:
    make_scoped("kind-class", **LADDER["kind-class"])
    make_scoped("kind", **LADDER["kind"])
    assert match_runbook(kind=KIND, site=node.site).runbook.slug == "kind"


def test_a_node_without_a_class_is_not_given_a_runbook_for_a_class(node: Node) -> None:
    Node.objects.update(hardware_class="")
    node.refresh_from_db()
    make_scoped("kind-class", **LADDER["kind-class"])
    make_scoped("kind", **LADDER["kind"])
    assert answer(node) == "kind"


def test_what_an_older_program_stored_is_for_every_site(node: Node) -> None:
    version = make_scoped("kind", **LADDER["kind"])
    stored = version.document | {"format": 1}
    stored.pop("sites")
    stored.pop("classes")
    old = RunbookVersion.objects.create(
        runbook=version.runbook,
        number=2,
        content_hash="0" * 64,
        source=version.source,
        document=stored,
        published_at=NOON,
    )
    assert match_runbook(kind=KIND, site=node.site, node=node) == old


def test_a_withdrawn_edition_leaves_it_to_the_one_before(node: Node) -> None:
    first = make_runbook("silent", matches=KIND)
    second = make_runbook("silent", matches=KIND, title="Worse", now=later())
    withdraw(second)
    assert match_runbook(kind=KIND, site=node.site, node=node) == first


def test_a_runbook_that_is_withdrawn_whole_is_passed_over(node: Node) -> None:
    make_runbook("generic")
    withdraw(make_runbook("silent", matches=KIND))
    assert answer(node) == "generic"
    assert answer(node, evidence={"labels": {"runbook": "silent"}}) == "generic"


def test_a_library_without_any_edition_in_force_is_none(node: Node) -> None:
    withdraw(make_runbook("silent", matches=KIND))
    with pytest.raises(NoRunbook):
        answer(node)


def test_an_answer_takes_one_query(
    node: Node, django_assert_num_queries: type[CaptureQueriesContext]
) -> None:
    for slug, parts in LADDER.items():
        make_scoped(slug, **parts)
    with django_assert_num_queries(1):
        assert answer(node) == "kind-site-class"


def test_a_site_is_told_by_its_whole_slug(node: Node) -> None:
    make_scoped("generic", matches="", category="general")
    make_scoped("near", matches=KIND, scope="sites: [lyon-10, lyon]\n")
    assert answer(node) == "generic"
    assert Site.objects.get() == node.site


def later() -> datetime:
    return NOON + seconds(60)
