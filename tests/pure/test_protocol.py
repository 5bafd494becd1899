"""The wire: what the page for strangers shows is what the codec speaks, and poison is survived."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import protocol
from telemetry.codec import Codec
from telemetry.protocol import (
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    AgentFrame,
    Batch,
    Frame,
    GapReport,
    ProtocolError,
    RejectCode,
    Series,
    SeriesSetFrame,
    ServerFrame,
    StateReport,
    Window,
    series_hash,
)
from tests.agent.server import TOKEN, Act, ScriptedServer

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = [block.encode() for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
FROM_AGENT = {"hello", "series", "batch", "state", "gap", "ping", "pong"}
FROM_SERVER = {"welcome", "ack", "reject", "retry", "bye", "ping", "pong"}
JSON, MSGPACK = Codec(SUBPROTOCOL_JSON), Codec(SUBPROTOCOL_MSGPACK)


def kind_of(example: bytes) -> str:
    return str(json.loads(example)["type"])


def examples_of(kinds: set[str]) -> list[bytes]:
    return [example for example in EXAMPLES if kind_of(example) in kinds]


def shown(kind: str) -> list[bytes]:
    return examples_of({kind})


@pytest.mark.parametrize("example", examples_of(FROM_AGENT), ids=kind_of)
def test_every_agent_frame_on_the_page_survives_both_encodings(example: bytes) -> None:
    frame = JSON.decode_from_agent(example)
    assert JSON.decode_from_agent(JSON.encode(frame)) == frame
    assert MSGPACK.decode_from_agent(MSGPACK.encode(frame)) == frame


@pytest.mark.parametrize("example", examples_of(FROM_SERVER), ids=kind_of)
def test_every_server_frame_on_the_page_survives_both_encodings(example: bytes) -> None:
    frame = JSON.decode_from_server(example)
    assert JSON.decode_from_server(JSON.encode(frame)) == frame
    assert MSGPACK.decode_from_server(MSGPACK.encode(frame)) == frame


@pytest.mark.parametrize("example", EXAMPLES, ids=kind_of)
def test_no_example_has_a_field_that_its_frame_does_not_have(example: bytes) -> None:
    frames = [*AgentFrame.__args__, *ServerFrame.__args__]  # type: ignore[attr-defined]  # a union
    by_kind = {frame.__struct_config__.tag: frame for frame in frames}
    fields = {*by_kind[kind_of(example)].__struct_fields__, "type"}
    assert set(json.loads(example)) <= fields


def test_every_frame_has_an_example_and_a_heading_of_its_own() -> None:
    assert {kind_of(example) for example in EXAMPLES} == FROM_AGENT | FROM_SERVER
    headings = set(re.findall(r"^### (.*)$", PAGE, re.MULTILINE))
    assert headings == (FROM_AGENT | FROM_SERVER) - {"ping", "pong"} | {"ping and pong"}


@pytest.mark.parametrize("code", list(RejectCode))
def test_every_reject_code_is_on_the_page_with_what_to_do(code: RejectCode) -> None:
    assert re.search(rf"^\| `{code.value}` \| .+ \| .+ \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in vars(protocol) if name.startswith("CLOSE_")])
def test_every_close_code_is_on_the_page_with_what_to_do(name: str) -> None:
    code = getattr(protocol, name)
    assert re.search(rf"^\| {code} \| .+ \| .+ \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(
    "name", [name for name in vars(protocol) if name.startswith(("MAX_", "SUBPROTOCOL_"))]
)
def test_every_limit_and_sub_protocol_is_on_the_page(name: str) -> None:
    assert str(getattr(protocol, name)) in PAGE


def test_the_worked_hash_is_the_hash_of_the_text_and_of_the_example() -> None:
    (text,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    rows = [line.split("→") for line in text.split("\n")]
    (announced,) = (JSON.decode_from_agent(example) for example in shown("series"))
    assert isinstance(announced, SeriesSetFrame)
    assert announced.series == [Series(*row) for row in rows]
    assert series_hash(announced.series) == announced.hash
    assert f"its SHA-256 is `{announced.hash}`" in PAGE
    batches = [JSON.decode_from_agent(example) for example in shown("batch")]
    assert {batch.set for batch in batches if isinstance(batch, Batch)} == {announced.hash}


def test_the_packed_columns_on_the_page_are_the_listed_ones() -> None:
    listed, packed = (JSON.decode_from_agent(example) for example in shown("batch"))
    assert isinstance(listed, Batch)
    assert isinstance(packed, Batch)
    for name in ("n", "min", "max", "sum", "last"):
        numbers = getattr(listed.windows[0], name)
        assert struct.pack("<2f", *numbers) == getattr(packed.windows[0], name)


words = st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=9)
sets = st.lists(st.builds(Series, words, words, words), max_size=5)


@given(sets, sets)
def test_two_sets_have_the_same_hash_only_when_they_are_the_same(
    one: list[Series], other: list[Series]
) -> None:
    assert (series_hash(one) == series_hash(other)) == (one == other)


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_protocol_error(codec: Codec, data: bytes) -> None:
    outcomes = [attempt(codec.decode_from_agent, data), attempt(codec.decode_from_server, data)]
    assert all(isinstance(outcome, Frame | ProtocolError) for outcome in outcomes)
    lane, seq = codec.identify(data)
    assert lane is None or isinstance(lane, int)
    assert seq is None or 0 <= seq <= protocol.MAX_SEQ


def attempt(decode: object, data: bytes) -> object:
    try:
        return decode(data)  # type: ignore[operator]  # one of the codec's two decoders
    except ProtocolError as exc:
        return exc


NUMBERED = [
    Batch(lane=3, seq=9, set="s", windows=[]),
    StateReport(seq=9, node="a", at_ms=1, boot_id="b", uptime_seconds=1.0, items=[]),
    GapReport(seq=9, node="a", start_ms=1, end_ms=2, windows=1, cause="clock"),
]


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@pytest.mark.parametrize(("frame", "lane"), list(zip(NUMBERED, (3, 2, 2), strict=True)))
def test_a_numbered_frame_that_cannot_be_taken_can_still_be_named(
    codec: Codec, frame: Frame, lane: int
) -> None:
    spoilt = {**msgspec.to_builtins(frame), "node": 7, "windows": 7.5}
    module = msgspec.json if codec is JSON else msgspec.msgpack
    data = module.encode(spoilt)
    with pytest.raises(ProtocolError):
        codec.decode_from_agent(data)
    assert codec.identify(data) == (lane, 9)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'{"type": 5, "lane": 1, "seq": 2}', (1, 2)),
        (b'{"type": "batch", "lane": "live", "seq": 2}', (None, 2)),
        (b'{"type": "batch", "lane": 1, "seq": true}', (1, None)),
        (b'{"type": "batch", "lane": 1, "seq": -1}', (1, None)),
        (b'{"type": "batch", "lane": 1, "seq": 9223372036854775808}', (1, None)),
        (b'{"type": ["state"], "seq": 2}', (None, 2)),
        (b"[1, 2]", (None, None)),
        (b"", (None, None)),
    ],
)
def test_a_frame_is_named_as_far_as_it_can_be_read(
    data: bytes, named: tuple[int | None, int | None]
) -> None:
    assert JSON.identify(data) == named


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        (b'{"type": "batch", "lane": 1, "seq": "x"}', RejectCode.MALFORMED, "$.seq"),
        (b'{"type": "batch", "lane": 2, "seq": 1}', RejectCode.MALFORMED, "$.lane"),
        (
            b'{"type": "batch", "lane": 1, "seq": 9223372036854775808}',
            RejectCode.MALFORMED,
            "$.seq",
        ),
        (b'{"type": "greeting"}', RejectCode.UNKNOWN_TYPE, "$.type"),
        (b'{"type": 5}', RejectCode.UNKNOWN_TYPE, "$.type"),
        (b'{"type": "ping"', RejectCode.MALFORMED, "$"),
        (b"\xff", RejectCode.MALFORMED, "$"),
        (b'{"type": "' + b"x" * 100_000 + b'"}', RejectCode.UNKNOWN_TYPE, "$.type"),
        # Nesting without end, met only after the frame was found wrong.
        (
            b'{"type": "batch", "lane": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            RejectCode.MALFORMED,
            "$.lane",
        ),
        (b"[" * 100_000, RejectCode.UNKNOWN_TYPE, "$.type"),
    ],
)
def test_poison_is_refused_with_code_place_and_a_short_sentence(
    data: bytes, code: RejectCode, path: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        JSON.decode_from_agent(data)
    assert (caught.value.code, caught.value.path) == (code, path)
    assert len(str(caught.value)) < 300


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    frame = JSON.decode_from_agent(b'{"type": "ping", "id": 1, "wall_ms": 2, "mood": "good"}')
    assert frame == protocol.Ping(id=1, wall_ms=2)


def test_columns_may_be_lists_or_bytes_in_either_encoding() -> None:
    window = Window(
        node="a", start_ms=0, seconds=1.0, n=[1.0], min=b"\0\0\0\0", max=[2.0], sum=[2.0], last=b""
    )
    batch = Batch(lane=1, seq=1, set="s", windows=[window])
    assert JSON.decode_from_agent(JSON.encode(batch)) == batch
    assert MSGPACK.decode_from_agent(MSGPACK.encode(batch)) == batch


async def test_the_small_agent_on_the_page_works(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "agent.py").write_text(code)
    server = ScriptedServer([Act(credit=2)], clock=time.time)
    async with server.running():
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(tmp_path / "agent.py")),
            *(server.url, TOKEN, "edge-01", "1"),
        )
        await server.until(lambda known: len(known.ledger) >= 2)
        agent.kill()
        await agent.wait()
    assert server.headers == [f"Bearer {TOKEN}"]
    assert [hello.agent for hello in server.hellos] == ["edge-01"]
    ((_, announced),) = server.announcements
    assert announced.hash == series_hash(announced.series)
    assert {batch.set for batch in server.batches} == {announced.hash}
    starts = [batch.windows[0].start_ms for batch in server.batches]
    assert len(set(starts)) == len(starts)
    assert [batch.seq for batch in server.batches] == list(range(1, len(starts) + 1))
