"""What one transaction does with a group of intakes: all of it commits, or nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Max

from fleet.models import Node, ReportedState
from telemetry import store
from telemetry.ingest.intake import (
    CheckedWindows,
    Intake,
    LostWindows,
    NodeReport,
    Outcome,
    Refusal,
)
from telemetry.models import BootRecord, Gap, Rejection
from telemetry.protocol import RejectCode
from telemetry.store import LedgerKey, LedgerLine, WindowBlock

_MATRICES = ("n", "min", "max", "sum", "last")


@dataclass(frozen=True, slots=True)
class Committed:
    """What a committed group came to: outcomes in the order of the intakes, and set ids by hash."""

    outcomes: list[Outcome]
    set_ids: dict[str, int]


def commit_group(intakes: Sequence[Intake], *, set_ids: Mapping[str, int]) -> Committed:
    """Store the intakes in one transaction and return after its COMMIT.

    `set_ids` are the series sets whose rows are known to exist, by hash. Raises Django's database
    errors; the outcome of a COMMIT whose connection broke is unknown then, and doing the same
    again is safe because the ledger refuses what is there.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        verdicts = _judge(cursor, intakes)
        fresh = [
            intake
            for intake, verdict in zip(intakes, verdicts, strict=True)
            if verdict is None and intake.is_ledgered
        ]
        known = dict(set_ids) | _missing_sets(fresh, set_ids)
        _store_windows(cursor, fresh, known)
        _store_reports(cursor, [intake.report for intake in fresh if intake.report is not None])
        _store_losses(fresh)
        outcomes = [
            _outcome(intake, verdict) for intake, verdict in zip(intakes, verdicts, strict=True)
        ]
        outcomes = _quarantine(outcomes)
    return Committed(outcomes, known)


def _key(intake: Intake) -> LedgerKey:
    return LedgerKey(intake.source_id or 0, intake.lane or 0, intake.seq or 0)


def _judge(cursor: Any, intakes: Sequence[Intake]) -> list[LedgerLine | None]:
    """Return for each intake what the ledger held under its key before it, None when nothing."""
    firsts: dict[LedgerKey, LedgerLine] = {}
    before: list[LedgerLine | None] = []
    for intake in intakes:
        line = None
        if intake.is_ledgered:
            line = firsts.get(_key(intake))
            windows = len(intake.windows) if intake.windows is not None else 0
            firsts.setdefault(
                _key(intake),
                LedgerLine(_key(intake), intake.checksum, windows, intake.received_at),
            )
        before.append(line)
    if not firsts:
        return before
    entered = store.enter_ledger(cursor, firsts.values())
    old_keys = [key for key in firsts if key not in entered]
    old = store.known_lines(cursor, old_keys) if old_keys else {}
    return [
        old.get(_key(intake), line) if intake.is_ledgered else None
        for intake, line in zip(intakes, before, strict=True)
    ]


def _missing_sets(fresh: Iterable[Intake], set_ids: Mapping[str, int]) -> dict[str, int]:
    used = {intake.windows.known_set for intake in fresh if intake.windows is not None}
    missing = {
        known.hash: [list(series) for series in known.series]
        for known in used
        if known.hash not in set_ids
    }
    return store.series_set_ids(missing) if missing else {}


def _store_windows(cursor: Any, fresh: Sequence[Intake], set_ids: Mapping[str, int]) -> None:
    by_set: dict[str, list[tuple[CheckedWindows, int]]] = {}
    for intake in fresh:
        if intake.windows is not None:
            received_ms = int(intake.received_at.timestamp() * 1000)
            by_set.setdefault(intake.windows.known_set.hash, []).append(
                (intake.windows, received_ms)
            )
    if not by_set:
        return
    blocks = [block for key, parts in by_set.items() for block in _blocks(set_ids[key], parts)]
    store.copy_windows(cursor, blocks)
    _advance(cursor, blocks)


def _blocks(set_id: int, parts: Sequence[tuple[CheckedWindows, int]]) -> list[WindowBlock]:
    return [
        WindowBlock(
            series_set_id=set_id,
            node_ids=windows.node_ids,
            start_ms=windows.start_ms,
            seconds=windows.seconds,
            flags=windows.flags | np.where(windows.is_late, store.WINDOW_LATE, 0).astype(np.int16),
            received_ms=np.full(len(windows), received_ms, np.int64),
            **{name: getattr(windows, name) for name in _MATRICES},
        )
        for windows, received_ms in parts
    ]


def _advance(cursor: Any, blocks: Sequence[WindowBlock]) -> None:
    """Move the nodes forward by the windows that are live; late ones change nothing current."""
    live = [(block.flags & store.WINDOW_LATE) == 0 for block in blocks]

    def joined(name: str) -> Any:
        parts = [getattr(block, name)[mask] for block, mask in zip(blocks, live, strict=True)]
        return np.concatenate(parts)

    seconds = joined("seconds")
    store.advance_nodes(
        cursor,
        node_ids=joined("node_ids"),
        received_ms=joined("received_ms"),
        end_ms=joined("start_ms") + np.rint(seconds.astype(np.float64) * 1000).astype(np.int64),
        seconds=seconds,
    )


def _store_reports(cursor: Any, reports: Sequence[NodeReport]) -> None:
    """Keep every boot, and of each node the newest report if none as new is there."""
    if not reports:
        return
    BootRecord.objects.bulk_create(
        [
            BootRecord(
                node_id=report.node_id,
                boot_id=report.boot_id,
                reported_at=report.at,
                uptime_seconds=report.uptime_seconds,
            )
            for report in reports
            if report.boot_id
        ],
        ignore_conflicts=True,
    )
    newest: dict[int, NodeReport] = {}
    for report in reports:
        if report.node_id not in newest or report.at > newest[report.node_id].at:
            newest[report.node_id] = report
    # One door after the other, in one order: the newer report must win whoever commits first.
    locked = Node.objects.filter(pk__in=newest).order_by("pk").select_for_update(no_key=True)
    list(locked.values_list("pk"))
    seen = ReportedState.objects.filter(node_id__in=newest).order_by()
    latest = dict(seen.values_list("node_id").annotate(at=Max("observed_at")))
    taken = [
        report
        for node_id, report in newest.items()
        if node_id not in latest or report.at > latest[node_id]
    ]
    _replace_reports(cursor, taken)


def _replace_reports(cursor: Any, reports: Sequence[NodeReport]) -> None:
    if not reports:
        return
    fields = ["digest", "version", "state", "detail", "observed_at"]
    ReportedState.objects.bulk_create(
        [
            ReportedState(
                node_id=report.node_id,
                observed_at=report.at,
                kind=item.kind,
                name=item.name,
                digest=item.digest,
                version=item.version,
                state=item.state,
                detail=item.detail,
            )
            for report in reports
            for item in report.items
        ],
        update_conflicts=True,
        unique_fields=["node", "kind", "name"],
        update_fields=fields,
    )
    store.forget_older_reports(cursor, {report.node_id: report.at for report in reports})
    store.note_boots(
        cursor, {report.node_id: report.boot_id for report in reports if report.boot_id}
    )


def _store_losses(fresh: Iterable[Intake]) -> None:
    def row(loss: LostWindows, reported_at: datetime) -> Gap:
        return Gap(
            node_id=loss.node_id,
            start=loss.start,
            end=loss.end,
            windows=loss.windows,
            cause=loss.cause,
            reported_at=reported_at,
        )

    gaps = [row(loss, intake.received_at) for intake in fresh for loss in intake.lost]
    if gaps:
        Gap.objects.bulk_create(gaps)


def _outcome(intake: Intake, before: LedgerLine | None) -> Outcome:
    """Return what becomes of an intake; `before` is what the ledger held under its key."""
    told = [(refusal, None) for refusal in intake.refusals]
    reports = int(intake.windows is None and intake.is_ledgered and not intake.refusals)
    if before is None:
        stored = len(intake.windows) if intake.windows is not None else reports
        return Outcome(intake, stored=stored, refusals=told)
    if before.checksum == intake.checksum:
        # Told again, for the first answer may never have arrived; the rows are there already.
        count = before.windows or reports
        return Outcome(intake, duplicates=count, refusals=told, is_repeat=True)
    refusal = Refusal(
        RejectCode.SEQUENCE_REUSED,
        "$.seq",
        f"Number {intake.seq} of lane {intake.lane} was used for something else before, so this "
        "was not stored. Start a new spool epoch; a spool was copied or restored.",
        intake.head,
        intake.size,
    )
    return Outcome(intake, refusals=[(refusal, None)])


def _quarantine(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Keep what was refused for the first time and return the outcomes with its numbers."""
    rows: list[Rejection] = []
    places: list[tuple[int, int]] = []
    for place, outcome in enumerate(outcomes):
        if outcome.is_repeat:
            continue
        for position, (refusal, _number) in enumerate(outcome.refusals):
            if refusal.is_kept:
                rows.append(_rejection(outcome.intake, refusal))
                places.append((place, position))
    if not rows:
        return list(outcomes)
    told = [list(outcome.refusals) for outcome in outcomes]
    kept = Rejection.objects.bulk_create(rows)
    for (place, position), row in zip(places, kept, strict=True):
        told[place][position] = (told[place][position][0], row.pk)
    return [
        replace(outcome, refusals=refusals)
        for outcome, refusals in zip(outcomes, told, strict=True)
    ]


def _rejection(intake: Intake, refusal: Refusal) -> Rejection:
    return Rejection(
        site_id=intake.site_id,
        source_id=intake.source_id,
        received_at=intake.received_at,
        code=refusal.code.value,
        path=refusal.path[:200],
        # PostgreSQL holds no NUL, and a sentence may quote what the agent wrote.
        message=refusal.message.replace("\0", "\N{REPLACEMENT CHARACTER}")[:500],
        lane=intake.lane,
        seq=intake.seq,
        size=refusal.size,
        head=refusal.head or intake.head,
    )
