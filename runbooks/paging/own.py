"""What a message says that is about no alert: a test page, or the pager's own trouble."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from django.conf import settings

from runbooks.paging.payload import PageFacts

#: It is about no site, and no runbook is pinned to it.
_NOWHERE: Final[dict[str, Any]] = {
    **dict.fromkeys(["site_slug", "site_name", "site_time_zone", "site_place"], ""),
    **dict.fromkeys(["site_owner_name", "node_role", "runbook_slug", "runbook_title"], ""),
    **{"runbook_hash": "", "runbook_version": 0, "node_name": None},
    **{"first_steps": (), "next_at": None, "next_who": ()},
}


def own_facts(
    *,
    purpose: Literal["test", "trouble", "recovered"],
    page_id: str,
    owner_name: str,
    reason: str,
    summary: str,
    now: datetime,
) -> PageFacts:
    """Return what such a message says; each line of `summary` is a sentence."""
    return PageFacts(
        base_url=settings.HEARTHWATCH_BASE_URL,
        page_id=page_id,
        reason=reason,
        step=1,
        attempt=1,
        owner_name=owner_name,
        alert_id=0,
        severity=3 if purpose == "test" else 1,
        kind="contact.test" if purpose == "test" else "hearthwatch.pager",
        summary=summary,
        condition="firing",
        began_at=now,
        opened_at=now,
        evidence={},
        purpose=purpose,
        **_NOWHERE,
    )
