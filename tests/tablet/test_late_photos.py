"""Photos that come with a key that is no longer in force: kept for the entry that names them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runbooks.models import Run, RunPhoto, RunQuarantine
from runbooks.runs import late_photos
from runbooks.runs.quarantine import accept_quarantined, set_aside_quarantined
from runbooks.runs.sheet import sheet_of
from runbooks.runs.tokens import revoke_token
from tests.factories import NOON
from tests.noc.detail_world import signed_in
from tests.noc.run_noc_world import PHOTO, PICTURE, draw_png
from tests.runbooks.run_world import Device, codes_of, make_run

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=72)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)


def page_of(path: str, user: Any) -> str:
    answer = signed_in(user).get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def pictures(count: int) -> dict[str, bytes]:
    """Draw pictures that differ; return each by its hash."""
    drawn = [draw_png(width=8 + number, height=8) for number in range(count)]
    return {hashlib.sha256(data).hexdigest(): data for data in drawn}


def put(device: Device, data: bytes, run: Run | None = None) -> Any:
    sha256 = hashlib.sha256(data).hexdigest()
    return Client().put(
        f"/api/v1/runs/{(run or device.run).pk}/photos/{sha256}",
        data,
        content_type="image/png",
        headers={"Authorization": f"Bearer {device.secret}"},
    )


def photographed(device: Device, *hashes: str) -> Any:
    return device.entry("step_done", "picture", evidence=list(hashes or (PHOTO,)))


def revoked(*hashes: str) -> Device:
    """A device whose key was taken back before it sent an entry with photos."""
    device = Device(make_run())
    revoke_token(token=device.token, now=NOON)
    assert codes_of(device.send(photographed(device, *hashes))) == ["token_revoked"]
    return device


def test_the_photo_of_an_entry_that_was_kept_aside_is_kept_and_the_tablet_is_told() -> None:
    device = revoked()
    assert [put(device, PICTURE).status_code for _ in range(2)] == [201, 200]
    photo = RunPhoto.objects.get()
    assert (photo.run, photo.sha256, photo.device_id) == (device.run, PHOTO, device.device_id)


def test_so_is_that_of_a_key_that_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(make_run())
    monkeypatch.setattr("django.utils.timezone.now", lambda: LATER)
    assert codes_of(device.send(photographed(device), now=LATER)) == ["token_expired"]
    assert put(device, PICTURE).status_code == 201


def test_and_that_of_a_key_to_another_run_with_its_own_run() -> None:
    run, device = make_run(), Device(make_run())
    Client().post(
        f"/api/v1/runs/{run.pk}/entries",
        device.body(photographed(device)),
        content_type="application/json",
        headers={"Authorization": f"Bearer {device.secret}"},
    )
    assert RunQuarantine.objects.get().code == "entry_of_another_run"
    assert put(device, PICTURE, run=run).status_code == 201
    assert RunPhoto.objects.get().run == device.run


def test_a_photo_that_was_taken_back_on_its_way_goes_to_its_entry_in_the_log() -> None:
    device = Device(make_run())
    assert device.send(photographed(device)).kept == [1]
    revoke_token(token=device.token, now=NOON)
    assert put(device, PICTURE).status_code == 201
    assert sheet_of(run=device.run, now=NOON).photo_count == 1


def test_a_dead_key_brings_nothing_that_no_entry_of_it_names() -> None:
    device = revoked()
    stranger = draw_png(width=9)
    other = Device(device.run)
    other.send(photographed(other, hashlib.sha256(stranger).hexdigest()))
    answer = put(device, stranger)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    for sha256 in ("nothing", "%00", '"evidence"', "device"):
        path = f"/api/v1/runs/{device.run.pk}/photos/{sha256}"
        refused = Client().put(path, b"", headers={"Authorization": f"Bearer {device.secret}"})
        assert refused.status_code == 401
    assert RunPhoto.objects.count() == 0


def test_what_is_no_photo_is_refused_of_a_dead_key_as_of_any() -> None:
    text = b"<svg onload=alert(1)>"
    device = revoked(hashlib.sha256(text).hexdigest())
    assert put(device, text).status_code == 415


def test_a_dead_key_reads_no_photo() -> None:
    device = revoked()
    put(device, PICTURE)
    answer = Client().get(
        f"/api/v1/runs/{device.run.pk}/photos/{PHOTO}",
        headers={"Authorization": f"Bearer {device.secret}"},
    )
    assert answer.status_code == 401


def test_a_dead_key_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = pictures(3)
    device = revoked(*drawn)
    monkeypatch.setattr(late_photos, "MOST_ASIDE", 2)
    answers = [put(device, data) for data in drawn.values()]
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[-1].json()["code"] == "too_many_photos"
    # What is in the log makes room: it counts with the photos of the run.
    accept_quarantined(row=RunQuarantine.objects.get(), by=device.run.lead, now=NOON)
    assert put(device, list(drawn.values())[-1]).status_code == 201


def test_a_dead_key_is_slowed_down_and_the_photo_comes_a_minute_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = pictures(2)
    device = revoked(*drawn)
    monkeypatch.setattr(late_photos, "MOST_A_MINUTE", 1)
    first, second = drawn.values()
    assert put(device, first).status_code == 201
    answer = put(device, second)
    assert (answer.status_code, answer.json()["code"]) == (429, "photos_too_fast")
    # One that is here already is told so at any time.
    assert put(device, first).status_code == 200
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON + timedelta(minutes=1))
    assert put(device, second).status_code == 201


def test_the_photo_is_shown_beside_the_entry_and_in_the_log_once_it_is_taken_in() -> None:
    device = revoked()
    run, lead = device.run, device.run.lead
    aside, watch = reverse("noc:run-quarantine"), reverse("noc:run-watch", args=[run.pk])
    assert "photo still on the tablet" in page_of(aside, lead)
    put(device, PICTURE)
    image = f'<img src="{reverse("noc:run-photo", args=[run.pk, PHOTO])}"'
    assert [page_of(path, lead).count(image) for path in (aside, watch)] == [1, 1]
    assert sheet_of(run=run, now=NOON).photo_count == 0
    accept_quarantined(row=RunQuarantine.objects.get(), by=lead, now=NOON)
    assert image not in page_of(aside, lead)
    # In the log, and at its step.
    assert page_of(watch, lead).count(image) == 2
    assert sheet_of(run=run, now=NOON).photo_count == 1


def test_the_photo_of_an_entry_that_was_set_aside_is_kept_all_the_same() -> None:
    device = revoked()
    set_aside_quarantined(row=RunQuarantine.objects.get(), by=device.run.lead, now=NOON)
    assert put(device, PICTURE).status_code == 201
