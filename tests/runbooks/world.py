"""A small world for the response rooms: findings, alerts, people who can be paged."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import F

from fleet.models import Contact, Owner, Site
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.library.services import publish_runbook
from runbooks.models import Alert, AlertEvent, Page, RunbookVersion
from runbooks.paging.claims import claim_pages
from runbooks.paging.leases import pages_to_send
from runbooks.paging.outbox import Order, queue_pages
from runbooks.paging.services import Delivery, deliver_due_pages
from telemetry.models import Finding
from tests.factories import (
    NOON,
    make_contact,
    make_node,
    make_owner,
    make_policy,
    make_site,
    secret_from,
)
from tests.receiver import Receiver

_numbers = count(1)

RUNBOOK = """\
---
slug: {slug}
title: {title}
category: {category}
matches: [{matches}]
owner: Facilities
review_by: 2031-01-01
minutes: 20
language: en
---

## Meaning

Something is wrong at {{{{ site.name }}}}.

## Impact

Answers get slower.

## Safety

Touch nothing that hums.

## Steps

### Look at {{{{ site.name }}}}
- type: instruction

Open the site page.

### Open the door
- type: confirm

Say so.

### Read the inlet
- type: reading
- unit: Cel
- max: 27

In front.

### Call the owner
- type: escalate

Say what you see.

## Verify

The value is back.

## Escalate

Call the owner.
"""

URGENT, HIGH, LOW = 1, 2, 3


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def runbook_text(
    slug: str, *, matches: str = "", category: str = "general", title: str = "Do this"
) -> str:
    return RUNBOOK.format(slug=slug, title=title, category=category, matches=matches)


def make_runbook(slug: str, *, now: datetime = NOON, **parts: str) -> RunbookVersion:
    return publish_runbook(source=runbook_text(slug, **parts), by=None, now=now)


def make_library() -> None:
    make_runbook("generic")
    make_runbook(
        "thermal-alarm", matches="thermal.envelope", category="thermal", title="Thermal alarm"
    )


def make_finding(**overrides: Any) -> Finding:
    """Make one urgent finding of a hot inlet, detected at the moment it began."""
    number = next(_numbers)
    if "site" not in overrides:
        overrides["site"] = make_site()
    began_at = overrides.get("began_at", NOON)
    fields: dict[str, Any] = {
        "kind": Finding.Kind.THERMAL_ENVELOPE,
        "fingerprint": f"thermal.envelope/{number}",
        "severity": URGENT,
        "summary": "Inlet 38.4 °C, limit 35 °C.",
        "evidence": {"value": 38.4, "limit": 35.0},
        "began_at": began_at,
        "detected_at": began_at,
        "updated_at": began_at,
    }
    return Finding.objects.create(**(fields | overrides))


def revise(finding: Finding, **changes: Any) -> Finding:
    """Change a finding as the detectors do: its revision rises."""
    Finding.objects.filter(pk=finding.pk).update(**changes, revision=F("revision") + 1)
    finding.refresh_from_db()
    return finding


def clear(finding: Finding, *, now: datetime) -> Finding:
    return revise(finding, cleared_at=now, updated_at=now)


def fire_again(finding: Finding, *, now: datetime, **overrides: Any) -> Finding:
    """Make the next finding of the same fingerprint, after the first has cleared."""
    fields = {"site": finding.site, "fingerprint": finding.fingerprint, "began_at": now}
    return make_finding(**(fields | overrides))


def make_alert(*, now: datetime = NOON, **overrides: Any) -> Alert:
    """Make a finding and take it in; needs the library."""
    finding = make_finding(**({"began_at": now} | overrides))
    take_in_findings(now=now)
    return Alert.objects.get(finding=finding)


def alert_of(finding: Finding) -> Alert:
    return Alert.objects.get(site=finding.site, dedup_key=finding.fingerprint)


def make_pager(receiver: Receiver, **overrides: Any) -> Contact:
    """Make a contact at the receiver."""
    fields = {"url": receiver.url, "secret": secret_from("receiver")}
    return make_contact(**(fields | overrides))


def site_paging(receiver: Receiver, **overrides: Any) -> Site:
    """Make an active site whose owner's only contact is the receiver."""
    return make_site(owner=make_pager(receiver).owner, **overrides)


def policy_of(*steps: tuple[list[str], int], repeat: int = 0) -> Any:
    """Make a policy of `(notify, delay in seconds)` steps."""
    return make_policy(
        steps=[{"notify": words, "delay_seconds": delay} for words, delay in steps],
        repeat=repeat,
    )


def word(owner: Owner) -> str:
    return f"owner:{owner.pk}"


def run(now: datetime) -> Delivery:
    """Do what the sweep does at `now`, time standing still meanwhile."""
    take_in_findings(now=now)
    advance_due_escalations(now=now)
    return deliver(now)


def deliver(now: datetime) -> Delivery:
    return deliver_due_pages(now=now, next_of=next_move, rng=random.Random(1), clock=lambda: 0.0)


def kinds_of(alert: Alert) -> list[str]:
    return list(AlertEvent.objects.filter(alert=alert).values_list("kind", flat=True))


def sentences_of(alert: Alert, kind: str) -> list[str]:
    return list(
        AlertEvent.objects.filter(alert=alert, kind=kind).values_list("sentence", flat=True)
    )


def states_of_pages(alert: Alert) -> list[str]:
    return list(Page.objects.filter(alert=alert).values_list("state", flat=True))


def make_node_finding(site: Site) -> Finding:
    """Make a finding about one node; there is somebody to page after the site's owner."""
    make_contact(owner=make_owner(is_catch_all=True))
    return make_finding(site=site, node=make_node(site=site))


def queued(site: Any, **overrides: Any) -> Alert:
    """Open an alert at `site` and carry out its first step; the page is not sent yet."""
    alert = make_alert(site=site, **overrides)
    advance_due_escalations(now=NOON)
    return alert


def only_page(alert: Alert) -> Page:
    return Page.objects.get(alert=alert)


def queue_page(*, now: datetime, **said: Any) -> Page:
    """Queue one page and return it."""
    order = Order(**said)
    queue_pages([order], now=now)
    return Page.objects.get(
        alert=order.alert,
        sequence=order.sequence,
        contact=order.contact,
        purpose=order.purpose,
    )


def claim_page(**said: Any) -> Page | None:
    """Claim the one page whose turn it is."""
    pages = claim_pages(**said, most=1)
    return pages[0] if pages else None


def page_to_send(claimed: Page) -> Page | None:
    """Read a claimed page again just before its request."""
    return pages_to_send([claimed]).get(claimed.pk)
