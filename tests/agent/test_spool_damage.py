"""The spool after a power cut: it starts, keeps what it promised, and owns up to the rest."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.agent.spool import Spool
from telemetry.codec import Codec
from telemetry.protocol import SUBPROTOCOL_MSGPACK, Batch, GapReport
from tests.agent.worlds import MINUTE_MS, NOON_MS, make_spool, write_minutes

CODEC = Codec(SUBPROTOCOL_MSGPACK)

#: Writes, offers and forgets for ever, and says what it did after it is done.
WRITER = """
import random, sys
from pathlib import Path
from tests.agent.worlds import make_spool, write_minutes
chance = random.Random(int(sys.argv[2]))
spool = make_spool(Path(sys.argv[1]))
print("open", flush=True)
minute = 0
while True:
    write_minutes(spool, [minute])
    print("wrote", minute, flush=True)
    minute += 1
    for offer in spool.offer(limit=chance.randrange(3), live_from_ms=0):
        if chance.random() < 0.5:
            spool.forget(lane=offer.lane, seqs=[offer.seq])
            print("forgot", offer.seq, flush=True)
"""


def frames_of(spool: Spool) -> list[object]:
    offers = spool.offer(limit=100_000, live_from_ms=0)
    return [CODEC.decode_from_agent(offer.frame) for offer in offers]


@pytest.mark.parametrize("seed", range(8))
def test_what_was_reported_written_is_there_once_after_kill_9(tmp_path: Path, seed: int) -> None:
    lines_to_live = random.Random(seed).randrange(1, 120)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline().split() for _ in range(lines_to_live)]
    writer.kill()
    said += [line.split() for line in writer.stdout]
    writer.stdout.close()
    writer.wait()
    assert writer.returncode == -9
    wrote = {int(words[1]) for words in said if words[0] == "wrote"}
    forgot = sum(words[0] == "forgot" for words in said)
    spool = make_spool(tmp_path)
    batches = [frame for frame in frames_of(spool) if isinstance(frame, Batch)]
    minutes = [(batch.windows[0].start_ms - NOON_MS) // MINUTE_MS for batch in batches]
    numbers = [(batch.lane, batch.seq) for batch in batches]
    assert len(set(minutes)) == len(minutes)
    assert len(set(numbers)) == len(numbers)
    # Numbers follow the order of writing, so what was forgotten is known by its number.
    gone = {int(words[1]) - 1 for words in said if words[0] == "forgot"}
    missing = wrote - set(minutes) - gone
    # One step may have reached the disk without being reported: a write or a forgetting.
    unreported = set(minutes) - wrote
    assert len(missing) + len(unreported) <= 1
    assert gone.isdisjoint(minutes)
    assert len(minutes) >= len(wrote) - forgot - 1
    assert not (tmp_path / "corrupt").exists()


@pytest.mark.parametrize("keep", [0, 1, 99, 100, 2000, 4095, 4096, 9000])
def test_a_truncated_spool_is_moved_aside_and_the_agent_starts(tmp_path: Path, keep: int) -> None:
    spool = make_spool(tmp_path)
    epoch = spool.epoch
    write_minutes(spool, range(50))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    file.write_bytes(file.read_bytes()[:keep])
    again = make_spool(tmp_path)
    gaps = [frame for frame in frames_of(again) if isinstance(frame, GapReport)]
    assert again.epoch != epoch
    assert [(gap.node, gap.cause) for gap in gaps] == [("edge-01", "corrupt")]
    assert (tmp_path / "corrupt" / f"spool.sqlite3.{NOON_MS}").exists()
    write_minutes(again, [60])
    again.close()
    third = make_spool(tmp_path)
    assert third.epoch == again.epoch
    assert sum(isinstance(frame, GapReport) for frame in frames_of(third)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_spool_with_a_page_of_noise_starts_with_a_gap_for_all_of_it(
    tmp_path: Path, seed: int
) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(100))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    content = bytearray(file.read_bytes())
    chance = random.Random(seed)
    page = chance.randrange(1, len(content) // 4096)
    content[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    file.write_bytes(content)
    again = make_spool(tmp_path)
    frames = frames_of(again)
    kept = sum(len(frame.windows) for frame in frames if isinstance(frame, Batch))
    lost = sum(frame.windows for frame in frames if isinstance(frame, GapReport))
    assert kept in (0, 100)
    assert 1 <= lost <= 100


def test_losses_are_counted_as_far_as_the_damaged_file_can_be_read(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(100))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    content = bytearray(file.read_bytes())
    # The last page belongs to an index or to a late row: the rows before it can be read.
    content[-4096:] = b"\xff" * 4096
    file.write_bytes(content)
    (gap,) = (frame for frame in frames_of(make_spool(tmp_path)) if isinstance(frame, GapReport))
    assert gap.windows > 50
    assert gap.start_ms == NOON_MS


def test_a_crash_between_damage_and_recovery_loses_no_account(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    write_minutes(spool, range(5))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    file.write_bytes(b"noise" * 1000)
    recovered = make_spool(tmp_path)
    recovered.close()
    # As if the machine had died after the old file was moved and before the new one took over.
    file.rename(tmp_path / "spool.sqlite3.new")
    again = make_spool(tmp_path)
    assert again.epoch == recovered.epoch
    assert [type(frame) for frame in frames_of(again)] == [GapReport]


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    for day in range(6):
        (tmp_path / "spool.sqlite3").write_bytes(b"noise" * 1000)
        make_spool(tmp_path, now_ms=NOON_MS + day).close()
    kept = {path.suffix for path in (tmp_path / "corrupt").iterdir()}
    assert kept == {f".{NOON_MS + day}" for day in (3, 4, 5)}


def test_half_a_new_spool_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3.new").write_bytes(b"")
    spool = make_spool(tmp_path)
    write_minutes(spool, [0])
    assert spool.waiting() == 1


def test_a_full_disk_is_said_and_the_spool_goes_on_when_there_is_room(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from telemetry.agent.recorder import Recorder
from telemetry.agent.source import Sample
from tests.agent.clocks import NOON
from tests.agent.worlds import make_spool
spool = make_spool(Path(sys.argv[1]))
recorder = Recorder(spool=spool, nodes=["edge-01"], window_seconds=60)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
for minute in range(12):
    now = NOON + minute * 60
    recorder.move_to(now=now, monotonic=float(minute * 60))
    recorder.take(node="edge-01", samples=[Sample("hw.temperature", "Cel", "", 20.0)])
    limit = (1, unlimited[1]) if 3 <= minute < 8 else unlimited
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
spool.close()
"""
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[2]
    )
    frames = frames_of(make_spool(tmp_path))
    kept = [frame for frame in frames if isinstance(frame, Batch)]
    gaps = [frame for frame in frames if isinstance(frame, GapReport)]
    assert len(kept) + sum(gap.windows for gap in gaps) == 11
    assert [(gap.cause, gap.windows) for gap in gaps] == [("evicted", 5)]
