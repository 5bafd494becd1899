"""What an image is, from its first bytes: JPEG, PNG or WebP, and how large. Pure.

A content type is what a sender claims; these bytes are what a browser will show.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
#: Markers of JPEG that stand alone, without a length.
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
#: Start-of-frame markers; C4, C8 and CC are none.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Image:
    """The kind of an image, and its size in pixels."""

    content_type: str
    width: int
    height: int


def read_image(data: bytes) -> Image | None:
    """Return what the bytes are; None where they are no whole image of the three kinds."""
    for read in (_jpeg, _png, _webp):
        try:
            image = read(data)
        except (IndexError, struct.error):
            image = None  # It ends before it says how large it is.
        if image is not None and image.width > 0 and image.height > 0:
            return image
    return None


def _jpeg(data: bytes) -> Image | None:
    if not data.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in data[-64:]:
        return None
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _ALONE:
            continue
        if marker in (0xD9, 0xDA):  # The picture itself, or its end, before any size.
            return None
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return Image(JPEG, width, height)
        at += max(length, 2)


def _png(data: bytes) -> Image | None:
    is_whole = data.startswith(_PNG_START) and data.endswith(_PNG_END)
    if not is_whole or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return Image(PNG, width, height) if max(width, height) < 2**31 else None


def _webp(data: bytes) -> Image | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < length + 8:
        return None
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return Image(WEBP, width & 0x3FFF, height & 0x3FFF)
    if form == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return Image(WEBP, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return Image(WEBP, width, height) if len(data) >= 30 else None
    return None
