"""A page's facts, as the transports are given them; every one can be overridden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from runbooks.paging.content import PageFacts

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def page_facts(**overrides: Any) -> PageFacts:
    """Return what an urgent page about a hot inlet in Osaka says."""
    fields: dict[str, Any] = {
        "base_url": "https://hearthwatch.example",
        "page_id": "msg_0123456789abcdef",
        "reason": "step 1 of Europe",
        "step": 1,
        "attempt": 2,
        "owner_name": "Ana Silva",
        "alert_id": 12,
        "severity": 1,
        "kind": "thermal.envelope",
        "summary": "Inlet 38.4 °C, limit 35 °C.",
        "condition": "firing",
        "began_at": NOON - timedelta(minutes=3),
        "opened_at": NOON,
        "evidence": {"value": 38.4},
        "site_slug": "osaka-1",
        "site_name": "Osaka-1",
        "site_time_zone": "Asia/Tokyo",
        "site_place": "1-2-3 Namba, Osaka",
        "site_owner_name": "Ken Mori",
        "node_name": "node-1",
        "node_role": "inference",
        "runbook_slug": "thermal-alarm",
        "runbook_title": "Thermal alarm",
        "runbook_version": 3,
        "runbook_hash": "ab" * 32,
        "first_steps": ["Look at {{ site.name }}", "Open the door", "Read", "Call"],
        "next_at": NOON + timedelta(minutes=5),
        "next_who": ["Ben Roth"],
    }
    return PageFacts(**(fields | overrides))


def contact_test_facts(**overrides: Any) -> PageFacts:
    """Return what the test page of a contact says."""
    return page_facts(**({"purpose": "test", "summary": "Test page for Ana Silva."} | overrides))


def bundle_facts(count: int, **overrides: Any) -> PageFacts:
    """Return a page with `count` pages in its request, itself among them; each known in full."""
    others = [
        page_facts(alert_id=100 + number, page_id=f"msg_{number}", **overrides)
        for number in range(1, count)
    ]
    return page_facts(bundled=tuple(others), **overrides)
