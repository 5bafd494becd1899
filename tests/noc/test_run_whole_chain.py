"""One edition from its draft to the close of its alert: pinned, followed on a tablet, watched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runbooks.library.drafts import add_pictures, begin_draft, submit_draft
from runbooks.library.match import match_runbook
from runbooks.library.publishing import publish_draft, withdraw_edition
from runbooks.library.translations import publish_translation
from runbooks.models import Alert, Run, RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import hot_alert, signed_in, stop_clock
from tests.noc.library_world import GAUGE, engineer
from tests.runbooks.run_world import Device
from tests.runbooks.world import make_library

pytestmark = pytest.mark.django_db

STEPS = """## Steps

### Scan the label of {{ node.name }}
- type: scan
- id: label
- mandatory: yes
- code: {{ node.name }}
- picture: gauge.svg | Where the label is

At the front.

### Choose what you see
- type: branch
- id: which
- mandatory: yes
- options: All is well -> end | It is hot -> cool

Look first.

### Open the door
- type: instruction
- id: open
- mandatory: yes

Slowly.

### Cool the room
- type: instruction
- id: cool
- mandatory: yes

For an hour.

## Verify
"""
FRENCH = {
    "language: en": "language: fr",
    "Scan the label of": "Scanner l'étiquette de",
    "All is well -> end": "Tout va bien -> end",
    "It is hot -> cool": "Il fait chaud -> cool",
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def edition() -> RunbookVersion:
    """The second edition of the thermal runbook, written by one and published by another."""
    make_library()
    ann, ben = engineer(), engineer("Ben", "Diaz")
    base = RunbookVersion.objects.get(runbook__slug="thermal-alarm")
    head, foot = base.source.split("## Steps")[0], base.source.split("## Verify")[1]
    draft = begin_draft(by=ann, now=NOON, base=base, source=head + STEPS + foot)
    draft = add_pictures(draft=draft, by=ann, now=NOON, pictures={"gauge.svg": GAUGE})
    draft = submit_draft(draft=draft, seen=draft.revision, by=ann, now=NOON, note="By label.")
    version = publish_draft(draft=draft, seen=draft.revision, by=ben, now=NOON, note="By label.")
    source = version.source
    for english, french in FRENCH.items():
        source = source.replace(english, french)
    publish_translation(version=version, source=source, by=ben, now=NOON)
    return version


def get(device: Device, path: str) -> Any:
    return Client().get(path, headers={"Authorization": f"Bearer {device.secret}"})


def page_of(path: str, user: Any) -> str:
    answer = signed_in(user).get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_an_edition_goes_from_its_draft_to_the_close_of_its_alert(edition: RunbookVersion) -> None:
    alert = hot_alert()
    assert alert.runbook_version == edition
    withdraw_edition(version=edition, reason="A better one comes.", by=engineer(), now=NOON)
    assert match_runbook(kind=alert.kind, site=alert.site, node=alert.node).number == 1

    hands = make_user("remote_hands", alert.site)
    started = signed_in(hands).post(reverse("noc:alert-run", args=[alert.pk]))
    assert started.status_code == 302
    run = Run.objects.get()
    assert (run.runbook_version, run.lead) == (edition, hands)

    device = Device(run, hands)
    pack = get(device, f"/api/v1/runs/{run.pk}/pack?language=fr").json()
    assert alert.node is not None
    assert pack["run"]["runbook"]["languages"] == ["en", "fr"]
    assert pack["steps"][0]["title"].startswith("Scanner")
    assert pack["steps"][0]["code"] == alert.node.name
    assert get(device, pack["steps"][0]["picture"]["url"]).content == GAUGE

    operator = make_user("operator", alert.site)
    Alert.objects.filter(pk=alert.pk).update(condition="cleared", cleared_at=NOON)
    close = reverse("noc:alert-close", args=[alert.pk])
    assert signed_in(operator).post(close, {"reason": ""}).status_code == 422

    sent = device.send(
        device.done("label", code="another", is_match=True),
        device.done("which", choice="All is well"),
    )
    assert sent.kept == [1, 2]
    watched = page_of(reverse("noc:run-watch", args=[run.pk]), operator)
    assert "another code than expected" in watched
    assert "the device took it for the right code" in watched
    assert "passed over" in watched
    sheet = json.loads(page_of(reverse("noc:run-export", args=[run.pk, "json"]), operator))
    assert [step["outcome"] for step in sheet["steps"]] == ["done", "done", "passed", "passed"]
    assert signed_in(operator).post(close, {"reason": ""}).status_code in (200, 302)
    alert.refresh_from_db()
    assert alert.response == Alert.Response.CLOSED
