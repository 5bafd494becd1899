"""The body of a page, as `docs/paging-webhook.md` promises it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from runbooks.paging.signature import (
    SecretError,
    SignatureError,
    sign,
    sign_with_each,
    verify,
)

__all__ = [
    "LARGEST_BODY",
    "PageFacts",
    "SecretError",
    "SignatureError",
    "acknowledge_url",
    "alert_url",
    "local_time",
    "render_body",
    "runbook_url",
    "sign",
    "sign_with_each",
    "steps_filled",
    "verify",
]

LARGEST_BODY = 20_000
FIRST_STEPS = 3
SEVERITY_WORDS: Mapping[int, str] = {1: "urgent", 2: "high", 3: "low"}
_SLOT = re.compile(r"\{\{([^{}\n]*)\}\}")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Everything a page says. Times are aware; `first_steps` are the titles of runbook steps.

    `next_at` is None when no further step will be carried out.
    """

    base_url: str
    page_id: str
    reason: str
    step: int
    attempt: int
    owner_name: str
    alert_id: int
    severity: int
    kind: str
    summary: str
    condition: str
    began_at: datetime
    opened_at: datetime
    evidence: Mapping[str, Any]
    site_slug: str
    site_name: str
    site_time_zone: str
    site_place: str
    site_owner_name: str
    node_name: str | None
    node_role: str
    runbook_slug: str
    runbook_title: str
    runbook_version: int
    runbook_hash: str
    first_steps: Sequence[str]
    next_at: datetime | None
    next_who: Sequence[str]
    #: `page`, `acknowledged`, `resolved`; about no alert are `test`, a contact's test page,
    #: `trouble` and `recovered`, which tell of the pager itself, and `notice`, where `kind` says
    #: what and `next_at` when.
    purpose: str = "page"
    #: Where the one who is paged acknowledges without signing on; empty where there is no link.
    ack_url: str = ""
    #: The pages that travel in this one's request.
    bundled: tuple[PageFacts, ...] = ()
    #: Who has it, where somebody does.
    acknowledged_by: str = ""
    #: Where a notice leads.
    notice_url: str = ""

    @property
    def is_about_an_alert(self) -> bool:
        """Whether there is an alert, with a page of its own, that it tells of."""
        return self.purpose not in ("test", "trouble", "recovered", "notice")


def render_body(facts: PageFacts, *, at: datetime) -> bytes:
    """Return the JSON body of the attempt made at `at`, at most LARGEST_BODY bytes.

    Evidence that would make it larger is left out, and `evidence_left_out` says so; of a bundle
    that would be larger, the pages that do not fit are named by their alerts alone.
    """
    if facts.purpose == "test":
        return _encode(_test(facts, at))
    if facts.purpose == "notice":
        return _encode(_notice(facts, at))
    if facts.bundled:
        return _encode(_bundle(facts, at))
    encoded = _encode(_body(facts, at, dict(facts.evidence), is_whole=True))
    if len(encoded) > LARGEST_BODY:
        encoded = _encode(_body(facts, at, {}, is_whole=False))
    return encoded


def local_time(at: datetime, zone: str) -> str | None:
    """Return `at` on the clocks of `zone`, with its offset; None for a zone nobody knows."""
    try:
        return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
    # A bad name must not keep a page from going out. A folder of zones ("Europe") is an OSError.
    except (KeyError, ValueError, OSError):
        return None


def alert_url(facts: PageFacts) -> str:
    """Return the address of the alert's page, for those who sign on."""
    return f"{facts.base_url}/alerts/{facts.alert_id}/"


def acknowledge_url(facts: PageFacts) -> str:
    """Return where whoever is paged takes the alert: the page's own link where it has one."""
    return facts.ack_url or alert_url(facts)


def runbook_url(facts: PageFacts) -> str:
    """Return the address of the very edition that is pinned to the alert."""
    return f"{facts.base_url}/runbooks/{facts.runbook_slug}/?version={facts.runbook_version}"


def steps_filled(facts: PageFacts) -> list[str]:
    """Return the titles of the first steps, their variables filled with what the page knows."""
    values = {
        "site.name": facts.site_name,
        "site.place": facts.site_place,
        "node.name": facts.node_name or "",
        "owner.name": facts.site_owner_name,
        "alert.summary": facts.summary,
    }
    return [_filled(title, values) for title in facts.first_steps[:FIRST_STEPS]]


def _body(
    facts: PageFacts, at: datetime, evidence: dict[str, Any], *, is_whole: bool
) -> dict[str, Any]:
    alert: dict[str, Any] = {
        "id": facts.alert_id,
        "url": alert_url(facts),
        "severity": facts.severity,
        "severity_word": SEVERITY_WORDS.get(facts.severity, "unknown"),
        "kind": facts.kind,
        "summary": facts.summary,
        "condition": facts.condition,
        "began_at": _utc(facts.began_at),
        "opened_at": _utc(facts.opened_at),
        "evidence": evidence,
    }
    if not is_whole:
        alert["evidence_left_out"] = True
    return {
        "type": f"alert.{facts.purpose}",
        "timestamp": _utc(at),
        "data": {
            "page": _page(facts),
            "alert": alert,
            "site": _site(facts, at),
            "node": _node(facts),
            "owner": {"name": facts.owner_name},
            "runbook": _runbook(facts),
            "acknowledge_url": acknowledge_url(facts),
            "next": _next(facts),
        },
    }


def _bundle(facts: PageFacts, at: datetime) -> dict[str, Any]:
    pages = (facts, *facts.bundled)
    data: dict[str, Any] = {
        "page": _page(facts),
        "owner": {"name": facts.owner_name},
        "count": len(pages),
        "pages": [],
        "more_alert_ids": [one.alert_id for one in pages],
    }
    body = {"type": "alert.pages", "timestamp": _utc(at), "data": data}
    # Measured with every id in place, so that taking one out only makes room.
    left = LARGEST_BODY - len(_encode(body))
    for one in pages:
        entry = _entry(one)
        left -= len(_encode(entry)) + 1
        if left < 0:
            break
        data["pages"].append(entry)
        data["more_alert_ids"].remove(one.alert_id)
    return body


def _entry(facts: PageFacts) -> dict[str, Any]:
    """Return what a bundle says of one of its pages: enough to choose which to take first."""
    return {
        "id": facts.page_id,
        "alert": {
            "id": facts.alert_id,
            "url": alert_url(facts),
            "severity": facts.severity,
            "severity_word": SEVERITY_WORDS.get(facts.severity, "unknown"),
            "kind": facts.kind,
            "summary": facts.summary,
            "opened_at": _utc(facts.opened_at),
        },
        "site": {"slug": facts.site_slug, "name": facts.site_name},
        "node": _node(facts),
        "runbook": {"title": facts.runbook_title, "url": runbook_url(facts)},
        "acknowledge_url": acknowledge_url(facts),
    }


def _test(facts: PageFacts, at: datetime) -> dict[str, Any]:
    return {
        "type": "contact.test",
        "timestamp": _utc(at),
        "data": {
            "page": _page(facts),
            "owner": {"name": facts.owner_name},
            "summary": facts.summary,
        },
    }


def _notice(facts: PageFacts, at: datetime) -> dict[str, Any]:
    return {
        "type": facts.kind,
        "timestamp": _utc(at),
        "data": {
            "id": facts.page_id,
            "owner": {"name": facts.owner_name},
            "summary": facts.summary,
            "ends_at": _utc(facts.next_at) if facts.next_at else None,
            "url": facts.notice_url,
        },
    }


def _page(facts: PageFacts) -> dict[str, Any]:
    return {
        "id": facts.page_id,
        "reason": facts.reason,
        "step": facts.step,
        "attempt": facts.attempt,
    }


def _node(facts: PageFacts) -> dict[str, Any] | None:
    if facts.node_name is None:
        return None
    return {"name": facts.node_name, "role": facts.node_role}


def _next(facts: PageFacts) -> dict[str, Any] | None:
    if facts.next_at is None:
        return None
    return {"at": _utc(facts.next_at), "who": list(facts.next_who)}


def _site(facts: PageFacts, at: datetime) -> dict[str, Any]:
    return {
        "slug": facts.site_slug,
        "name": facts.site_name,
        "time_zone": facts.site_time_zone,
        "local_time": local_time(at, facts.site_time_zone),
        "place": facts.site_place,
        "owner": facts.site_owner_name,
    }


def _runbook(facts: PageFacts) -> dict[str, Any]:
    return {
        "slug": facts.runbook_slug,
        "title": facts.runbook_title,
        "version": facts.runbook_version,
        "content_hash": facts.runbook_hash,
        "url": runbook_url(facts),
        "first_steps": steps_filled(facts),
    }


def _filled(title: str, values: Mapping[str, str]) -> str:
    """Put the values that a page knows in place of a title's variables, a dash for the others."""
    return _SLOT.sub(lambda found: values.get(found[1].strip()) or "—", title)


def _encode(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
