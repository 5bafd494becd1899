"""What the agent makes, the server's own checks take, whatever the sensors say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.agent.measuring import Answer
from telemetry.agent.reports import StateReports
from telemetry.agent.source import Boot, MeasuredNode, Sample
from telemetry.agent.window import Coverage, Span, WindowBuilder
from telemetry.codec import Codec
from telemetry.ingest.frames import check_gap, check_series, check_state
from telemetry.ingest.validate import check_batch
from telemetry.metrics import CATALOGUE
from telemetry.protocol import (
    SUBPROTOCOL_MSGPACK,
    Batch,
    GapReport,
    ReportedItem,
    SeriesSetFrame,
)
from tests.agent.clocks import NOON
from tests.agent.worlds import MINUTE_MS, NOON_MS, TalkingSource, make_spool

NOW = datetime.fromtimestamp(NOON + 61, UTC)
NODES = {"edge-01": 1}

believable = st.sampled_from(list(CATALOGUE.values())).flatmap(
    lambda metric: st.builds(
        Sample,
        st.just(metric.name),
        st.just(metric.unit),
        st.sampled_from(["", "inlet"]),
        st.floats(metric.low, metric.high),
    )
)
wild = st.builds(
    Sample,
    st.sampled_from([*CATALOGUE, "mdc.unheard.of"]),
    st.sampled_from(["1", "Cel"]),
    st.text(max_size=5),
    st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float)),
)
readings = believable | wild


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(readings, max_size=60))
def test_the_server_refuses_no_window_that_the_agent_makes(samples: list[Sample]) -> None:
    builder = WindowBuilder(window_seconds=60, coverage=Coverage())
    builder.move_to(NOON_MS)
    builder.add(node="edge-01", samples=samples)
    closed = builder.move_to(NOON_MS + MINUTE_MS)
    assert closed is not None
    for group in closed.sets:
        known = check_series(SeriesSetFrame(hash=group.hash, series=group.series))
        batch = Batch(lane=1, seq=1, set=group.hash, windows=group.windows)
        checked = check_batch(batch, known_set=known, nodes=NODES, now=NOW)
        assert checked.refusals == []
        assert checked.windows is not None
        assert len(checked.windows) == 1


def test_the_server_takes_the_agents_state_report() -> None:
    source = TalkingSource()
    reports = StateReports([MeasuredNode("edge-01", [source])])
    answer = Answer(
        samples=[],
        items=[ReportedItem(kind="model", name="llama", detail="Says \n things.")],
        boot=Boot("boot-1", 5.0),
    )
    reports.take_items("edge-01", source, answer.items)
    reports.take_boot("edge-01", Boot("boot-1", 5.0), monotonic=0.0)
    (report,) = reports.due(now_ms=NOON_MS, monotonic=60.0)
    stored = check_state(report, nodes=NODES, now=NOW)
    assert (stored.boot_id, stored.uptime_seconds, len(stored.items)) == ("boot-1", 65.0, 1)


@pytest.mark.parametrize("content", [b"", b"noise" * 2000])
def test_the_server_takes_the_gap_of_a_damaged_spool(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool.sqlite3").write_bytes(content)
    spool = make_spool(tmp_path)
    spool.write_gap(
        node="edge-01", span=Span(NOON_MS - MINUTE_MS, NOON_MS), windows=1, cause="clock"
    )
    codec = Codec(SUBPROTOCOL_MSGPACK)
    frames = [
        codec.decode_from_agent(offer.frame) for offer in spool.offer(limit=9, live_from_ms=0)
    ]
    gaps = [frame for frame in frames if isinstance(frame, GapReport)]
    taken = [check_gap(gap, nodes=NODES, now=NOW).cause for gap in gaps]
    assert taken == ["corrupt", "clock"]
