"""What agent and server say to each other: frames, reject codes, versions, limits.

One WebSocket, binary frames. The sub-protocol picks the encoding: `hearthwatch.v1.msgpack` for
programs, `hearthwatch.v1.json` for people with a terminal; the frames are the same structs.
`docs/protocol.md` describes them for strangers. This module knows no framework.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

PROTOCOL_VERSION = 1
SUBPROTOCOL_MSGPACK = "hearthwatch.v1.msgpack"
SUBPROTOCOL_JSON = "hearthwatch.v1.json"

#: The largest frame the server reads, in bytes; a larger one closes the connection with 1009.
MAX_FRAME_BYTES = 1 << 20
#: Windows that start later than this after the server's clock are refused, in seconds.
MAX_FUTURE_SECONDS = 600
MAX_SERIES_PER_SET = 4096
MAX_WINDOWS_PER_BATCH = 512
MAX_NODES_PER_HELLO = 4096

#: Lanes, most urgent first: what is new goes before what waited.
LANE_LIVE = 1
LANE_REPORTS = 2
LANE_BACKFILL = 3
#: The largest sequence number: what a signed 64-bit column holds.
MAX_SEQ = 2**63 - 1

CLOSE_UNAUTHORIZED = 4401
CLOSE_BAD_HELLO = 4400
CLOSE_REVOKED = 4403
CLOSE_BUSY = 4429


#: The number of a batch, a state report or a gap within its lane and spool.
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class RejectCode(StrEnum):
    """Why a frame or a window was refused; stable words, never reused for something else."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    BAD_VERSION = "bad_version"
    NOT_GREETED = "not_greeted"
    ALREADY_GREETED = "already_greeted"
    TOO_LARGE = "too_large"
    UNKNOWN_SET = "unknown_set"
    BAD_SET = "bad_set"
    UNKNOWN_NODE = "unknown_node"
    WRONG_LENGTH = "wrong_length"
    NOT_FINITE = "not_finite"
    INCONSISTENT = "inconsistent"
    OUT_OF_RANGE = "out_of_range"
    FUTURE_START = "future_start"
    TOO_OLD = "too_old"
    SEQUENCE_REUSED = "sequence_reused"
    OUT_OF_CREDIT = "out_of_credit"
    BAD_STATE = "bad_state"


class ProtocolError(Exception):
    """A frame that cannot be taken: `code` for machines, the text for people, `path` the place."""

    def __init__(self, code: RejectCode, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.code = code
        self.path = path


class Frame(msgspec.Struct, tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """Base of all frames; `type` tells them apart."""


class Series(msgspec.Struct, frozen=True, array_like=True):
    """One column of a series set: metric name, UCUM unit, the device inside the node."""

    metric: str
    unit: str
    device: str = ""


class HelloNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent says of one node it speaks for."""

    name: str
    boot_id: str = ""
    uptime_seconds: float = 0.0


class Hello(Frame, tag="hello", frozen=True):
    """Agent: who I am, which spool I send from, for which nodes I speak."""

    version: int
    agent: str
    agent_version: str
    epoch: str
    wall_ms: int
    nodes: list[HelloNode]
    window_seconds: float = 60.0


class Welcome(Frame, tag="welcome", frozen=True):
    """Server: what you may send. `credit` is how many batches may be unacknowledged at once."""

    version: int
    session: str
    wall_ms: int
    credit: int
    max_frame_bytes: int = MAX_FRAME_BYTES


class SeriesSetFrame(Frame, tag="series", frozen=True):
    """Agent: the ordered series of my windows, addressed by `hash` (see `series_hash`)."""

    hash: str
    series: list[Series]


#: A column of numbers: a plain list, or little-endian float32 packed as bytes (base64 in JSON).
Column = list[float] | bytes


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node's summaries over `seconds` from `start_ms`; columns follow the series set."""

    node: str
    start_ms: int
    seconds: float
    n: Column
    min: Column
    max: Column
    sum: Column
    last: Column
    flags: int = 0


class Batch(Frame, tag="batch", frozen=True):
    """Agent: windows of one series set; `(epoch, lane, seq)` names the batch for ever."""

    lane: Literal[1, 3]
    seq: Seq
    set: str
    windows: list[Window]


class ReportedItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a node runs or is configured with: a model or a configuration file."""

    kind: Literal["model", "config"]
    name: str
    digest: str = ""
    version: str = ""
    state: Literal["ready", "loading", "absent", "failed"] = "ready"
    detail: str = ""


class StateReport(Frame, tag="state", frozen=True):
    """Agent: everything this node reports at `at_ms`; replaces the report before it."""

    seq: Seq
    node: str
    at_ms: int
    boot_id: str
    uptime_seconds: float
    items: list[ReportedItem]
    lane: Literal[2] = 2


class GapReport(Frame, tag="gap", frozen=True):
    """Agent: windows that will never come, counted, with the reason."""

    seq: Seq
    node: str
    start_ms: int
    end_ms: int
    windows: int
    cause: Literal["evicted", "corrupt", "agent_down", "clock"]
    lane: Literal[2] = 2


class Ping(Frame, tag="ping", frozen=True):
    """Either side: are you there; the other answers with `pong` and the same `id`."""

    id: int
    wall_ms: int


class Pong(Frame, tag="pong", frozen=True):
    """The answer to a ping."""

    id: int
    wall_ms: int


class Ack(Frame, tag="ack", frozen=True):
    """Server: these are committed; forget them. The only acknowledgement there is."""

    lane: int
    seqs: list[int]
    stored: int
    duplicates: int = 0


class Reject(Frame, tag="reject", frozen=True):
    """Server: this was refused and is kept in quarantine; do not send it again as it is."""

    code: str
    message: str
    path: str = "$"
    lane: int | None = None
    seq: int | None = None
    quarantine: int | None = None


class Retry(Frame, tag="retry", frozen=True):
    """Server: not taken now; keep it and send it again after `after_ms`."""

    lane: int
    seqs: list[int]
    after_ms: int
    why: str


class Bye(Frame, tag="bye", frozen=True):
    """Server: I close; come back after `after_ms`."""

    code: str
    message: str
    after_ms: int


AgentFrame = Hello | SeriesSetFrame | Batch | StateReport | GapReport | Ping | Pong
ServerFrame = Welcome | Ack | Reject | Retry | Ping | Pong | Bye


def series_hash(series: list[Series]) -> str:
    """Return the address of an ordered series set: SHA-256 hex over its tab-separated lines."""
    lines = "\n".join(f"{item.metric}\t{item.unit}\t{item.device}" for item in series)
    return hashlib.sha256(lines.encode()).hexdigest()
