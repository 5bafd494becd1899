"""From a page's rows to the plain facts that its body is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist

from runbooks.models import Alert, Escalation, Page
from runbooks.paging.payload import PageFacts
from runbooks.paging.people import owners_meant


def webhook_id(page: Page) -> str:
    """Return the id under which receivers know the page, on every attempt."""
    return f"msg_{page.pk.hex}"


def facts_of(page: Page, *, at: datetime) -> PageFacts:
    """Return what the page says at `at`; `page` comes from `leases.page_to_send`."""
    alert = page.alert
    site = alert.site
    version = alert.runbook_version
    next_at, next_who = _next_step(alert, at)
    steps = version.document.get("steps", [])
    return PageFacts(
        base_url=settings.HEARTHWATCH_BASE_URL,
        page_id=webhook_id(page),
        reason=page.reason,
        step=page.step_index + 1,
        attempt=page.attempts_made,
        owner_name=page.owner.name,
        alert_id=alert.pk,
        severity=alert.severity,
        kind=alert.kind,
        summary=alert.summary,
        condition=alert.condition,
        began_at=alert.began_at,
        opened_at=alert.opened_at,
        evidence=alert.evidence,
        site_slug=site.slug,
        site_name=site.name,
        site_time_zone=site.time_zone,
        site_place=site.place,
        site_owner_name=site.owner.name if site.owner else "",
        node_name=alert.node.name if alert.node else None,
        node_role=alert.node.role if alert.node else "",
        runbook_slug=version.runbook.slug,
        runbook_title=version.runbook.title,
        runbook_version=version.number,
        runbook_hash=version.content_hash,
        first_steps=[step.get("title", "") for step in steps],
        next_at=next_at,
        next_who=next_who,
    )


def _next_step(alert: Alert, at: datetime) -> tuple[datetime | None, Sequence[str]]:
    """Return when the next step is due and whom it names, as things stand now."""
    try:
        escalation = alert.escalation
    except ObjectDoesNotExist:
        return None, []
    steps = alert.policy_version.steps
    if escalation.state != Escalation.State.RUNNING or escalation.step_index >= len(steps):
        return None, []
    words = steps[escalation.step_index]["notify"]
    names = [owner.name for owner in owners_meant(words, site=alert.site, at=at)]
    return escalation.next_due_at, names
