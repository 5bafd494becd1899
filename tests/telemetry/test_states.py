"""Models and configuration: whose wish counts, what is on its way, and what flaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from fleet.models import DesiredState, Node, ReportedState, Site
from fleet.selectors import desired_states_for, earlier_digests
from telemetry.detectors.detection import HIGH, LOW, URGENT
from telemetry.jobs import evaluate_site
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site

pytestmark = pytest.mark.django_db

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def minutes(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def wish(digest: str, *, minute: float = -1440, **overrides: Any) -> DesiredState:
    """Wish for the next version of one configuration file, a day ago unless told otherwise."""
    fields: dict[str, Any] = {"kind": "config", "name": "chrony.conf", "site": None, "role": ""}
    scope = fields | overrides
    number = DesiredState.objects.filter(**scope).count() + 1
    return DesiredState.objects.create(
        number=number, digest=digest, created_at=minutes(minute), version=f"v{number}", **scope
    )


def report(node: Node, digest: str, *, minute: float = 0, **overrides: Any) -> datetime:
    """Report one configuration file of the node; return when."""
    fields: dict[str, Any] = {"state": "ready", "observed_at": minutes(minute), "digest": digest}
    scope = {"kind": "config", "name": "chrony.conf"} | overrides
    item = {key: scope.pop(key) for key in ("kind", "name")}
    ReportedState.objects.update_or_create(node=node, **item, defaults=fields | scope)
    return minutes(minute)


def wrong_at(site: Site) -> list[tuple[str, int, list[str]]]:
    """Return kind, severity and nodes of what is wrong at the site."""
    rows = Finding.objects.filter(site=site, cleared_at__isnull=True).order_by("fingerprint")
    return [(row.kind, row.severity, row.evidence["nodes"]) for row in rows]


def standings(site: Site) -> list[str]:
    """Return on which rung each open drift of the site stands."""
    rows = Finding.objects.filter(site=site, cleared_at__isnull=True, kind="config.drift")
    return [row.evidence["standing"] for row in rows]


def test_the_newest_version_of_the_narrowest_scope_counts() -> None:
    site = make_site()
    gateway = make_node(site=site, role="gateway")
    storage = make_node(site=site, role="storage")
    elsewhere = make_node(role="storage")
    wish("old", name="a")
    wish("fleet", name="a")
    wish("fleet-role", name="a", role="storage")
    wish("fleet", name="b")
    wish("fleet-role", name="b", role="storage")
    wish("site", name="b", site=site)
    wish("site", name="c", site=site)
    wish("site-role", name="c", site=site, role="storage")
    found = desired_states_for(nodes=[gateway, storage, elsewhere])
    digests = {
        node.name: {name: state.digest for (_, name), state in found[node.pk].items()}
        for node in (gateway, storage, elsewhere)
    }
    assert digests == {
        gateway.name: {"a": "fleet", "b": "site", "c": "site"},
        storage.name: {"a": "fleet-role", "b": "site", "c": "site-role"},
        elsewhere.name: {"a": "fleet-role", "b": "fleet-role"},
    }


def test_earlier_digests_are_those_of_one_scope_newest_first() -> None:
    site = make_site()
    wish("other scope")
    for digest in ("1", "2", "3"):
        newest = wish(digest, site=site)
    other = wish("only one", name="runtime.toml")
    assert earlier_digests(states=[newest, other]) == {newest.pk: ("2", "1"), other.pk: ()}


def test_a_model_with_the_wished_tag_and_other_content_is_urgent() -> None:
    node = make_node(name="rack-1")
    wish(A, kind="model", name="triage")
    report(node, B, kind="model", name="triage", version="v1")
    evaluate_site(site_id=node.site_id, now=NOON)
    assert wrong_at(node.site) == [("model.mismatch", URGENT, ["rack-1"])]
    now = report(node, A, kind="model", name="triage", version="v1", minute=1)
    evaluate_site(site_id=node.site_id, now=now)
    assert wrong_at(node.site) == []


def test_one_wrong_model_under_two_roles_is_two_findings() -> None:
    site = make_site()
    for name, role in (("door", "gateway"), ("rack", "storage")):
        wish(A, kind="model", name="triage", role=role)
        report(make_node(site=site, name=name, role=role), B, kind="model", name="triage")
    evaluate_site(site_id=site.pk, now=NOON)
    assert wrong_at(site) == [
        ("model.mismatch", HIGH, ["door"]),
        ("model.mismatch", HIGH, ["rack"]),
    ]


def test_a_role_whose_wish_was_withdrawn_has_nothing_wrong() -> None:
    node = make_node(name="rack-1", role="storage")
    wished = wish(A, kind="model", name="triage", role="storage")
    report(node, B, kind="model", name="triage")
    evaluate_site(site_id=node.site_id, now=NOON)
    wished.delete()
    evaluate_site(site_id=node.site_id, now=minutes(1))
    assert wrong_at(node.site) == []


def test_a_model_nobody_wished_for_on_this_role_is_not_missed() -> None:
    node = make_node(role="gateway")
    wish(A, kind="model", name="triage", role="storage")
    report(node, "", kind="model", name="triage", state="absent")
    evaluate_site(site_id=node.site_id, now=NOON)
    assert wrong_at(node.site) == []


@pytest.mark.parametrize("item", [{"kind": "model", "name": "triage"}, {}])
def test_a_new_version_is_on_its_way_before_it_is_missed(item: dict[str, str]) -> None:
    node = make_node(name="rack-1")
    wish(A, **item)
    report(node, A, version="v1", **item)
    wish(B, minute=0, **item)
    evaluate_site(site_id=node.site_id, now=minutes(14.9))
    assert wrong_at(node.site) == []
    evaluate_site(site_id=node.site_id, now=minutes(15))
    assert [nodes for _, _, nodes in wrong_at(node.site)] == [["rack-1"]]


def test_a_rollout_is_stuck_for_a_day_and_behind_from_then_on() -> None:
    node = make_node()
    wish(A)
    report(node, A)
    wish(B, minute=0)
    evaluate_site(site_id=node.site_id, now=minutes(20))
    assert standings(node.site) == ["stuck_rollout"]
    evaluate_site(site_id=node.site_id, now=minutes(1455))
    assert standings(node.site) == ["behind"]


def test_content_nobody_wished_for_is_drift_even_while_a_rollout_runs() -> None:
    node = make_node()
    wish(A)
    report(node, C)
    wish(B, minute=0)
    evaluate_site(site_id=node.site_id, now=minutes(1))
    assert standings(node.site) == ["drifted"]


def test_a_file_that_is_put_right_is_right_at_once() -> None:
    node = make_node()
    wish(A)
    evaluate_site(site_id=node.site_id, now=report(node, A))
    evaluate_site(site_id=node.site_id, now=report(node, B, minute=5))
    assert wrong_at(node.site) == [("config.drift", LOW, [node.name])]
    evaluate_site(site_id=node.site_id, now=report(node, A, minute=10))
    assert wrong_at(node.site) == []


def test_a_file_that_changes_to_and_fro_flaps_until_it_rests_for_an_hour() -> None:
    node = make_node()
    wish(A)
    for minute, digest in ((0, A), (5, B), (10, A), (15, B), (20, A)):
        evaluate_site(site_id=node.site_id, now=report(node, digest, minute=minute))
    assert standings(node.site) == ["flapping"]
    evaluate_site(site_id=node.site_id, now=report(node, A, minute=81))
    assert standings(node.site) == []


def test_in_a_demonstration_a_file_rests_sooner(settings: Settings) -> None:
    settings.HEARTHWATCH_HOLD_SCALE = 0.1
    node = make_node()
    wish(A)
    for minute, digest in ((0, A), (5, B), (10, A), (15, B), (20, A)):
        evaluate_site(site_id=node.site_id, now=report(node, digest, minute=minute))
    assert standings(node.site) == []


def test_a_node_that_is_watched_no_longer_is_taken_out_of_a_shared_finding() -> None:
    site = make_site()
    wish(A)
    for name in ("rack-1", "rack-2"):
        report(make_node(site=site, name=name), B)
    evaluate_site(site_id=site.pk, now=NOON)
    Node.objects.filter(name="rack-1").update(is_watched=False)
    evaluate_site(site_id=site.pk, now=minutes(1))
    assert wrong_at(site) == [("config.drift", LOW, ["rack-2"])]


def test_what_is_not_reported_or_not_wished_for_is_no_difference() -> None:
    node = make_node()
    wish(A)
    report(node, B, name="nobody-asked.conf")
    report(node, "", kind="model", name="unasked", state="failed")
    evaluate_site(site_id=node.site_id, now=NOON)
    assert wrong_at(node.site) == []
