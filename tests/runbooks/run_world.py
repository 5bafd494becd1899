"""What the tests of runs share: an edition with a step of each kind, people, and devices."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from fleet.models import Membership, Site
from runbooks.library.document import RunbookStep
from runbooks.library.stored import document_to_json
from runbooks.models import Run, Runbook, RunbookVersion, RunEntry
from runbooks.runs.batch import read_batch
from runbooks.runs.canonical import mac_of
from runbooks.runs.starting import start_run_at_site
from runbooks.runs.sync import Receipt, take_in_batch
from runbooks.runs.tokens import find_token, issue_token
from tests.factories import NOON, make_site, make_user
from tests.pure.run_steps import make_document, make_step

Kind = RunEntry.Kind
_numbers = count(1)
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\x00IEND\xaeB`\x82"
)
PHOTO = hashlib.sha256(PNG).hexdigest()

STEPS = (
    make_step("look", title="Look at {{ site.name }}", is_mandatory=True),
    make_step("inlet", "reading", unit="Cel", minimum=10.0, maximum=27.0, is_mandatory=True),
    make_step("allow", "approval", approver="engineer"),
    make_step("cool", "wait", wait_seconds=600),
    make_step("steady", "verify", metric="hw.temperature", unit="Cel", maximum=35.0),
    make_step("picture", "photo"),
)


def make_edition(
    *steps: RunbookStep, runbook: Runbook | None = None, now: datetime = NOON
) -> RunbookVersion:
    """Publish these steps as the next edition of a runbook, a new one unless it is given."""
    if runbook is None:
        name = next(_numbers)
        runbook = Runbook.objects.create(
            slug=f"book-{name}", title=f"Book {name}", category="general"
        )
    document = make_document(*(steps or STEPS), slug=runbook.slug, title=runbook.title)
    newest = runbook.versions.order_by("-number").first()
    stored = document_to_json(document)
    number = newest.number + 1 if newest else 1
    return RunbookVersion.objects.create(
        runbook=runbook,
        number=number,
        content_hash=hashlib.sha256(f"{number} {json.dumps(stored)}".encode()).hexdigest(),
        source="",
        document=stored,
        published_at=now,
    )


def make_run(
    *steps: RunbookStep, site: Site | None = None, now: datetime = NOON, **overrides: Any
) -> Run:
    """Start a run of an edition with these steps; its lead may work at the site."""
    site = site or make_site()
    by = overrides.pop("by", None) or make_user(Membership.Role.OPERATOR, site)
    version = overrides.pop("version", None) or make_edition(*steps)
    return start_run_at_site(site=site, version=version, by=by, now=now, **overrides)


class Device:
    """One tablet with its key to a run, its own clock and its own count."""

    def __init__(
        self, run: Run, user: Any = None, *, name: str = "", ahead: timedelta = timedelta(0)
    ) -> None:
        self.run, self.ahead = run, ahead
        self.user = user or make_user(Membership.Role.REMOTE_HANDS, run.site)
        self.device_id = name or f"tablet-{next(_numbers):08d}"
        issued = issue_token(run=run, user=self.user, device_id=self.device_id, now=NOON)
        self.token, self.secret = issued.token, issued.text
        self.count = 0

    def entry(self, kind: str, step: str = "", *, at: datetime = NOON, **fields: Any) -> Any:
        """Write one entry, signed."""
        self.count += 1
        entry: dict[str, Any] = {
            "count": self.count,
            "kind": kind,
            "step": step,
            "version": self.run.runbook_version.number,
            "at": (at + self.ahead).isoformat(),
            "by": "Somebody",
            "input": {},
            "evidence": [],
        }
        return self.signed(entry | fields)

    def done(self, step: str, *, at: datetime = NOON, **said: Any) -> Any:
        """Write that a step was done."""
        return self.entry("step_done", step, at=at, input=said)

    def signed(self, entry: dict[str, Any]) -> dict[str, Any]:
        return entry | {"mac": mac_of(entry, token=self.secret)}

    def body(self, *entries: Any, now: datetime = NOON, since: int = 0) -> dict[str, Any]:
        """Return the batch as it goes over the wire."""
        return {
            "device": self.device_id,
            "sent_at": (now + self.ahead).isoformat(),
            "waiting": len(entries),
            "since": since,
            "entries": list(entries),
        }

    def send(self, *entries: Any, now: datetime = NOON, **said: Any) -> Receipt:
        """Send the entries as the door does; the batch may say something else beside them."""
        token = find_token(text=self.secret)
        assert token is not None
        return take_in_batch(
            run=Run.objects.select_related("runbook_version").get(pk=self.run.pk),
            token=token,
            secret=self.secret,
            batch=read_batch(self.body(*entries, now=now) | said),
            now=now,
        )


def kinds_of(run: Run) -> list[str]:
    return list(run.entries.order_by("pk").values_list("kind", flat=True))


def codes_of(receipt: Receipt) -> list[str]:
    return [refusal.code for _, refusal in receipt.quarantined]


def newest_entry(run: Run) -> RunEntry:
    return run.entries.order_by("-pk")[0]
