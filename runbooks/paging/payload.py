"""The body of a page, as `docs/paging-webhook.md` promises it. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from runbooks.paging.content import (
    SEVERITY_WORDS,
    PageFacts,
    acknowledge_url,
    alert_url,
    local_time,
    runbook_url,
    steps_filled,
    worst_first,
)

LARGEST_BODY = 20_000
#: The part of a bundle that the numbers of alerts leave to pages in full, in bytes.
_LEFT_TO_PAGES = 6_000


def render_body(facts: PageFacts, *, at: datetime) -> bytes:
    """Return the JSON body of the attempt made at `at`, at most LARGEST_BODY bytes.

    Evidence that would make it larger is left out, and `evidence_left_out` says so; of a bundle
    that would be larger, the pages that do not fit, never the worst, are named by their alerts
    alone.
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
    pages = worst_first(facts)
    ids = [*(one.alert_id for one in pages), *facts.more_alert_ids]
    data: dict[str, Any] = {
        "page": _page(facts),
        "owner": {"name": facts.owner_name},
        "count": len(ids),
        "pages": [],
        "more_alert_ids": ids[: (LARGEST_BODY - _LEFT_TO_PAGES) // (len(str(max(ids))) + 1)],
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


def _encode(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
