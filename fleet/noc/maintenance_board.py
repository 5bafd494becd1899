"""What the maintenance page shows: work that goes on, that is planned, and a form for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils.safestring import SafeString

from fleet.access import Action, AnyUser, sites_where
from fleet.models import MaintenanceWindow, Node, Site
from fleet.names import name_of
from fleet.noc.oncall_words import local_span
from fleet.spans import Span, next_span_of
from runbooks.suppression.endings import ends_soon
from runbooks.suppression.matchers import read_matchers
from runbooks.suppression.selectors import maintenance_for

EVERY: Final[tuple[tuple[str, str], ...]] = (
    ("once", "once"),
    ("day", "every day"),
    ("week", "every week on this day"),
    ("month", "every month on this date"),
)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window: when it is on now or next, in words who planned it."""

    window: MaintenanceWindow
    span: Span
    is_on: bool
    matchers: tuple[str, ...]
    author: str
    may_cancel: bool
    is_ending: bool

    @property
    def when(self) -> SafeString:
        """From when to when, on the site's clocks."""
        return local_span(self.span.starts_at, self.span.ends_at, self.window.time_zone)

    @property
    def repeats(self) -> str:
        """How it repeats, in words; empty for once."""
        return "" if self.window.every == "once" else dict(EVERY)[self.window.every]


@dataclass(frozen=True, slots=True)
class MaintenanceForm:
    """What stands in the form."""

    site: str = ""
    node: str = ""
    starts: str = ""
    hours: str = "2"
    every: str = "once"
    last_day: str = ""
    matchers: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceBoard:
    """The whole page."""

    on: Sequence[WindowRow]
    planned: Sequence[WindowRow]
    sites: Sequence[Site]
    nodes: Sequence[Node]
    form: MaintenanceForm = field(default_factory=MaintenanceForm)
    every: Sequence[tuple[str, str]] = EVERY


def maintenance_board(
    *, user: AnyUser, now: datetime, form: MaintenanceForm | None = None
) -> MaintenanceBoard:
    """Return the page as `user` may see it; windows that are over for good are left out."""
    sites = list(sites_where(user, Action.RESPOND).order_by("name"))
    mine = {site.pk for site in sites}
    rows = []
    windows = maintenance_for(user, now).select_related("site", "node", "created_by")
    for window in windows.filter(cancelled_at__isnull=True):
        span = next_span_of(window, at=now)
        if span is not None:
            rows.append(_row(window, span, now, may_cancel=window.site_id in mine))
    rows.sort(key=lambda row: row.span.starts_at)
    return MaintenanceBoard(
        on=[row for row in rows if row.is_on],
        planned=[row for row in rows if not row.is_on],
        sites=sites,
        nodes=list(Node.objects.filter(site__in=sites).select_related("site").order_by("name")),
        form=form or MaintenanceForm(),
    )


def _row(window: MaintenanceWindow, span: Span, now: datetime, *, may_cancel: bool) -> WindowRow:
    by = window.created_by
    return WindowRow(
        window=window,
        span=span,
        is_on=span.starts_at <= now,
        is_ending=span.starts_at <= now and ends_soon(span.ends_at, now=now),
        matchers=tuple(str(matcher) for matcher in read_matchers(window.matchers)),
        author=name_of(by) if by else "",
        may_cancel=may_cancel,
    )
