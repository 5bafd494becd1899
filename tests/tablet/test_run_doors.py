"""The doors of runs: what a tablet sends is taken in once, kept aside, or left on the tablet."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from fleet.models import Membership
from runbooks.models import Run, RunEntry, RunQuarantine, RunToken
from runbooks.runs.tokens import make_claim, revoke_token
from tests.factories import NOON, make_user
from tests.runbooks.run_world import PHOTO, PNG, Device, kinds_of, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)


def post(device: Device, *entries: Any, run: Run | None = None, **said: Any) -> Any:
    body = device.body(*entries) | said
    return Client().post(
        f"/api/v1/runs/{(run or device.run).pk}/entries",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {device.secret}"},
    )


def test_a_device_is_told_exactly_what_it_may_forget() -> None:
    device = Device(make_run())
    answer = post(device, device.done("look"), device.done("inlet", value="warm", unit="Cel"))
    assert answer.status_code == 200
    said = answer.json()
    assert said["kept"] == [1]
    assert [(q["count"], q["code"]) for q in said["quarantined"]] == [(2, "number_missing")]
    assert said["run"]["state"] == "in_progress"
    assert [entry["kind"] for entry in said["entries"]] == ["created", "step_done"]


def test_a_reply_that_is_lost_after_the_commit_costs_nothing() -> None:
    device = Device(make_run())
    batch = [device.done("look"), device.done("inlet", value=1e-07, unit="Cel"), device.done("no")]
    first, second = post(device, *batch).json(), post(device, *batch).json()
    assert first["kept"] == second["kept"] == [1, 2]
    assert first["quarantined"] == second["quarantined"]
    assert kinds_of(device.run) == ["created", "step_done", "step_done"]
    assert RunQuarantine.objects.count() == 1


def test_a_key_is_given_to_who_may_work_there_and_shown_once() -> None:
    run = make_run()
    client = Client()
    client.force_login(make_user(Membership.Role.REMOTE_HANDS, run.site))
    answer = client.post(
        f"/runs/{run.pk}/token/", {"device": "tablet-12345678"}, content_type="application/json"
    )
    assert answer.status_code == 201
    secret = answer.json()["token"]
    assert secret.startswith("hwr_")
    assert secret not in str(list(RunToken.objects.values()))


@pytest.mark.parametrize("role", [Membership.Role.VIEWER, Membership.Role.OWNER])
def test_who_may_only_look_gets_no_key_and_no_pack(role: str) -> None:
    run = make_run()
    client = Client()
    client.force_login(make_user(role, run.site))
    asked = client.post(
        f"/runs/{run.pk}/token/", {"device": "tablet-12345678"}, content_type="application/json"
    )
    assert (asked.status_code, asked.json()["code"]) == (404, "no_such_run")
    assert client.get(f"/api/v1/runs/{run.pk}/pack").status_code == 404


def test_nobody_gets_in_without_a_key_or_a_login() -> None:
    run = make_run()
    for path in ("pack", "changes", f"photos/{PHOTO}", f"pictures/{PHOTO}"):
        answer = Client().get(f"/api/v1/runs/{run.pk}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    asked = Client().post(f"/runs/{run.pk}/token/", "{}", content_type="application/json")
    assert asked.status_code == 401


def test_a_form_of_another_site_makes_no_key() -> None:
    run = make_run()
    client = Client(enforce_csrf_checks=True)
    client.force_login(run.lead)
    asked = client.post(f"/runs/{run.pk}/token/", '{"device": "tablet-12345678"}', "text/plain")
    assert asked.status_code == 403


def test_the_pack_holds_what_a_device_needs_with_the_values_of_the_start() -> None:
    run = make_run()
    device = Device(run)
    pack = Client().get(
        f"/api/v1/runs/{run.pk}/pack", headers={"Authorization": f"Bearer {device.secret}"}
    )
    said = pack.json()
    assert said["format"] == 1
    assert said["run"]["site"]["name"] == run.site.name
    assert run.site.name in said["steps"][0]["title"]
    assert said["steps"][1] | {"min": 10.0, "max": 27.0, "unit": "Cel"} == said["steps"][1]
    assert said["run"]["me"]["id"] == device.user.pk
    assert [entry["kind"] for entry in said["entries"]] == ["created"]
    assert said["newer"] is None


def test_changes_are_those_after_the_entry_one_has() -> None:
    device = Device(make_run())
    post(device, device.done("look"))
    first = RunEntry.objects.order_by("pk")[0].pk
    headers = {"Authorization": f"Bearer {device.secret}"}
    path = f"/api/v1/runs/{device.run.pk}/changes"
    said = Client().get(path, {"since": first}, headers=headers).json()
    assert [entry["kind"] for entry in said["entries"]] == ["step_done"]
    for since in ("x", "-1", "9" * 40, "²"):
        assert Client().get(path, {"since": since}, headers=headers).status_code == 400


def test_an_entry_that_was_changed_on_its_way_is_kept_aside() -> None:
    device = Device(make_run())
    entry = device.done("inlet", value=21.5, unit="Cel")
    entry["input"]["value"] = 12.0
    said = post(device, entry).json()
    assert [q["code"] for q in said["quarantined"]] == ["entry_tampered"]
    assert json.loads(RunQuarantine.objects.get().body)["input"]["value"] == 12.0


def test_the_same_count_with_other_content_is_kept_aside_and_the_first_stands() -> None:
    device = Device(make_run())
    post(device, device.done("inlet", value=21, unit="Cel"))
    for value in (22, 23):
        device.count = 0
        said = post(device, device.done("inlet", value=value, unit="Cel")).json()
        assert [q["code"] for q in said["quarantined"]] == ["entry_differs"]
    assert RunQuarantine.objects.count() == 2
    assert RunEntry.objects.get(counter=1).input["value"] == 21


def test_a_key_that_was_taken_back_loses_nothing_and_shows_nothing() -> None:
    device = Device(make_run())
    post(device, device.done("look"))
    revoke_token(token=device.token, now=NOON)
    said = post(device, device.done("picture")).json()
    assert [q["code"] for q in said["quarantined"]] == ["token_revoked"]
    assert (said["run"], said["entries"]) == (None, [])
    pack = Client().get(
        f"/api/v1/runs/{device.run.pk}/pack", headers={"Authorization": f"Bearer {device.secret}"}
    )
    assert (pack.status_code, pack.json()["code"]) == (401, "token_revoked")


def test_a_key_ends_after_three_days_and_its_entries_are_kept_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device(make_run())
    later = NOON + timedelta(hours=72)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    said = post(device, device.done("look")).json()
    assert [q["code"] for q in said["quarantined"]] == ["token_expired"]


def test_a_key_to_another_run_opens_nothing() -> None:
    run, device = make_run(), Device(make_run())
    said = post(device, device.done("look"), run=run).json()
    assert [q["code"] for q in said["quarantined"]] == ["entry_of_another_run"]
    assert said["run"] is None
    assert RunQuarantine.objects.get().run == device.run
    assert kinds_of(run) == ["created"]


def test_an_unknown_key_stores_nothing() -> None:
    device = Device(make_run())
    device.secret = "hwr_unknown"
    answer = post(device, device.done("look"))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown")
    assert RunQuarantine.objects.count() == 0


def test_a_clock_ten_minutes_off_is_noted_with_the_entry() -> None:
    device = Device(make_run(), ahead=timedelta(minutes=10))
    said = post(device, device.done("look")).json()
    entry = said["entries"][-1]
    assert entry["skew"] == 600.0
    assert datetime.fromisoformat(entry["at"]) == NOON + timedelta(minutes=10)
    assert datetime.fromisoformat(entry["received_at"]) == NOON


BAD_BODIES = [
    b"",
    b"[]",
    b"{",
    b'{"entries": NaN}',
    b"[" * 100_000,
    b'{"entries": [{"count": 1, "input": ' + b"[" * 400 + b"]" * 400 + b"}]}",
    b"\xff\xfe",
    b'{"device": "tablet-12345678", "sent_at": "2030-01-01T12:00:00Z", "entries": [1]}',
    b'{"device": "tablet-12345678", "sent_at": "2030-01-01T12:00:00Z", "entries": [{}]}',
    b'{"device": "tablet-12345678", "sent_at": "2030-01-01T12:00:00Z", "entries": [{"count": 0}]}',
    b'{"device": "tablet-12345678", "sent_at": "yesterday", "entries": []}',
    b'{"device": "tablet-12345678", "sent_at": "9999-12-31T23:59:59-23:59", "entries": []}',
    b'{"device": "tablet-12345678", "sent_at": "0002-01-01T00:00:00Z", "entries": []}',
    b'{"device": 7, "sent_at": "2030-01-01T12:00:00Z", "entries": []}',
    b'{"device": "tablet-12345678", "sent_at": "2030-01-01T12:00:00Z", "since": "a", "entries":[]}',
    b'{"device": "x", "sent_at": "2030-01-01T12:00:00Z", "entries": []}',
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_what_is_no_batch_is_refused_and_stays_on_the_device(body: bytes) -> None:
    device = Device(make_run())
    answer = Client().post(
        f"/api/v1/runs/{device.run.pk}/entries",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {device.secret}"},
    )
    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message"}


def test_too_much_at_once_is_refused() -> None:
    device = Device(make_run())
    many = post(device, *[device.done("look") for _ in range(101)])
    assert (many.status_code, many.json()["code"]) == (413, "too_many_entries")
    long = post(device, device.done("look"), filler="x" * 256 * 1024)
    assert (long.status_code, long.json()["code"]) == (413, "body_too_large")


ODD_ENTRIES = [
    {"kind": 7},
    {"kind": "done"},
    {"kind": "created"},
    {"kind": "x" * 5000},
    {"step": "x" * 5000},
    {"step": ["look"]},
    {"version": 99},
    {"version": "1"},
    {"version": 10**30},
    {"version": [1]},
    {"version": {"number": 1}},
    {"at": None},
    {"at": "0001-01-01T00:00:00+23:00"},
    {"at": "1968-01-01T00:00:00Z"},
    {"by": 5},
    {"by": "\ud800"},
    {"input": []},
    {"input": {"note": "\x00"}},
    {"input": {"note": "\ud800"}},
    {"input": {"\ud800": 1}},
    {"input": {"note": "x" * 1001}},
    {"input": {"note": {"deep": [1]}}},
    {"input": {"value": 10**400}},
    {"input": {str(number): 1 for number in range(50)}},
    {"evidence": ["../etc/passwd"]},
    {"evidence": "a" * 64},
    {"evidence": ["a" * 64] * 201},
]


@pytest.mark.parametrize("odd", ODD_ENTRIES)
def test_an_entry_that_makes_no_sense_is_kept_aside_and_never_an_error(odd: Any) -> None:
    device = Device(make_run())
    entry = device.done("look") | odd
    good = device.done("look")
    entry["mac"] = "0" * 64
    with suppress(ValueError, OverflowError):
        entry = device.signed({k: v for k, v in entry.items() if k != "mac"})
    answer = post(device, entry, good)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert said["kept"] == [2]
    assert [q["count"] for q in said["quarantined"]] == [1]
    assert RunQuarantine.objects.get().counter == 1


def put(device: Device, data: bytes, sha256: str = PHOTO) -> Any:
    return Client().put(
        f"/api/v1/runs/{device.run.pk}/photos/{sha256}",
        data,
        content_type="image/png",
        headers={"Authorization": f"Bearer {device.secret}"},
    )


def test_a_photo_is_kept_once_and_shown_as_what_it_is() -> None:
    device = Device(make_run())
    assert [put(device, PNG).status_code for _ in range(2)] == [201, 200]
    shown = Client().get(
        f"/api/v1/runs/{device.run.pk}/photos/{PHOTO}",
        headers={"Authorization": f"Bearer {device.secret}"},
    )
    assert (shown.content, shown["Content-Type"]) == (PNG, "image/png")
    assert shown["X-Content-Type-Options"] == "nosniff"


def test_a_photo_that_is_damaged_too_large_or_none_is_refused() -> None:
    device = Device(make_run())
    text = b"<svg onload=alert(1)>"
    assert put(device, PNG, "0" * 64).status_code == 422
    assert put(device, PNG, "nothing").status_code == 422
    assert put(device, b"x" * (2 * 2**20 + 1)).status_code == 413
    answer = put(device, text, hashlib.sha256(text).hexdigest())
    assert (answer.status_code, answer.json()["code"]) == (415, "photo_type")


def test_a_claim_belongs_to_the_first_device_and_is_no_key_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = make_run()
    text = make_claim(run=run, now=NOON).text
    client = Client(enforce_csrf_checks=True)
    shown = client.get(f"/r/{text}").json()
    assert shown | {"run": run.pk, "is_taken": False} == shown

    def take(device: str) -> Any:
        return client.post(f"/r/{text}", json.dumps({"device": device}), "application/json")

    first, again, other = take("tablet-11111111"), take("tablet-11111111"), take("tablet-22222222")
    assert (first.status_code, again.status_code) == (200, 200)
    assert (other.status_code, other.json()["code"]) == (409, "claim_taken")
    pack = f"/api/v1/runs/{run.pk}/pack"
    for answer in (first, again):
        key = answer.json()["token"]
        assert client.get(pack, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get(pack, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert client.delete(f"/r/{text}").status_code == 405
    assert text not in caplog.text


def test_an_unknown_claim_says_so() -> None:
    answer = Client().get("/r/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "claim_unknown")
