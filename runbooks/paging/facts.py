"""From a page's rows to the plain facts that its body is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from fleet.models import Contact, Site
from fleet.names import name_of
from runbooks.models import Alert, Page, RunbookVersion
from runbooks.paging.content import FIRST_STEPS, MOST_IN_FULL, PageFacts
from runbooks.paging.links import Act, token_for
from runbooks.paging.people import KnownOwners


@dataclass(frozen=True, slots=True)
class NextMove:
    """When an alert pages next if nobody answers, and whom; nobody where none can be reached."""

    at: datetime
    who: tuple[str, ...]


#: What comes next for an alert, as things stand at a time; None where nothing does. Whom to page
#: is decided above this room, so the doors bring it: `runbooks.escalation.upcoming.next_move`.
#: Owners that are known already are not looked up again.
NextOf = Callable[[Alert, datetime, KnownOwners | None], NextMove | None]


def _where(site: Site) -> dict[str, Any]:
    return {
        "site_slug": site.slug,
        "site_name": site.name,
        "site_time_zone": site.time_zone,
        "site_place": site.place,
        "site_owner_name": site.owner.name if site.owner else "",
    }


def _next(move: NextMove | None) -> dict[str, Any]:
    return {"next_at": move.at if move else None, "next_who": move.who if move else ()}


def webhook_id(page: Page) -> str:
    """Return the id under which receivers know the page, on every attempt."""
    return f"msg_{page.pk.hex}"


def page_by_webhook_id(webhook_id: str) -> Page | None:
    """Return the page that receivers know under this id, with its alert; None for no such page."""
    try:
        page_id = UUID(hex=webhook_id.removeprefix("msg_"))
    except ValueError:
        return None
    rows = Page.objects.filter(pk=page_id, purpose=Page.Purpose.PAGE)
    page = rows.select_related("alert", "owner__user", "contact").first()
    # One spelling alone: what is signed names the page by it.
    return page if page is not None and webhook_id == f"msg_{page.pk.hex}" else None


def facts_of(
    page: Page,
    *,
    at: datetime,
    next_of: NextOf,
    companions: Sequence[Page] = (),
    known: KnownOwners | None = None,
) -> PageFacts:
    """Return what a page of `leases.pages_to_send` says; the first of its companions in full."""
    in_full = companions[: MOST_IN_FULL - 1]
    alert = page.alert
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
        **_where(alert.site),
        node_name=alert.node.name if alert.node else None,
        node_role=alert.node.role if alert.node else "",
        **_runbook(alert.runbook_version),
        **_next(next_of(alert, at, known)),
        purpose=page.purpose,
        ack_url=_link(page, at),
        shown_url=_shown_link(page, at),
        bundled=tuple(facts_of(one, at=at, next_of=next_of, known=known) for one in in_full),
        more_alert_ids=tuple(one.alert_id for one in companions[len(in_full) :]),
        acknowledged_by=_holder(alert),
    )


#: The titles of an edition's first steps by the hash of its content, which never changes.
_TITLES: dict[str, tuple[str, ...]] = {}
_MOST_TITLES = 1000


def _runbook(version: RunbookVersion) -> dict[str, Any]:
    return {
        "runbook_slug": version.runbook.slug,
        "runbook_title": version.runbook.title,
        "runbook_version": version.number,
        "runbook_hash": version.content_hash,
        "first_steps": _first_steps(version),
    }


def _first_steps(version: RunbookVersion) -> tuple[str, ...]:
    known = _TITLES.get(version.content_hash)
    if known is None:
        steps = version.document.get("steps", [])[:FIRST_STEPS]
        known = tuple(step.get("title", "") for step in steps)
        if len(_TITLES) >= _MOST_TITLES:
            _TITLES.clear()
        _TITLES[version.content_hash] = known
    return known


def _link(page: Page, at: datetime) -> str:
    if page.purpose != Page.Purpose.PAGE:
        return ""
    return f"{settings.HEARTHWATCH_BASE_URL}/p/{token_for(page, at=at)}/"


def _shown_link(page: Page, at: datetime) -> str:
    if page.purpose != Page.Purpose.PAGE or page.contact.kind != Contact.Kind.WEB_PUSH:
        return ""
    token = token_for(page, at=at, act=Act.SHOWN)
    return f"{settings.HEARTHWATCH_BASE_URL}/p/{token}/shown/"


def _holder(alert: Alert) -> str:
    user = alert.acknowledged_by
    if user is not None:
        return name_of(user)
    return alert.acknowledged_owner.name if alert.acknowledged_owner else ""
