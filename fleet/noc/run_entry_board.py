"""One entry of a run as its pages show it: by whom, on what, by which clock, with its photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fleet.noc.run_words import entry_words, skew_words
from runbooks.models import Run, RunEntry, Tablet
from runbooks.runs.scans import scan_difference
from runbooks.runs.sheet import said_in_words, written_at

_SHORT_DEVICE: Final = 8


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo that an entry names; it may still be on the device."""

    sha256: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry for people.

    `at` is when it was written, by the server's clock; `client_at` by the device's own.
    """

    row: RunEntry
    words: str
    said: str
    by: str
    device: str
    at: datetime
    client_at: datetime | None
    received_at: datetime
    step_number: int
    marks: tuple[str, ...]
    photos: tuple[Photo, ...]

    @property
    def was_held(self) -> bool:
        """Whether it was written well before it arrived: on a tablet without a network."""
        return self.received_at - self.at > timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What entries are shown with, read once for all of them."""

    zone: str
    numbers: Mapping[str, int]
    devices: Mapping[str, str]
    photos: Collection[str]
    taken_back: Collection[str]
    outside: Collection[int]


def log_facts(
    run: Run, rows: list[RunEntry], *, numbers: Mapping[str, int], outside: Collection[int]
) -> LogFacts:
    """Return what the entries of a run are shown with; two queries."""
    devices = {row.device_id for row in rows if row.device_id}
    labels = Tablet.objects.filter(device_id__in=devices).values_list("device_id", "label")
    return LogFacts(
        zone=run.site.time_zone,
        numbers=numbers,
        devices={device: label for device, label in labels if label},
        photos=set(run.photos.values_list("sha256", flat=True)),
        taken_back=_taken_back(rows),
        outside=outside,
    )


def entry_view(row: RunEntry, facts: LogFacts) -> EntryView:
    """Return one entry for people."""
    return EntryView(
        row=row,
        words=entry_words(row, facts.zone),
        said=said_in_words(row),
        by=row.actor_name or row.get_channel_display(),
        device=device_words(row.device_id, facts.devices),
        at=written_at(row),
        client_at=row.client_at,
        received_at=row.received_at,
        step_number=facts.numbers.get(row.step_id, 0),
        marks=_marks(row, facts),
        photos=tuple(Photo(sha256, sha256 in facts.photos) for sha256 in row.evidence),
    )


def device_words(device_id: str, labels: Mapping[str, str]) -> str:
    """Return a device's label or the beginning of its id; empty for a browser."""
    return labels.get(device_id) or device_id[:_SHORT_DEVICE]


def _marks(row: RunEntry, facts: LogFacts) -> tuple[str, ...]:
    marks = {
        "outside the bounds": row.pk in facts.outside,
        scan_difference(row.input): True,
        skew_words(row.skew_seconds): True,
        "after the end": row.is_after_end,
        "taken back": str(row.pk) in facts.taken_back
        or f"{row.device_id}:{row.counter}" in facts.taken_back,
    }
    return tuple(words for words, is_so in marks.items() if words and is_so)


def _taken_back(rows: list[RunEntry]) -> set[str]:
    kinds = RunEntry.Kind.TAKEN_BACK
    return {str(row.input.get("entry", "")) for row in rows if row.kind == kinds}
