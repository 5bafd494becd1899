"""Batches of devices: each entry is taken in once or kept aside, and the device is told which.

A device deletes exactly what is named in the answer. An answer that is lost costs nothing: the
same batch is recognised by device and count and answered alike.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from runbooks.models import Run, RunEntry, RunToken, Tablet
from runbooks.runs.batch import Batch, read_entry
from runbooks.runs.canonical import is_authentic
from runbooks.runs.clocks import skew_when_written
from runbooks.runs.errors import RunError
from runbooks.runs.log import locked_run, settle
from runbooks.runs.quarantine import keep_aside
from runbooks.runs.record import Place, device_writer, is_same_word, place_of, record
from runbooks.runs.tokens import refuse_invalid
from runbooks.runs.told import tell_of_kept_aside, tell_of_late_entries
from runbooks.runs.visible import visible

logger = logging.getLogger(__name__)

#: Entries a run takes; a runbook has a hundred steps at most.
MOST_OF_RUN = 5000


@dataclass(slots=True)
class Receipt:
    """What became of a batch: the counts kept, and those kept aside with why."""

    kept: list[int] = field(default_factory=list)
    quarantined: list[tuple[int, RunError]] = field(default_factory=list)
    #: Whether the sender may be told how the run stands.
    may_read: bool = True


def take_in_batch(
    *, run: Run, token: RunToken, secret: str, batch: Batch, now: datetime
) -> Receipt:
    """Take in a batch that came with a known key, of this run or of another, in force or not.

    `secret` is the key's text, under which the entries were signed. Raises RunError only where
    nothing at all was stored.
    """
    refusal = _refusal_of(run, token, batch, now)
    # Another run's key opens nothing here: what it brought is kept with its own run.
    home = run if token.run_id == run.pk else token.run
    with transaction.atomic():
        locked = locked_run(home.pk)
        receipt = _Intake(locked, token, secret, batch, now).take(refusal)
        _note_device(batch, receipt, now)
    receipt.may_read = refusal is None
    return receipt


def _refusal_of(run: Run, token: RunToken, batch: Batch, now: datetime) -> RunError | None:
    """Return why nothing of the batch can be taken in, None where it can."""
    if token.run_id != run.pk:
        return RunError(
            "entry_of_another_run",
            f"The entry came to R-{run.pk} with a key to R-{token.run_id}; it is kept aside there.",
        )
    if token.device_id != batch.device_id:
        return RunError(
            "token_of_another_device",
            f"The key to R-{run.pk} belongs to another device; ask the lead for one of your own.",
        )
    try:
        refuse_invalid(token, now=now)
    except RunError as refusal:
        return refusal
    return None


class _Intake:
    """One batch on its way into the log of a locked run."""

    def __init__(self, run: Run, token: RunToken, secret: str, batch: Batch, now: datetime) -> None:
        self._run, self._token, self._secret = run, token, secret
        self._batch, self._now = batch, now
        self._skew = (batch.sent_at - now).total_seconds()
        self._places: dict[object, Place] = {}

    def take(self, refusal: RunError | None) -> Receipt:
        receipt = Receipt()
        known = self._known()
        room = MOST_OF_RUN - self._run.entries.count()
        is_changed = is_late = False
        for entry in self._batch.entries:
            count = entry["count"]
            row = known.get(count)
            if row is not None and self._is_same(row, entry):
                receipt.kept.append(count)
                continue
            try:
                if refusal is not None:
                    raise refusal
                self._refuse(entry, row, room)
                row = self._record(entry)
            except RunError as exc:
                if self._is_kept_aside(entry, exc):
                    receipt.quarantined.append((count, exc))
                continue
            room -= 1
            is_changed = True
            is_late |= row.is_after_end and row.actor_id != self._run.lead_id
            receipt.kept.append(count)
        if is_changed:
            settle(self._run, now=self._now)
        self._tell_lead(receipt, is_late=is_late)
        return receipt

    def _tell_lead(self, receipt: Receipt, *, is_late: bool) -> None:
        """Tell the lead of what came too late and of what is newly kept aside."""
        if is_late:
            tell_of_late_entries(run=self._run, now=self._now)
        # What came before and was settled is named in the receipt too.
        fresh = self._run.quarantine.filter(settlement="", received_at=self._now)
        if receipt.quarantined and fresh.exists():
            _, refusal = receipt.quarantined[0]
            tell_of_kept_aside(run=self._run, why=refusal.sentence, now=self._now)

    def _known(self) -> dict[int | None, RunEntry]:
        counts = [entry["count"] for entry in self._batch.entries]
        rows = RunEntry.objects.filter(device_id=self._batch.device_id, counter__in=counts)
        return {row.counter: row for row in rows.select_related("runbook_version")}

    def _is_same(self, row: RunEntry, entry: Mapping[str, Any]) -> bool:
        """Tell whether the log has this very entry already."""
        try:
            draft = read_entry(visible(entry), device_id=self._batch.device_id)
        except RunError:
            return False
        return is_same_word(row, draft, entry.get("version"), run=self._run)

    def _refuse(self, entry: Mapping[str, Any], row: RunEntry | None, room: int) -> None:
        if not is_authentic(entry, token=self._secret):
            raise RunError(
                "entry_tampered",
                "The entry does not carry the mark of the device that wrote it; it was changed on "
                "its way, or signed with another key.",
            )
        if row is not None:
            raise RunError(
                "entry_differs",
                f"The device sent another entry number {entry['count']} before; the first stands.",
            )
        if room <= 0:
            raise RunError("run_full", f"R-{self._run.pk} holds {MOST_OF_RUN} entries; end it.")

    def _record(self, entry: Mapping[str, Any]) -> RunEntry:
        draft = read_entry(entry, device_id=self._batch.device_id)
        place = self._place(entry.get("version"))
        writer = device_writer(self._token, draft)
        skew = skew_when_written(
            draft, sent_skew=self._skew, began_at=self._run.created_at, received_at=self._now
        )
        place = replace(place, skew_seconds=skew)
        return record(run=self._run, draft=draft, writer=writer, place=place, now=self._now)

    def _place(self, number: object) -> Place:
        """Return what was in front of the writer; one edition is read once a batch."""
        # A device may send anything there, a list too, which no dict can be asked for.
        known = number if isinstance(number, int) else None
        if known not in self._places:
            place = place_of(self._run, number)
            known = place.version.number
            self._places[known] = place
        return self._places[known]

    def _is_kept_aside(self, entry: Mapping[str, Any], refusal: RunError) -> bool:
        """Keep a refused entry aside; False leaves it on the device, where there is no room."""
        kept = keep_aside(
            entry=entry,
            refusal=refusal,
            run=self._run,
            token=self._token,
            device_id=self._batch.device_id,
            skew_seconds=self._skew,
            now=self._now,
        )
        return kept is not None


def _note_device(batch: Batch, receipt: Receipt, now: datetime) -> None:
    """Note what the device still holds once it has the answer; one that was never made ready has no
    row, one that was for several sites has one for each."""
    named = len(receipt.kept) + len(receipt.quarantined)
    waiting = min(max(0, batch.waiting - named), 2**31 - 1)
    tablets = Tablet.objects.filter(device_id=batch.device_id)
    tablets.update(waiting_count=waiting, last_seen_at=now)
