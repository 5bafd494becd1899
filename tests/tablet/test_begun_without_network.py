"""What a tablet may begin without network, and what becomes of it once the server is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from fleet.models import Site
from runbooks.library.publishing import withdraw_edition
from runbooks.models import Alert, Run, Runbook, RunbookVersion
from runbooks.runs.begun import Begun, read_begun, take_in_begun
from runbooks.runs.errors import RunError
from runbooks.runs.services import start_run_for_alert
from runbooks.runs.standby import MOST_ALERTS, MOST_RUNBOOKS
from tests.factories import NOON, make_node, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, make_edition
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db

BEGUN_AT = NOON - timedelta(hours=3)
NAME_OF_THE_RUN = "3f0e8d53-0a68-4a66-9d0b-2c8a3b7a4c11"


def begun(version: RunbookVersion, **overrides: Any) -> Begun:
    """What a tablet says that began a run three hours ago, with a clock that is right."""
    facts: dict[str, Any] = {
        "begun_as": UUID(NAME_OF_THE_RUN),
        "device_id": "tablet-00000001",
        "runbook": version.runbook.slug,
        "version": version.number,
        "alert_id": None,
        "node": "",
        "language": "en",
        "at": BEGUN_AT,
        "sent_at": NOON,
    }
    return Begun(**(facts | overrides))


def said(version: RunbookVersion, **overrides: Any) -> dict[str, Any]:
    """The same as a tablet writes it."""
    return {
        "begun_as": NAME_OF_THE_RUN,
        "device": "tablet-00000001",
        "runbook": version.runbook.slug,
        "version": version.number,
        "alert": None,
        "node": "",
        "language": "en",
        "at": BEGUN_AT.isoformat(),
        "sent_at": NOON.isoformat(),
    } | overrides


def offers(client: Client) -> list[dict[str, Any]]:
    return list(client.get("/sites/osaka-3/pack.json").json()["standby"]["offers"])


def test_what_there_is_no_room_for_is_named(client: Client, hands: Any, site: Site) -> None:
    make_library()
    first = make_alert(site=site)
    fields = {
        field.name: getattr(first, field.name)
        for field in Alert._meta.concrete_fields
        if field.name not in ("id", "dedup_key", "finding")
    }
    Alert.objects.bulk_create(
        Alert(**fields, dedup_key=f"many/{number}") for number in range(MOST_ALERTS + 1)
    )
    for number in range(MOST_RUNBOOKS):
        title = f"A job, number {number:03}"
        book = Runbook.objects.create(slug=f"job-{number}", title=title, category="general")
        make_edition(make_step("look"), runbook=book)
    standby = client.get("/sites/osaka-3/pack.json").json()["standby"]
    assert len(standby["offers"]) == MOST_ALERTS + MOST_RUNBOOKS
    assert standby["left_out"] == {"alerts": 2, "runbooks": ["Do this", "Thermal alarm"]}


def test_where_there_is_room_for_all_nothing_is_left_out(
    client: Client, hands: Any, site: Site
) -> None:
    make_library()
    make_alert(site=site)
    standby = client.get("/sites/osaka-3/pack.json").json()["standby"]
    assert standby["left_out"] == {"alerts": 0, "runbooks": []}


def test_every_runbook_in_force_can_be_begun_without_network(
    client: Client, hands: Any, site: Site
) -> None:
    version = make_edition(make_step("look", title="Look at {{ site.name }}"))
    [offer] = offers(client)
    run = offer["pack"]["run"]
    assert (run["id"], run["state"], run["alert"]) == (None, "created", None)
    assert (run["runbook"]["slug"], run["runbook"]["version"]) == (version.runbook.slug, 1)
    assert run["me"]["id"] == hands.pk
    assert offer["pack"]["steps"][0]["title"] == 'Look at <span class="filled">Osaka-3</span>'
    assert not Run.objects.exists()


def test_a_withdrawn_edition_cannot_be_begun(client: Client, hands: Any, site: Site) -> None:
    withdraw_edition(version=make_edition(), by=hands, reason="Wrong valve.", now=NOON)
    assert offers(client) == []


def test_open_alerts_without_a_run_come_first_with_their_pinned_edition(
    client: Client, hands: Any, site: Site
) -> None:
    make_library()
    open_alert, answered = make_alert(site=site), make_alert(site=site)
    start_run_for_alert(alert=answered, by=make_user("operator", site), now=NOON)
    make_alert()
    found = [offer["pack"]["run"] for offer in offers(client)]
    assert [run["alert"] and run["alert"]["id"] for run in found] == [open_alert.pk, None, None]
    assert found[0]["runbook"]["slug"] == "thermal-alarm"


def test_the_name_of_a_node_has_its_place_until_somebody_chooses_one(
    client: Client, hands: Any, site: Site
) -> None:
    make_node(site=site, name="node-3")
    make_edition(make_step("label", "scan", title="Find {{ node.name }}", code="{{ node.name }}"))
    standby = client.get("/sites/osaka-3/pack.json").json()["standby"]
    [offer] = standby["offers"]
    step = offer["pack"]["steps"][0]
    assert step["title"] == 'Find <span class="unfilled" data-name="node.name">node name</span>'
    assert (step["code"], offer["code_slots"]) == ("", {"label": "{{ node.name }}"})
    assert standby["nodes"][0]["name"] == "node-3"
    assert standby["nodes"][0]["values"]["node.name"] == "node-3"


def test_what_a_tablet_began_becomes_a_run_with_the_moment_it_was_begun(
    client: Client, hands: Any, site: Site
) -> None:
    node, version = make_node(site=site, name="node-3"), make_edition()
    run = take_in_begun(site=site, begun=begun(version, node="node-3"), by=hands, now=NOON)
    assert (run.site, run.node, run.runbook_version, run.lead) == (site, node, version, hands)
    assert (run.created_at, run.values["node.name"]) == (BEGUN_AT, "node-3")
    entry = run.entries.get()
    assert (entry.kind, entry.channel, entry.actor) == ("created", "tablet", hands)
    assert (entry.client_at, entry.received_at, entry.skew_seconds) == (BEGUN_AT, NOON, 0)


def test_entries_written_before_the_server_knew_the_run_arrive_in_it(
    client: Client, hands: Any, site: Site
) -> None:
    run = take_in_begun(site=site, begun=begun(make_edition()), by=hands, now=NOON)
    device = Device(run, hands)
    device.send(device.entry("step_done", "look", at=BEGUN_AT + timedelta(minutes=5)))
    first, second = run.entries.order_by("pk")
    assert (second.step_id, second.client_at) == ("look", BEGUN_AT + timedelta(minutes=5))
    assert first.client_at is not None
    assert first.client_at < second.client_at


def test_telling_it_twice_makes_one_run(client: Client, hands: Any, site: Site) -> None:
    version = make_edition()
    first, second = (
        client.post("/sites/osaka-3/runs/begun/", said(version), content_type="application/json")
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["run"] == second.json()["run"] == Run.objects.get().pk
    assert first.json()["token"] != second.json()["token"]


def test_a_run_begun_for_an_alert_answers_it(client: Client, hands: Any, site: Site) -> None:
    make_library()
    alert = make_alert(site=site)
    what = begun(alert.runbook_version, alert_id=alert.pk)
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert (run.alert, run.values["alert.id"]) == (alert, f"A-{alert.pk}")


def _answered(alert: Alert) -> None:
    start_run_for_alert(alert=alert, by=make_user("operator", alert.site), now=NOON)


def _closed(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(
        response=Alert.Response.CLOSED, closed_at=NOON, close_reason="Repaired."
    )


@pytest.mark.parametrize("meanwhile", [_answered, _closed])
def test_where_its_alert_needs_none_any_more_it_is_a_run_of_the_site(
    hands: Any, site: Site, meanwhile: Any
) -> None:
    make_library()
    alert = make_alert(site=site)
    meanwhile(alert)
    what = begun(alert.runbook_version, alert_id=alert.pk)
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert run.alert is None
    assert run.entries.get().input["meant_for"] == alert.pk


def test_an_edition_withdrawn_meanwhile_is_what_was_followed(hands: Any, site: Site) -> None:
    version = make_edition()
    withdraw_edition(version=version, by=hands, reason="Wrong valve.", now=NOON)
    run = take_in_begun(site=site, begun=begun(version), by=hands, now=NOON)
    assert run.runbook_version == version


@pytest.mark.parametrize(
    ("at", "sent_at", "created_at"),
    [
        # Ten minutes ahead, all the while.
        (BEGUN_AT + timedelta(minutes=10), NOON + timedelta(minutes=10), BEGUN_AT),
        # Set back between the beginning and the telling.
        (NOON + timedelta(hours=2), NOON, NOON),
        # A clock without a battery, put right before the telling.
        (datetime.fromisoformat("1970-01-01T00:00:00Z"), NOON, NOON),
    ],
)
def test_a_wrong_clock_makes_no_run_of_the_time_to_come_or_of_long_ago(
    hands: Any, site: Site, at: datetime, sent_at: datetime, created_at: datetime
) -> None:
    what = begun(make_edition(), at=at, sent_at=sent_at)
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert run.created_at == created_at


@pytest.mark.parametrize(
    ("at", "offset", "created_at", "skew"),
    [
        (BEGUN_AT - timedelta(minutes=10), 600, BEGUN_AT, -600),
        (BEGUN_AT + timedelta(minutes=10), -600, BEGUN_AT, 600),
        # No clock was so wrong that the run began tomorrow.
        (BEGUN_AT, 86_400, BEGUN_AT, 0),
    ],
)
def test_a_clock_that_was_set_right_before_the_telling_leaves_no_beginning_wrong(
    hands: Any,
    site: Site,
    at: datetime,
    offset: float,
    created_at: datetime,
    skew: float,
) -> None:
    what = read_begun(said(make_edition(), at=at.isoformat(), offset=offset))
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert (run.created_at, run.entries.get().skew_seconds) == (created_at, skew)


def test_one_name_cannot_stand_for_two_runs(hands: Any, site: Site) -> None:
    take_in_begun(site=site, begun=begun(make_edition()), by=hands, now=NOON)
    with pytest.raises(RunError, match="belongs to R-") as refused:
        take_in_begun(site=site, begun=begun(make_edition()), by=hands, now=NOON)
    assert refused.value.code == "begun_elsewhere"
    assert Run.objects.count() == 1


def test_an_edition_that_is_not_here_is_named(client: Client, hands: Any, site: Site) -> None:
    body = said(make_edition()) | {"version": 7}
    answer = client.post("/sites/osaka-3/runs/begun/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_runbook")
    assert "stays on the tablet" in answer.json()["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"begun_as": "7"},
        {"begun_as": None},
        {"version": True},
        {"version": 0},
        {"alert": "7"},
        {"alert": 2**63},
        {"runbook": "a\x00"},
        {"node": ["node-3"]},
        {"language": "x" * 101},
        {"offset": "600"},
    ],
)
def test_what_is_no_beginning_is_refused(
    client: Client, hands: Any, site: Site, wrong: dict[str, Any]
) -> None:
    body = said(make_edition()) | wrong
    answer = client.post("/sites/osaka-3/runs/begun/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_begun")
    assert not Run.objects.exists()


@pytest.mark.parametrize("role", [None, "viewer", "owner"])
def test_who_may_not_run_there_begins_nothing(client: Client, site: Site, role: str | None) -> None:
    client.force_login(make_user(role, site if role else None))
    body = said(make_edition())
    answer = client.post("/sites/osaka-3/runs/begun/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_site")
    assert not Run.objects.exists()


def test_another_sites_form_begins_nothing(site: Site) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_user("remote_hands", site))
    body = said(make_edition())
    answer = strict.post("/sites/osaka-3/runs/begun/", body, content_type="application/json")
    assert answer.status_code == 403
    assert not Run.objects.exists()


def test_what_a_tablet_writes_is_read_as_it_was_meant(site: Site) -> None:
    version = make_edition()
    read = read_begun(said(version, node="node-3", alert=7))
    assert read == begun(version, node="node-3", alert_id=7)
