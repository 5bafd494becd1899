"""What the read loop hands to the committer, and what it gets back. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from telemetry.protocol import Ack, ProtocolError, Reject, RejectCode, ServerFrame

#: How much of a refused frame or window is kept in quarantine, in bytes.
HEAD_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Refusal:
    """One frame or window that was refused: code, place and sentence, and its first bytes.

    One that is not kept is told to the agent but gets no row, because many of its kind came
    within the same minute.
    """

    code: RejectCode
    path: str
    message: str
    head: bytes
    size: int
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class LostWindows:
    """Windows of a node that will never come; `cause` is a word of `Gap.Cause`."""

    node_id: int
    start: datetime
    end: datetime
    windows: int
    cause: str


@dataclass(frozen=True, slots=True, eq=False)
class KnownSet:
    """A series set that was announced and found good, with the bounds of each column.

    `low` and `high` are float32 arrays with one number a series.
    """

    hash: str
    series: tuple[tuple[str, str, str], ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CheckedWindows:
    """The windows of one batch that may be stored: one row a window, one column a series.

    Times are milliseconds since 1970; `is_late` marks what is shown but never current.
    """

    known_set: KnownSet
    node_ids: NDArray[np.int64]
    start_ms: NDArray[np.int64]
    seconds: NDArray[np.float32]
    flags: NDArray[np.int16]
    is_late: NDArray[np.bool_]
    n: NDArray[np.int32]
    min: NDArray[np.float32]
    max: NDArray[np.float32]
    sum: NDArray[np.float32]
    last: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.node_ids)

    @property
    def nbytes(self) -> int:
        """Roughly the memory these windows hold, in bytes."""
        return 5 * self.n.nbytes + 32 * len(self)


@dataclass(frozen=True, slots=True)
class ReportedThing:
    """One item of a state report, as it may be stored."""

    kind: str
    name: str
    digest: str
    version: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """Everything one node reported at `at`."""

    node_id: int
    at: datetime
    boot_id: str
    uptime_seconds: float
    items: tuple[ReportedThing, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """One frame on its way into the database; whatever is in it commits or fails as one.

    One that `is_ledgered` has a lane and a number, enters the ledger under them and is
    acknowledged; another only carries refusals to be kept. `head` are the frame's first bytes,
    for a quarantine decided later, and `size` its length in bytes. `afterwards` are frames to
    send when all else was told.
    """

    site_id: int
    source_id: int | None
    received_at: datetime
    size: int
    head: bytes
    lane: int | None = None
    seq: int | None = None
    checksum: int = 0
    is_ledgered: bool = False
    windows: CheckedWindows | None = None
    report: NodeReport | None = None
    lost: tuple[LostWindows, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    afterwards: tuple[ServerFrame, ...] = ()

    @property
    def weight(self) -> int:
        """Roughly what it holds of the queue's memory, in bytes."""
        # Measured: the objects themselves take 1 to 2 kB, a decoded report four times its frame.
        held = self.windows.nbytes if self.windows is not None else 0
        held += 4 * self.size if self.report is not None else 0
        heads = sum(len(refusal.head) for refusal in self.refusals)
        return 2000 + len(self.head) + held + heads + 300 * (len(self.refusals) + len(self.lost))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of an intake after the COMMIT, counted in windows and reports.

    `refusals` pairs each refusal with its quarantine number, None where no row was kept.
    """

    intake: Intake
    stored: int = 0
    duplicates: int = 0
    refusals: Sequence[tuple[Refusal, int | None]] = ()
    #: The very same was committed before.
    is_repeat: bool = False
    is_committed: bool = True


@dataclass(slots=True)
class _Tally:
    lane: int
    seqs: list[int] = field(default_factory=list)
    stored: int = 0
    duplicates: int = 0

    def count(self, seq: int, outcome: Outcome) -> None:
        self.seqs.append(seq)
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates


def answers_to(outcomes: Iterable[Outcome]) -> list[ServerFrame]:
    """Return the frames that tell one connection: first what was refused, then what is committed.

    Acknowledgements of one lane share a frame, but a number that comes twice is told twice.
    """
    rejects: list[ServerFrame] = []
    tallies: list[_Tally] = []
    newest: dict[int, _Tally] = {}
    afterwards: list[ServerFrame] = []
    for outcome in outcomes:
        intake = outcome.intake
        rejects += [reject_for(intake, refusal, number) for refusal, number in outcome.refusals]
        afterwards += intake.afterwards
        if not intake.is_ledgered or not outcome.is_committed:
            continue
        lane, seq = intake.lane or 0, intake.seq or 0
        if lane not in newest or seq in newest[lane].seqs:
            newest[lane] = _Tally(lane)
            tallies.append(newest[lane])
        newest[lane].count(seq, outcome)
    acks = [
        Ack(lane=tally.lane, seqs=tally.seqs, stored=tally.stored, duplicates=tally.duplicates)
        for tally in tallies
    ]
    return [*rejects, *acks, *afterwards]


def reject_for(intake: Intake, refusal: Refusal, number: int | None) -> Reject:
    """Return the frame that tells the agent of a refusal; `number` is its quarantine number."""
    return Reject(
        code=refusal.code,
        message=refusal.message,
        path=refusal.path,
        lane=intake.lane,
        seq=intake.seq,
        quarantine=number,
    )


def unknown_node(name: str, path: str) -> ProtocolError:
    """Return the error for a name that is no node of the agent's site."""
    message = f"There is no node {name[:60]!r} at this site. Add it, or correct the name."
    return ProtocolError(RejectCode.UNKNOWN_NODE, message, path)
