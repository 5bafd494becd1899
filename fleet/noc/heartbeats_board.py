"""What the heartbeats' page shows: which signs of life come, which are late, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.safestring import SafeString

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.lengths import exact_words
from fleet.models import Site
from fleet.names import name_of
from fleet.noc.heartbeats_form import UNITS, HeartbeatForm
from fleet.noc.oncall_words import local_time
from runbooks.alerts.selectors import open_alerts_for
from runbooks.heartbeats.rows import fingerprint_of
from runbooks.library.match import NoRunbook, match_runbook
from runbooks.models import Alert, Heartbeat, Runbook
from telemetry.models import Finding

#: The word of each state and its mark of the sprite, in the order of the list.
STATES: Final = {
    "late": "p2",
    "never seen": "stale",
    "paused": "maint",
    "well": "ok",
}


@dataclass(frozen=True, slots=True)
class HeartbeatRow:
    """One heartbeat; `alert` is the open one that says it is late."""

    heartbeat: Heartbeat
    word: str
    period: str
    grace: str
    seen: SafeString | None
    paused_by: str
    alert: Alert | None
    runbook: Runbook | None
    may_change: bool

    @property
    def id(self) -> str:
        """Its id, for what a page calls its forms."""
        return str(self.heartbeat.pk)

    @property
    def mark(self) -> str:
        """The mark of its state."""
        return STATES[self.word]


@dataclass(frozen=True, slots=True)
class HeartbeatsBoard:
    """The whole page; `sites` are those at which the reader may expect another one."""

    rows: Sequence[HeartbeatRow]
    sites: Sequence[Site]
    form: HeartbeatForm
    units: Sequence[str] = tuple(UNITS)

    @property
    def late(self) -> int:
        """How many are late."""
        return sum(row.word == "late" for row in self.rows)


def heartbeats_board(
    *, user: AnyUser, now: datetime, form: HeartbeatForm | None = None
) -> HeartbeatsBoard:
    """Return the heartbeats of the sites that `user` may see, the late ones first."""
    found = list(
        Heartbeat.objects.filter(revoked_at__isnull=True, site__in=sites_visible_to(user))
        .select_related("site", "node", "paused_by")
        .order_by("site__name", "name")
    )
    sites = list(sites_where(user, Action.CHANGE).order_by("name"))
    mine = {site.pk for site in sites}
    late = open_alerts_for(user).filter(kind=Finding.Kind.HEARTBEAT_LATE)
    alerts = {alert.dedup_key: alert for alert in late} if found else {}
    # Of any site: what answers a late heartbeat is matched by kind alone.
    runbook = _runbook(found[0].site) if found else None
    rows = [
        _row(one, now, alerts.get(fingerprint_of(one)), runbook, may_change=one.site_id in mine)
        for one in found
    ]
    order = list(STATES)
    return HeartbeatsBoard(
        rows=sorted(rows, key=lambda row: order.index(row.word)),
        sites=sites,
        form=form or HeartbeatForm(),
    )


def word_of(heartbeat: Heartbeat, now: datetime) -> str:
    """Return the state in a word; late from its time on, even before the next check says so."""
    if heartbeat.paused_at is not None:
        return "paused"
    if heartbeat.is_late or heartbeat.late_at <= now:
        return "late"
    return "never seen" if heartbeat.last_seen_at is None else "well"


def _row(
    heartbeat: Heartbeat,
    now: datetime,
    alert: Alert | None,
    runbook: Runbook | None,
    *,
    may_change: bool,
) -> HeartbeatRow:
    seen, by = heartbeat.last_seen_at, heartbeat.paused_by
    return HeartbeatRow(
        heartbeat=heartbeat,
        word=word_of(heartbeat, now),
        period=exact_words(heartbeat.period_seconds),
        grace=exact_words(heartbeat.grace_seconds),
        seen=local_time(seen, heartbeat.site.time_zone) if seen else None,
        paused_by=name_of(by) if by else "the command line",
        alert=alert,
        runbook=alert.runbook_version.runbook if alert else runbook,
        may_change=may_change,
    )


def _runbook(site: Site) -> Runbook | None:
    try:
        return match_runbook(kind=Finding.Kind.HEARTBEAT_LATE, site=site).runbook
    except NoRunbook:
        return None
