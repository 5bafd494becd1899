"""Scans: the server judges the match itself, and keeps what the device said where it differs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runbooks.models import Alert, Run, RunEntry, RunQuarantine
from runbooks.runs.pack import pack_of
from runbooks.runs.quarantine import accept_quarantined
from runbooks.runs.services import enter, start_run_for_alert
from runbooks.runs.sheet import sheet_of
from runbooks.runs.tokens import revoke_token
from tests.factories import NOON, make_node, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, codes_of, make_edition, make_run, newest_entry
from tests.runbooks.world import make_alert

pytestmark = pytest.mark.django_db


def scan_run(code: str = "{{ site.name }}") -> Run:
    return make_run(make_step("label", "scan", code=code, is_mandatory=True))


@pytest.mark.parametrize(
    ("code", "claimed", "kept"),
    [
        ("right", {"is_match": True}, {"is_match": True}),
        ("right", {}, {"is_match": True}),
        ("right", {"is_match": False}, {"is_match": True, "device_is_match": False}),
        ("wrong", {"is_match": True}, {"is_match": False, "device_is_match": True}),
        ("wrong", {"is_match": False}, {"is_match": False}),
        ("wrong", {}, {"is_match": False}),
        ("wrong", {"is_match": "yes"}, {"is_match": False, "device_is_match": "yes"}),
        # What only the server writes is not taken from a device.
        ("wrong", {"device_is_match": True}, {"is_match": False}),
    ],
)
def test_the_server_judges_a_scan_and_keeps_what_the_device_said_otherwise(
    code: str, claimed: dict[str, Any], kept: dict[str, Any]
) -> None:
    run = scan_run()
    read = run.site.name if code == "right" else "another"
    device = Device(run)
    assert device.send(device.done("label", code=read, **claimed)).kept == [1]
    assert newest_entry(run).input == {"code": read} | kept


def test_a_step_that_takes_any_code_knows_no_match() -> None:
    run = scan_run(code="")
    device = Device(run)
    device.send(device.done("label", code="anything"))
    assert newest_entry(run).input == {"code": "anything"}


def test_a_scan_that_comes_twice_is_recognised_though_the_server_put_it_right() -> None:
    run = scan_run()
    device = Device(run)
    entry = device.done("label", code="another", is_match=True)
    assert [device.send(entry).kept for _ in range(2)] == [[1], [1]]
    assert RunEntry.objects.filter(kind="step_done").count() == 1
    device.count = 0
    other = device.send(device.done("label", code=run.site.name, is_match=True))
    assert codes_of(other) == ["entry_differs"]


def test_control_characters_of_a_code_are_kept_and_compared_as_their_pictures() -> None:
    run = scan_run(code="0109521101530001␝10AB␝21␡�")
    device = Device(run)
    entry = device.done("label", code="0109521101530001\x1d10AB\x1d21\x7f\x85", is_match=False)
    assert [device.send(entry).kept for _ in range(2)] == [[1], [1]]
    said = {"code": "0109521101530001␝10AB␝21␡�", "is_match": True, "device_is_match": False}
    assert newest_entry(run).input == said


def test_a_scan_is_judged_alike_however_it_gets_into_the_log() -> None:
    run = scan_run()
    device = Device(run)
    revoke_token(token=device.token, now=NOON)
    device.send(device.done("label", code="another", is_match=True))
    accepted = accept_quarantined(row=RunQuarantine.objects.get(), by=run.lead, now=NOON)
    typed = enter(
        run=run,
        kind=RunEntry.Kind.STEP_DONE,
        by=run.lead,
        now=NOON,
        step_id="label",
        said={"code": run.site.name},
    )
    assert accepted.input["is_match"] is False
    assert typed.input["is_match"] is True


def test_the_sheet_says_where_a_device_was_wrong_about_a_code() -> None:
    run = scan_run()
    device = Device(run)
    device.send(device.done("label", code="another", is_match=True))
    run.refresh_from_db()
    [*_, entry] = sheet_of(run=run, now=NOON).entries
    assert entry.said == "another: another code than expected"
    assert entry.marks == ("the device took it for the right code",)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["node-1"], "At node-1"),
        (["node-1", "node-2"], "At node-1 and node-2"),
        (["node-1", "node-2", "node-3"], "At node-1, node-2 and node-3"),
        ([f"node-{number}" for number in range(1, 8)], "At node-1, node-2, node-3 and 4 more"),
        ([], "At node name"),
    ],
)
def test_a_run_about_several_nodes_names_them_and_scans_the_label_of_one_only(
    names: list[str], words: str
) -> None:
    node = make_node(name="node-1")
    alert = make_alert(site=node.site, evidence={"nodes": names})
    step = make_step("label", "scan", title="At {{ node.name }}", code="{{ node.name }}")
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition(step))
    lead = make_user("operator", node.site)
    run = start_run_for_alert(alert=Alert.objects.get(pk=alert.pk), by=lead, now=NOON)
    (shown,) = pack_of(run=run, me=lead, now=NOON)["steps"]
    assert re.sub("<[^>]*>", "", shown["title"]) == words
    assert shown["code"] == ("node-1" if names == ["node-1"] else "")
