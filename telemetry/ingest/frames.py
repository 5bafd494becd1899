"""Are the frames other than batches sound: hello, series set, state report, gap. Pure.

Each check returns what may be stored or raises `ProtocolError` with code, place and sentence.
Text is checked for length and for characters that PostgreSQL cannot hold, so that no frame can
make a transaction fail that it shares with others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from telemetry.ingest.intake import (
    KnownSet,
    LostWindows,
    NodeReport,
    ReportedThing,
    unknown_node,
)
from telemetry.ingest.validate import EARLIEST_START_MS, FLOAT_TOLERANCE, MAX_WINDOW_SECONDS
from telemetry.metrics import CATALOGUE, describe
from telemetry.protocol import (
    MAX_FUTURE_SECONDS,
    MAX_NODES_PER_HELLO,
    MAX_SERIES_PER_SET,
    PROTOCOL_VERSION,
    GapReport,
    Hello,
    ProtocolError,
    RejectCode,
    ReportedItem,
    Series,
    SeriesSetFrame,
    StateReport,
    series_hash,
)

MAX_ITEMS_PER_REPORT = 2048
_MAX_LOST_WINDOWS = 2**31 - 1


def check_hello(hello: Hello) -> None:
    """Raise when this server cannot speak with that agent."""
    if hello.version != PROTOCOL_VERSION:
        newer = "server" if hello.version > PROTOCOL_VERSION else "agent"
        raise ProtocolError(
            RejectCode.BAD_VERSION,
            f"This server speaks version {PROTOCOL_VERSION}, not {hello.version}. "
            f"Upgrade the {newer}.",
            "$.version",
        )
    bad = RejectCode.MALFORMED
    _check_text(bad, "$.agent", hello.agent, most=64, least=1)
    _check_text(bad, "$.agent_version", hello.agent_version, most=40)
    _check_text(bad, "$.epoch", hello.epoch, most=64, least=1)
    if len(hello.nodes) > MAX_NODES_PER_HELLO:
        raise ProtocolError(
            RejectCode.TOO_LARGE,
            f"One agent speaks for {MAX_NODES_PER_HELLO} nodes at most. Use several agents.",
            "$.nodes",
        )
    for index, node in enumerate(hello.nodes):
        _check_text(bad, f"$.nodes[{index}].boot_id", node.boot_id, most=64)
        _check_uptime(bad, f"$.nodes[{index}].uptime_seconds", node.uptime_seconds)
    if not 0 < hello.window_seconds <= MAX_WINDOW_SECONDS:
        message = f"A window lasts more than 0 s and at most {MAX_WINDOW_SECONDS} s."
        raise ProtocolError(bad, message, "$.window_seconds")
    if abs(hello.wall_ms) > 2**53:
        raise ProtocolError(bad, "This is no time in milliseconds since 1970.", "$.wall_ms")


def check_series(frame: SeriesSetFrame) -> KnownSet:
    """Return the announced set with the bounds of its columns."""
    count = len(frame.series)
    if not 1 <= count <= MAX_SERIES_PER_SET:
        raise _bad_set("$.series", f"A set has 1 to {MAX_SERIES_PER_SET} series, not {count}.")
    seen: set[tuple[str, str]] = set()
    for index, series in enumerate(frame.series):
        _check_column(series, f"$.series[{index}]")
        if (series.metric, series.device) in seen:
            message = f"{series.metric!r} of {series.device!r} is there twice. Name the devices."
            raise _bad_set(f"$.series[{index}]", message)
        seen.add((series.metric, series.device))
    if series_hash(frame.series) != frame.hash:
        message = "The hash is not that of the series. See the description of `series`."
        raise _bad_set("$.hash", message)
    metrics = [describe(series.metric, series.unit) for series in frame.series]
    bounds = np.array([(metric.low, metric.high) for metric in metrics], np.float64)
    slack = FLOAT_TOLERANCE * np.abs(bounds).max(axis=1)
    return KnownSet(
        hash=frame.hash,
        series=tuple((series.metric, series.unit, series.device) for series in frame.series),
        low=(bounds[:, 0] - slack).astype(np.float32),
        high=(bounds[:, 1] + slack).astype(np.float32),
    )


def check_state(frame: StateReport, *, nodes: Mapping[str, int], now: datetime) -> NodeReport:
    """Return what a node of this site reports."""
    bad = RejectCode.BAD_STATE
    node_id = _node_id(frame.node, nodes)
    _check_text(bad, "$.boot_id", frame.boot_id, most=64)
    _check_uptime(bad, "$.uptime_seconds", frame.uptime_seconds)
    if len(frame.items) > MAX_ITEMS_PER_REPORT:
        raise ProtocolError(bad, f"A node reports {MAX_ITEMS_PER_REPORT} items at most.", "$.items")
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(frame.items):
        path = f"$.items[{index}]"
        _check_text(bad, f"{path}.name", item.name, most=200, least=1)
        _check_text(bad, f"{path}.digest", item.digest, most=80)
        _check_text(bad, f"{path}.version", item.version, most=60)
        if (item.kind, item.name) in seen:
            raise ProtocolError(bad, f"The {item.kind} {item.name!r} is there twice.", path)
        seen.add((item.kind, item.name))
    return NodeReport(
        node_id=node_id,
        at=_moment(bad, "$.at_ms", frame.at_ms, now),
        boot_id=frame.boot_id,
        uptime_seconds=frame.uptime_seconds,
        items=tuple(_thing(item) for item in frame.items),
    )


def check_gap(frame: GapReport, *, nodes: Mapping[str, int], now: datetime) -> LostWindows:
    """Return which windows of a node of this site will never come."""
    bad = RejectCode.INCONSISTENT
    node_id = _node_id(frame.node, nodes)
    start = _moment(bad, "$.start_ms", frame.start_ms, now)
    # The last lost window may have been going on when the gap was written down.
    end = _moment(bad, "$.end_ms", frame.end_ms, now + timedelta(seconds=MAX_WINDOW_SECONDS))
    if end < start:
        raise ProtocolError(bad, "The gap ends before it starts. Swap the two.", "$.end_ms")
    if not 1 <= frame.windows <= _MAX_LOST_WINDOWS:
        raise ProtocolError(bad, "A gap counts at least one window.", "$.windows")
    return LostWindows(node_id, start, end, frame.windows, frame.cause)


def _check_column(series: Series, path: str) -> None:
    bad = RejectCode.BAD_SET
    _check_text(bad, f"{path}[0]", series.metric, most=200, least=1)
    _check_text(bad, f"{path}[1]", series.unit, most=40)
    _check_text(bad, f"{path}[2]", series.device, most=200)
    known = CATALOGUE.get(series.metric)
    # A catalogued metric in another unit would be judged and shown by the wrong scale.
    if known is not None and known.unit != series.unit:
        message = f"{series.metric} comes in {known.unit!r}, not in {series.unit!r}. Convert it."
        raise ProtocolError(bad, message, f"{path}[1]")


def _bad_set(path: str, message: str) -> ProtocolError:
    return ProtocolError(RejectCode.BAD_SET, message, path)


def _check_text(code: RejectCode, path: str, text: str, *, most: int, least: int = 0) -> None:
    if not least <= len(text) <= most:
        raise ProtocolError(code, f"Use {least} to {most} characters, not {len(text)}.", path)
    if not text.isprintable():
        raise ProtocolError(code, "Use printable characters only.", path)


def _check_uptime(code: RejectCode, path: str, seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ProtocolError(code, "An uptime is a number of seconds, 0 or more.", path)


def _node_id(name: str, nodes: Mapping[str, int]) -> int:
    if name not in nodes:
        raise unknown_node(name, "$.node")
    return nodes[name]


def _moment(code: RejectCode, path: str, milliseconds: int, now: datetime) -> datetime:
    latest = (now.timestamp() + MAX_FUTURE_SECONDS) * 1000
    if not EARLIEST_START_MS <= milliseconds <= latest:
        message = "This is no time between the year 2000 and now. Set the node's clock."
        raise ProtocolError(code, message, path)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _thing(item: ReportedItem) -> ReportedThing:
    detail = "".join(letter if letter.isprintable() else " " for letter in item.detail[:300])
    return ReportedThing(item.kind, item.name, item.digest, item.version, item.state, detail)
