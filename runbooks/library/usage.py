"""How a runbook is used: what points to it, how its runs went, and where they stumble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q

from runbooks.library.match import newest_versions
from runbooks.models import Alert, Runbook, RunEntry

SPAN = timedelta(days=90)
#: The latest runs of a runbook that are looked at; their entries are what costs.
MOST_RUNS = 1_000

Kind = RunEntry.Kind
_DONE = (Kind.STEP_DONE, Kind.VERIFIED, Kind.APPROVED)
_FAILED = (Kind.STEP_CANNOT, Kind.VERIFY_FAILED, Kind.OUTCOME_UNKNOWN, Kind.REFUSED)
_SKIPPED = (Kind.STEP_SKIPPED,)
_ENDING = (*_DONE, *_FAILED, *_SKIPPED)
#: What the clock of the next step begins at besides the end of the one before.
_STARTING = (Kind.CREATED, Kind.RESUMED)

# Both statements begin with the runs that count; no value is ever put into their text.
_RECENT = """
    WITH recent AS (
        SELECT run.id, run.state, run.ended_at, COALESCE(run.started_at, run.created_at) AS began_at
        FROM runbooks_run AS run
        JOIN runbooks_runbookversion AS version ON version.id = run.runbook_version_id
        WHERE version.runbook_id = %(runbook)s AND run.created_at >= %(since)s
        ORDER BY run.created_at DESC
        LIMIT %(most)s
    )
"""
_RUNS = f"""
    {_RECENT}
    SELECT count(*),
        count(*) FILTER (WHERE state = 'done'),
        count(*) FILTER (WHERE state = 'aborted'),
        count(*) FILTER (WHERE state = 'failed'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - began_at))
            FILTER (WHERE state = 'done')
    FROM recent
"""  # noqa: S608
# A step lasts from the entry before it to its own, by the clock of the device as the server knows
# it: a tablet that was offline sends an hour's work in one second. What was taken back never was.
_STEPS = f"""
    {_RECENT},
    entry AS (
        SELECT said.id, said.run_id, said.step_id, said.kind,
            COALESCE(
                said.client_at - make_interval(secs => COALESCE(said.skew_seconds, 0)),
                said.received_at
            ) AS at
        FROM runbooks_runentry AS said
        JOIN recent ON recent.id = said.run_id
        WHERE said.kind = ANY(%(kinds)s) AND NOT EXISTS (
            SELECT FROM runbooks_runentry AS back
            WHERE back.run_id = said.run_id AND back.kind = 'taken_back'
                AND back.input ->> 'entry'
                    IN (said.id::text, said.device_id || ':' || said.counter::text)
        )
    ),
    paced AS (
        SELECT *, extract(epoch FROM at - lag(at) OVER (PARTITION BY run_id ORDER BY at, id))
            AS seconds
        FROM entry
    ),
    last AS (
        SELECT DISTINCT ON (run_id, step_id) * FROM paced
        WHERE step_id <> '' ORDER BY run_id, step_id, id DESC
    )
    SELECT step_id, count(*),
        count(*) FILTER (WHERE kind = ANY(%(failed)s)),
        count(*) FILTER (WHERE kind = ANY(%(skipped)s)),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE kind = ANY(%(done)s))
    FROM last GROUP BY step_id
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class KindUsage:
    """The alerts of one kind that were given this runbook."""

    kind: str
    alerts: int
    open: int


@dataclass(frozen=True, slots=True)
class StepUsage:
    """How one step went, in the runs that came to it; `median_seconds` counts those that did it."""

    id: str
    runs: int
    failed: int
    skipped: int
    median_seconds: float | None

    @property
    def fail_rate(self) -> float:
        """Which part of the runs could not do it, or saw that it had not worked."""
        return self.failed / self.runs if self.runs else 0.0

    @property
    def skip_rate(self) -> float:
        """Which part of the runs left it out."""
        return self.skipped / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class RunbookUsage:
    """What happened with one runbook, all its editions together, within SPAN."""

    kinds: tuple[KindUsage, ...]
    linked_from: tuple[str, ...]
    runs: int
    done: int
    aborted: int
    failed: int
    median_minutes: float | None
    steps: tuple[StepUsage, ...]


def usage_of(runbook: Runbook, *, step_ids: Sequence[str], now: datetime) -> RunbookUsage:
    """Return how the runbook was used; four queries, whatever happened.

    `step_ids` are those of the edition that is shown; steps of other editions are left out, and
    those that no run came to say so.
    """
    asked: dict[str, int | datetime | list[str]] = {
        "runbook": runbook.pk,
        "since": now - SPAN,
        "most": MOST_RUNS,
        "kinds": [kind.value for kind in (*_ENDING, *_STARTING)],
        "done": [kind.value for kind in _DONE],
        "failed": [kind.value for kind in _FAILED],
        "skipped": [kind.value for kind in _SKIPPED],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RUNS, asked)
        runs, done, aborted, failed, seconds = cursor.fetchone()
        cursor.execute(_STEPS, asked)
        found = {row[0]: StepUsage(*row) for row in cursor.fetchall()}
    return RunbookUsage(
        kinds=_kinds(runbook, since=now - SPAN),
        linked_from=_linked_from(runbook),
        runs=runs,
        done=done,
        aborted=aborted,
        failed=failed,
        median_minutes=None if seconds is None else float(seconds) / 60,
        steps=tuple(found.get(name, StepUsage(name, 0, 0, 0, None)) for name in step_ids),
    )


def _kinds(runbook: Runbook, *, since: datetime) -> tuple[KindUsage, ...]:
    """Return the kinds of alert that were given it, the most frequent first."""
    is_open = ~Q(response=Alert.Response.CLOSED)
    given = Alert.objects.filter(runbook_version__runbook=runbook)
    rows = (
        given.filter(Q(opened_at__gte=since) | is_open)
        .values_list("kind")
        .annotate(alerts=Count("id"), open=Count("id", filter=is_open))
        .order_by("-alerts", "kind")
    )
    return tuple(KindUsage(*row) for row in rows)


def _linked_from(runbook: Runbook) -> tuple[str, ...]:
    """Return the slugs of the runbooks in force that lead here by a link step."""
    rows = newest_versions().filter(document__steps__contains=[{"runbook": runbook.slug}])
    return tuple(rows.order_by("runbook__slug").values_list("runbook__slug", flat=True))
