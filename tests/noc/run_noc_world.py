"""Runs in every standing, for the tests of the dashboard's pages about them."""

from __future__ import annotations

import hashlib
import struct
from datetime import datetime, timedelta
from typing import Any
from zlib import compress, crc32

from fleet.models import Membership, Site
from runbooks.models import Alert, Run, RunEntry, Tablet
from runbooks.runs.photos import keep_photo
from runbooks.runs.services import enter, pause_run, start_run_for_alert
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.detail_world import hot_alert
from tests.runbooks.run_world import Device, make_edition, make_run

Kind = RunEntry.Kind
minute = timedelta(minutes=1)


def draw_png(width: int = 160, height: int = 120) -> bytes:
    """Return a picture that browsers draw: grey, getting lighter downwards."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\x00" + bytes([60 + row]) * width for row in range(height))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PICTURE = draw_png()
PHOTO = hashlib.sha256(PICTURE).hexdigest()


def run_of_alert(alert: Alert | None = None, *, by: Any = None, now: datetime = NOON) -> Run:
    """Start a run of an alert, which is pinned to an edition with a step of each kind."""
    alert = alert or hot_alert()
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition())
    alert.refresh_from_db()
    by = by or make_user(Membership.Role.OPERATOR, alert.site)
    return start_run_for_alert(alert=alert, by=by, now=now)


def say(run: Run, by: Any, step: str, *, now: datetime = NOON, **said: Any) -> RunEntry:
    """Enter that a step was done, in a browser."""
    return enter(run=run, kind=Kind.STEP_DONE, by=by, now=now, step_id=step, said=said)


def dispute(run: Run, *, now: datetime = NOON) -> Device:
    """Have the lead and a tablet enter different readings."""
    assert run.lead is not None
    say(run, run.lead, "inlet", now=now, value=21.5, unit="Cel")
    device = Device(run)
    device.send(device.done("inlet", at=now, value=30.25, unit="Cel"), now=now)
    return device


def busy_site(*, now: datetime = NOON) -> Site:
    """Make a site with a run in each standing, two tablets and an entry that was kept aside."""
    site = make_site(name="Osaka-3", slug="osaka-3")
    make_node(site=site, name="node-1")
    lead = make_user("operator", site, first_name="Aiko", last_name="Sato")
    worked_on(make_run(site=site, by=lead, now=now), now=now)
    paused = make_run(site=site, by=lead, now=now)
    pause_run(run=paused, by=lead, reason="Waiting for a spare fan", now=now)
    make_tablets(site, now=now)
    return site


def worked_on(run: Run, *, now: datetime = NOON) -> Device:
    """Bring a run to an approval: a dispute, a photo, a wrong clock, an entry kept aside."""
    lead = run.lead
    assert lead is not None
    say(run, lead, "look", now=now)
    device = dispute(run, now=now)
    late = Device(run, device.user, ahead=4 * minute)
    photo = late.entry("step_done", "picture", at=now - 9 * minute, evidence=[PHOTO])
    late.send(photo, now=now)
    keep_photo(run=run, sha256=PHOTO, data=PICTURE, device_id=late.device_id, now=now)
    device.send(device.done("inlet", at=now, value="hot", unit="Cel"), now=now)
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=lead, now=now, step_id="allow")
    return device


def make_tablets(site: Site, *, now: datetime = NOON) -> None:
    """Make one tablet that is ready and one that is not."""
    common: dict[str, Any] = {"site": site, "last_seen_at": now, "checked_at": now}
    Tablet.objects.create(
        device_id="tablet-a", label="Rack tablet", file_count=14, ready_count=14, **common
    )
    Tablet.objects.create(
        device_id="tablet-b",
        label="Spare",
        file_count=14,
        ready_count=9,
        waiting_count=3,
        **common,
    )
