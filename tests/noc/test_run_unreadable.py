"""An edition that a newer program stored closes no page and loses nothing; older ones are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runbooks.models import Run, Runbook, RunbookVersion
from tests.factories import NOON
from tests.noc.detail_world import signed_in, stop_clock
from tests.runbooks.run_world import Device, make_edition, make_run

pytestmark = pytest.mark.django_db

NOT_IN_FORM_1 = (
    *("otherwise", "warning", "picture", "picture_alt", "code", "approver", "runbook"),
    *("wait_seconds", "for_seconds", "within_seconds", "options", "device"),
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def run_of_form(form: int, drop: tuple[str, ...] = ()) -> Run:
    book = Runbook.objects.create(slug="odd", title="Odd", category="general")
    stored = make_edition().document
    steps = [
        {key: said for key, said in step.items() if key not in drop} for step in stored["steps"]
    ]
    version = RunbookVersion.objects.create(
        runbook=book,
        number=1,
        content_hash=f"form-{form}",
        source="",
        document=stored | {"format": form, "slug": "odd", "steps": steps},
        published_at=NOON,
    )
    return make_run(version=version)


def pages_of(run: Run) -> list[str]:
    return [
        reverse("noc:runs"),
        reverse("noc:run-watch", args=[run.pk]),
        reverse("noc:site", args=[run.site.slug]),
        reverse("noc:runbooks"),
        reverse("noc:runbook", args=["odd"]),
    ]


def send(run: Run) -> Any:
    device = Device(run)
    return Client().post(
        f"/api/v1/runs/{run.pk}/entries",
        json.dumps(device.body(device.done("look"))),
        content_type="application/json",
        headers={"Authorization": f"Bearer {device.secret}"},
    )


def test_an_edition_of_the_first_form_is_followed_like_any_other() -> None:
    run = run_of_form(1, NOT_IN_FORM_1)
    client = signed_in(run.lead)
    sheet = [reverse("noc:run-sheet", args=[run.pk]), f"/api/v1/runs/{run.pk}/pack"]
    assert {client.get(path).status_code for path in pages_of(run) + sheet} == {200}
    assert send(run).json()["kept"] == [1]


def test_an_edition_of_a_form_to_come_closes_no_page() -> None:
    run = run_of_form(99)
    client = signed_in(run.lead)
    assert {client.get(path).status_code for path in pages_of(run)} == {200}
    assert client.get(reverse("noc:run-sheet", args=[run.pk])).status_code == 404
    assert client.get(reverse("noc:run-export", args=[run.pk, "json"])).status_code == 404
    assert client.post(reverse("noc:run-act", args=[run.pk, "finish"])).status_code == 409


def test_what_is_entered_under_a_form_to_come_stays_on_the_tablet() -> None:
    run = run_of_form(99)
    answer = send(run)
    assert (answer.status_code, answer.json()["code"]) == (409, "edition_unreadable")
    assert signed_in(run.lead).get(f"/api/v1/runs/{run.pk}/pack").status_code == 409
    assert not run.quarantine.exists()
