"""What holds alerts back right now, and which alerts it covers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from fleet.models import MaintenanceWindow
from fleet.spans import span_at
from runbooks.models import Alert, Silence, Suppression
from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.labels import labels_from
from runbooks.suppression.matchers import Matcher, matches, read_matchers

logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Model)

SHELF: Final = "shelf"

_FIELDS: Final = (
    *("pk", "site_id", "site__parent_id", "node_id", "kind", "severity", "condition", "response"),
    *("is_storm", "is_suppressed", "opened_at", "summary"),
    *("site__slug", "site__region", "node__name", "node__role", "evidence__labels"),
)


class Subject(NamedTuple):
    """One open alert, as far as it matters for what holds it back."""

    alert_id: int
    site_id: int
    parent_site_id: int | None
    node_id: int | None
    kind: str
    severity: int
    is_firing: bool
    is_waiting: bool
    is_storm: bool
    is_suppressed: bool
    opened_at: datetime
    summary: str
    labels: dict[str, str]


class InForce(NamedTuple):
    """One suppression that has not ended. Read by the thousand, so no model instance."""

    pk: int
    alert_id: int
    kind: str
    source: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason to hold one alert back; `source` tells it from the others of that alert."""

    kind: str
    source: str
    reason: str
    until: datetime | None = None
    by_id: int | None = None
    silence_id: UUID | None = None
    maintenance_id: int | None = None
    inhibited_by_id: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One silence or one span of maintenance that is on."""

    hold: Hold
    matchers: tuple[Matcher, ...]
    site_id: int | None = None
    node_id: int | None = None

    def covers(self, subject: Subject) -> bool:
        """Tell whether it holds this alert back."""
        if self.site_id is not None and self.site_id != subject.site_id:
            return False
        if self.node_id is not None and self.node_id != subject.node_id:
            return False
        return matches(self.matchers, subject.labels)


def open_alerts() -> QuerySet[Alert]:
    """Return the alerts that are not closed."""
    return Alert.objects.exclude(response=Alert.Response.CLOSED)


def subjects_of(alerts: QuerySet[Alert]) -> list[Subject]:
    """Return what matters of these alerts; one query."""
    return [_subject(row) for row in alerts.order_by("pk").values_list(*_FIELDS)]


def active_silences(*, now: datetime) -> QuerySet[Silence]:
    """Return the silences that are on at `now`."""
    return Silence.objects.filter(starts_at__lte=now, ends_at__gt=now).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=now)
    )


def standing_windows(*, now: datetime) -> QuerySet[MaintenanceWindow]:
    """Return the maintenance that began and is not over for good; a span of it may be on."""
    return MaintenanceWindow.objects.filter(
        Q(cancelled_at__isnull=True) | Q(cancelled_at__gt=now),
        Q(ends_at__gt=now) | ~Q(every=MaintenanceWindow.Every.ONCE),
        starts_at__lte=now,
    )


def active_causes(*, now: datetime, site_ids: Collection[int] | None = None) -> list[Cause]:
    """Return the silences and maintenance that are on at `now`; two queries.

    With `site_ids`, those that can hold back an alert of these sites. What cannot be read holds
    nothing back: it is logged as `suppression.unreadable` and stops nothing else.
    """
    silences, windows = active_silences(now=now), standing_windows(now=now)
    if site_ids is not None:
        silences = silences.filter(Q(site__in=site_ids) | Q(site__isnull=True))
        windows = windows.filter(site__in=site_ids)
    return [
        *_readable(silences, _cause_of_silence),
        *_readable(windows, partial(_cause_of_window, now=now)),
    ]


def planned_holds(subject: Subject, causes: Iterable[Cause]) -> list[Hold]:
    """Return what of `causes` holds this alert back."""
    return [cause.hold for cause in causes if cause.covers(subject)]


def in_force(rows: QuerySet[Suppression]) -> dict[int, list[InForce]]:
    """Return those of `rows` that have not ended, by their alert's id; one query."""
    found: dict[int, list[InForce]] = {}
    for row in rows.filter(ended_at__isnull=True).values_list(*InForce._fields):
        found.setdefault(row[1], []).append(InForce(*row))
    return found


def source_of(thing: Silence | MaintenanceWindow | Alert) -> str:
    """Return the source by which a suppression names what it comes from."""
    words = {Silence: "silence", MaintenanceWindow: "maintenance", Alert: "alert"}
    return f"{words[type(thing)]} {thing.pk}"


def _readable(rows: Iterable[Row], read: Callable[[Row], Cause | None]) -> Iterator[Cause]:
    for row in rows:
        try:
            cause = read(row)
        except SuppressionError:
            logger.exception("suppression.unreadable", extra={"row": str(row.pk)})
            continue
        if cause is not None:
            yield cause


def _cause_of_silence(silence: Silence) -> Cause:
    hold = Hold(
        kind=Suppression.Kind.SILENCED,
        source=source_of(silence),
        reason=silence.reason,
        until=silence.ends_at,
        by_id=silence.created_by_id,
        silence_id=silence.pk,
    )
    return Cause(hold, read_matchers(silence.matchers), site_id=silence.site_id)


def _cause_of_window(window: MaintenanceWindow, *, now: datetime) -> Cause | None:
    span = span_at(window, at=now)
    if span is None:
        return None
    hold = Hold(
        kind=Suppression.Kind.MAINTENANCE,
        source=source_of(window),
        reason=window.reason,
        until=span.ends_at,
        by_id=window.created_by_id,
        maintenance_id=window.pk,
    )
    matchers = read_matchers(window.matchers)
    return Cause(hold, matchers, site_id=window.site_id, node_id=window.node_id)


def _subject(row: tuple[Any, ...]) -> Subject:
    pk, site_id, parent_id, node_id, kind, severity, condition, response, *rest = row
    is_storm, is_suppressed, opened_at, summary, slug, region, node, role, said = rest
    is_firing = condition == Alert.Condition.FIRING
    return Subject(
        alert_id=pk,
        site_id=site_id,
        parent_site_id=parent_id,
        node_id=node_id,
        kind=kind,
        severity=severity,
        is_firing=is_firing,
        is_waiting=is_firing and response == Alert.Response.UNACKNOWLEDGED,
        is_storm=is_storm,
        is_suppressed=is_suppressed,
        opened_at=opened_at,
        summary=summary,
        labels=labels_from(
            kind=kind,
            severity=severity,
            site=slug,
            region=region,
            node=node or "",
            role=role or "",
            said=said,
        ),
    )
