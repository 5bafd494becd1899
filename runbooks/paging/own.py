"""What a message says that is about no alert: a test page, a notice, the pager's own trouble."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from django.conf import settings

from runbooks.paging.content import PageFacts

#: It is about no site, and no runbook is pinned to it.
_NOWHERE: Final[dict[str, Any]] = {
    **dict.fromkeys(["site_slug", "site_name", "site_time_zone", "site_place"], ""),
    **dict.fromkeys(["site_owner_name", "node_role", "runbook_slug", "runbook_title"], ""),
    **{"runbook_hash": "", "runbook_version": 0, "node_name": None},
    **{"first_steps": (), "next_who": ()},
}

Purpose = Literal["test", "notice", "trouble", "recovered"]
_KINDS: Final[Mapping[Purpose, str]] = {
    "test": "contact.test",
    "trouble": "hearthwatch.pager",
    "recovered": "hearthwatch.pager",
}


def own_facts(
    *,
    purpose: Purpose,
    page_id: str,
    owner_name: str,
    reason: str,
    summary: str,
    now: datetime,
    kind: str = "",
    attempt: int = 1,
    next_at: datetime | None = None,
    notice_url: str = "",
    shown_url: str = "",
) -> PageFacts:
    """Return what such a message says; each line of `summary` is a sentence.

    A notice has a `kind` of its own, leads to `notice_url` and says what comes at `next_at`.
    """
    return PageFacts(
        base_url=settings.HEARTHWATCH_BASE_URL,
        page_id=page_id,
        reason=reason,
        step=1,
        attempt=attempt,
        owner_name=owner_name,
        alert_id=0,
        severity=3 if purpose in ("test", "notice") else 1,
        kind=kind or _KINDS[purpose],
        summary=summary,
        condition="firing",
        began_at=now,
        opened_at=now,
        evidence={},
        next_at=next_at,
        purpose=purpose,
        notice_url=notice_url,
        shown_url=shown_url,
        **_NOWHERE,
    )
