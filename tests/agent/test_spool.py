"""The spool: what is written stays, keeps its number, and is accounted for when it goes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.agent.spool import Spool
from telemetry.agent.spool_entries import Offer
from telemetry.agent.spool_file import SpoolError
from telemetry.agent.window import Span
from telemetry.codec import Codec
from telemetry.protocol import (
    SUBPROTOCOL_MSGPACK,
    Batch,
    GapReport,
    Reject,
    RejectCode,
    ReportedItem,
    Series,
    StateReport,
)
from tests.agent.worlds import (
    MINUTE_MS,
    NOON_MS,
    SERIES,
    closed_minute,
    make_spool,
    write_minutes,
)

CODEC = Codec(SUBPROTOCOL_MSGPACK)
#: About 20 kB a window, so that few of them fill a megabyte.
WIDE = [Series("hw.temperature", "Cel", f"probe {number}") for number in range(1000)]


def offer_all(spool: Spool, *, live_from_ms: int = 0) -> list[Offer]:
    return spool.offer(limit=100_000, live_from_ms=live_from_ms)


def batches_of(spool: Spool) -> list[Batch]:
    frames = [CODEC.decode_from_agent(offer.frame) for offer in offer_all(spool)]
    return [frame for frame in frames if isinstance(frame, Batch)]


def gaps_of(spool: Spool) -> list[GapReport]:
    frames = [CODEC.decode_from_agent(offer.frame) for offer in offer_all(spool)]
    return [frame for frame in frames if isinstance(frame, GapReport)]


def state_at(minute: int, **overrides: object) -> StateReport:
    given: dict[str, object] = {
        "seq": 0,
        "node": "edge-01",
        "at_ms": NOON_MS + minute * MINUTE_MS,
        "boot_id": "boot-1",
        "uptime_seconds": 1.0,
        "items": [],
    }
    return StateReport(**{**given, **overrides})  # type: ignore[arg-type]  # plain test data


def test_what_is_acknowledged_is_forgotten_and_the_rest_stays(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(4))
    offer_all(spool)
    assert spool.forget(lane=1, seqs=[1, 3]) == 2
    assert spool.forget(lane=1, seqs=[1, 3]) == 0
    assert [offer.seq for offer in offer_all(spool)] == [2, 4]


def test_a_reopened_spool_keeps_epoch_numbers_bytes_and_coverage(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.coverage.add(Span(NOON_MS, NOON_MS + 2 * MINUTE_MS))
    write_minutes(spool, range(2))
    before = [(offer.lane, offer.seq, offer.frame) for offer in offer_all(spool)]
    spool.close()
    again = make_spool(tmp_path)
    write_minutes(again, [2])
    after = [(offer.lane, offer.seq, offer.frame) for offer in offer_all(again)]
    assert after[:2] == before
    assert [seq for _, seq, _ in after] == [1, 2, 3]
    assert again.epoch == spool.epoch
    assert again.coverage.spans == [Span(NOON_MS, NOON_MS + 2 * MINUTE_MS)]


def test_the_number_of_a_forgotten_batch_is_not_used_again(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, [0])
    offer_all(spool)
    spool.forget(lane=1, seqs=[1])
    spool.close()
    again = make_spool(tmp_path)
    write_minutes(again, [1])
    assert [offer.seq for offer in offer_all(again)] == [2]


def test_what_was_never_offered_goes_to_backfill_when_it_is_old(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, [-10, -1])
    offers = offer_all(spool, live_from_ms=NOON_MS - 2 * MINUTE_MS)
    assert [(offer.lane, offer.seq) for offer in offers] == [(1, 1), (3, 1)]


def test_what_was_offered_live_stays_live_however_old_it_gets(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, [0])
    offer_all(spool)
    offers = offer_all(spool, live_from_ms=NOON_MS + 100 * MINUTE_MS)
    assert [(offer.lane, offer.seq) for offer in offers] == [(1, 1)]


def test_what_is_under_way_is_not_offered(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(3))
    spool.write_state(state_at(3))
    under_way = [offer.entry_id for offer in offer_all(spool) if offer.seq == 1]
    rest = spool.offer(limit=10, live_from_ms=0, excluding=under_way)
    assert [(offer.lane, offer.seq) for offer in rest] == [(1, 2), (1, 3)]


def test_windows_of_many_nodes_share_a_batch_up_to_its_limit(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.write_span(closed_minute(0, nodes=[f"node-{number}" for number in range(600)]))
    assert [len(batch.windows) for batch in batches_of(spool)] == [512, 88]


def test_wide_windows_share_a_batch_only_while_the_frame_is_small_enough(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    names = [f"node-{number}" for number in range(100)]
    spool.write_span(closed_minute(0, nodes=names, series=WIDE))
    offers = offer_all(spool)
    assert len(offers) == 3
    assert max(len(offer.frame) for offer in offers) < 1 << 20


def test_a_frame_above_the_servers_limit_is_split(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.write_span(closed_minute(0, nodes=["a", "b", "c", "d"], series=WIDE))
    offers = spool.offer(limit=10, live_from_ms=0, max_bytes=45_000)
    assert len(offers) == 2
    assert all(len(offer.frame) <= 45_000 for offer in offers)


def test_a_single_window_above_the_servers_limit_is_given_up_and_accounted_for(
    tmp_path: Path,
) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, [0], series=WIDE)
    assert spool.offer(limit=10, live_from_ms=0, max_bytes=10_000)[0].lane == 2
    assert [(gap.cause, gap.windows) for gap in gaps_of(spool)] == [("evicted", 1)]
    assert [reject.code for reject in spool.rejected()] == ["too_large"]


def test_state_reports_that_say_the_same_do_not_pile_up(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    for minute in range(10):
        spool.write_state(state_at(minute))
    spool.write_state(state_at(10, boot_id="boot-2"))
    model = ReportedItem(kind="model", name="llama")
    spool.write_state(state_at(11, boot_id="boot-2", items=[model]))
    frames = [CODEC.decode_from_agent(offer.frame) for offer in offer_all(spool)]
    minutes = [(frame.at_ms - NOON_MS) // MINUTE_MS for frame in frames]  # type: ignore[union-attr]  # all are state reports
    assert minutes == [9, 10, 11]


def test_a_state_report_under_way_is_not_replaced(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.write_state(state_at(0))
    offer_all(spool)
    spool.write_state(state_at(1))
    assert [offer.seq for offer in offer_all(spool)] == [1, 2]


@settings(max_examples=5, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 300), min_size=60, max_size=80, unique=True),
    offered=st.integers(0, 5),
)
def test_evicted_windows_and_gaps_add_up_to_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], offered: int
) -> None:
    spool = make_spool(tmp_path_factory.mktemp("spool"), max_mb=1)
    write_minutes(spool, minutes[:offered], series=WIDE)
    spool.offer(limit=offered, live_from_ms=0)
    write_minutes(spool, minutes[offered:], series=WIDE)
    kept = {batch.windows[0].start_ms for batch in batches_of(spool)}
    gaps = gaps_of(spool)
    lost = {NOON_MS + minute * MINUTE_MS for minute in minutes} - kept
    assert sum(gap.windows for gap in gaps) == len(lost) > 0
    assert len(kept) + len(lost) == len(minutes)
    assert all(
        any(gap.start_ms <= start < gap.end_ms for gap in gaps if gap.cause == "evicted")
        for start in lost
    )
    spool.close()


def test_the_oldest_is_evicted_first_and_what_was_offered_last(tmp_path: Path) -> None:
    spool = make_spool(tmp_path, max_mb=1)
    write_minutes(spool, [0], series=WIDE)
    offer_all(spool)
    write_minutes(spool, range(1, 100), series=WIDE)
    kept = [(batch.windows[0].start_ms - NOON_MS) // MINUTE_MS for batch in batches_of(spool)]
    assert kept[0] == 0
    assert kept[1:] == list(range(kept[1], 100))
    assert (tmp_path / "spool.sqlite3").stat().st_size < 1.5 * (1 << 20)


def test_an_eviction_counts_each_node_of_a_batch(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.write_span(closed_minute(0, nodes=["a", "b"]))
    spool.write_span(closed_minute(1, nodes=["b"]))
    assert spool.drop_older_than(NOON_MS + 3 * MINUTE_MS) == 2
    assert Counter({gap.node: gap.windows for gap in gaps_of(spool)}) == {"a": 1, "b": 2}


def test_a_flipped_bit_costs_one_batch_and_leaves_a_gap(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(3))
    spool.close()
    outside = sqlite3.connect(tmp_path / "spool.sqlite3")
    ((payload,),) = outside.execute("SELECT payload FROM entry WHERE id = 2").fetchall()
    # The last byte belongs to a number: the frame still reads well, and says something else.
    flipped = payload[:-1] + bytes([payload[-1] ^ 1])
    outside.execute("UPDATE entry SET payload = ? WHERE id = 2", (flipped,))
    outside.commit()
    outside.close()
    again = make_spool(tmp_path)
    kept = [(batch.windows[0].start_ms - NOON_MS) // MINUTE_MS for batch in batches_of(again)]
    gaps = [(gap.cause, gap.windows, gap.start_ms) for gap in gaps_of(again)]
    assert kept == [0, 2]
    assert gaps == [("corrupt", 1, NOON_MS + MINUTE_MS)]


def test_rejected_frames_are_kept_within_bounds(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    for seq in range(503):
        reject = Reject(code=RejectCode.MALFORMED, message="What?", lane=1, seq=seq)
        spool.keep_rejected(reject, now_ms=NOON_MS)
    kept = [reject.seq for reject in spool.rejected()]
    assert kept == list(range(3, 503))


def test_a_second_agent_on_the_same_spool_is_told_so(tmp_path: Path) -> None:
    first = make_spool(tmp_path)
    write_minutes(first, [0])
    with pytest.raises(SpoolError, match="Another program holds the spool"):
        make_spool(tmp_path)
    write_minutes(first, [1])
    assert first.waiting() == 2


def test_the_series_of_a_set_survive_a_restart_as_long_as_a_batch_needs_them(
    tmp_path: Path,
) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, [0])
    set_hash = offer_all(spool)[0].set_hash
    spool.close()
    again = make_spool(tmp_path)
    assert again.series_of(set_hash) == SERIES
