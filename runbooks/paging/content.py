"""What a page says, whichever way it goes: plain facts, and what follows from them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

FIRST_STEPS = 3
#: The most pages that one request may carry: as many as a body has room to name by number.
LARGEST_BUNDLE = 1500
#: Of the pages in one request, so many are known in full: more than any transport names so.
MOST_IN_FULL = 50
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
    #: Where a browser says that it showed the page; empty for everything else that is paged.
    shown_url: str = ""
    #: The worst of the pages that travel in this one's request, and the alerts of the others.
    bundled: tuple[PageFacts, ...] = ()
    more_alert_ids: tuple[int, ...] = ()
    #: Who has it, where somebody does.
    acknowledged_by: str = ""
    #: Where a notice leads.
    notice_url: str = ""

    @property
    def is_about_an_alert(self) -> bool:
        """Whether there is an alert, with a page of its own, that it tells of."""
        return self.purpose not in ("test", "trouble", "recovered", "notice")


def worst_first(facts: PageFacts) -> list[PageFacts]:
    """Return the pages of one request that are known in full, the worst first."""
    return sorted((facts, *facts.bundled), key=lambda one: one.severity)


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


def _filled(title: str, values: Mapping[str, str]) -> str:
    """Put the values that a page knows in place of a title's variables, a dash for the others."""
    return _SLOT.sub(lambda found: values.get(found[1].strip()) or "—", title)
