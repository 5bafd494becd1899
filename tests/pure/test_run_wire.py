"""What devices sign and send: the spelling of entries, and what an image is by its bytes."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.runs.canonical import canonical, is_authentic, mac_of
from runbooks.runs.images import Image, read_image
from tests.runbooks.run_world import PNG

#: Of the entry in docs/runs.md.
EXAMPLE_MAC = "c4afab832ec05b9d3982556bce9684dfeef587033066e9704422b2809f4184fa"


@pytest.mark.parametrize(
    ("number", "spelled"),
    [
        (180.0, "180"),
        (180, "180"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (-38.4, "-38.4"),
        (0.00001, "0.00001"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.25e21, "1.25e+21"),
        (5e-324, "5e-324"),
    ],
)
def test_numbers_are_spelled_as_a_browser_spells_them(number: float, spelled: str) -> None:
    assert canonical(number) == spelled


def test_an_entry_is_spelled_with_sorted_keys_no_spaces_and_its_letters_kept() -> None:
    entry = {"b": [1.0, True, None], "a": {"ü": '温度 "38"\n', "b": 0.5}}
    assert canonical(entry) == '{"a":{"b":0.5,"ü":"温度 \\"38\\"\\n"},"b":[1,true,null]}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_what_is_spelled_can_be_read_back(value: object) -> None:
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_mac_holds_for_its_entry_and_no_other(entry: dict[str, object]) -> None:
    signed = entry | {"mac": ""}
    signed["mac"] = mac_of(signed, token="hwr_one")
    assert is_authentic(signed, token="hwr_one")
    assert not is_authentic(signed, token="hwr_two")
    assert not is_authentic(signed | {"more": 1}, token="hwr_one")


def test_the_mac_of_the_documented_entry() -> None:
    entry = {"count": 1, "kind": "step_done", "step": "inlet", "input": {"value": 21.5}}
    assert mac_of(entry, token="hwr_example") == EXAMPLE_MAC


def jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2" + frame + b"\xff\xda\x00\x02..\xff\xd9"


def webp(form: bytes, head: bytes) -> bytes:
    chunk = form + struct.pack("<I", len(head)) + head
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


VP8 = webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480) + bytes(4))
VP8L = webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14) + bytes(4))
VP8X = webp(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"))


@pytest.mark.parametrize(
    ("data", "image"),
    [
        (PNG, Image("image/png", 1, 1)),
        (jpeg(640, 480), Image("image/jpeg", 640, 480)),
        (VP8, Image("image/webp", 640, 480)),
        (VP8L, Image("image/webp", 640, 480)),
        (VP8X, Image("image/webp", 640, 480)),
    ],
    ids=["png", "jpeg", "vp8", "vp8l", "vp8x"],
)
def test_an_image_is_known_by_its_bytes(data: bytes, image: Image) -> None:
    assert read_image(data) == image


@given(st.sampled_from([PNG, jpeg(9, 9), VP8, VP8L, VP8X]), st.data())
def test_damaged_images_are_refused_or_read_and_never_an_error(
    data: bytes, draw: st.DataObject
) -> None:
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert read_image(cut) is None
    place = draw.draw(st.integers(0, len(data) - 1))
    read_image(data[:place] + draw.draw(st.binary(min_size=1, max_size=1)) + data[place + 1 :])


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", b"\xff\xd8\xff" + b"\xff" * 99])
def test_what_is_no_image_is_none(data: bytes) -> None:
    assert read_image(data) is None
