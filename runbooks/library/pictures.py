"""Look at a picture before it is kept: what it is, and that nothing in it acts or phones out. Pure.

An SVG is a program in disguise, and it is opened from our own address. So it may hold only the
elements that draw, and refer only to itself.
"""

from __future__ import annotations

import hashlib
import re
from xml.parsers import expat

from runbooks.library import values
from runbooks.library.document import RunbookError

LARGEST_PICTURE = 300_000

SVG = "image/svg+xml"
#: What the end of a name promises.
TYPES = {
    "svg": SVG,
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
}
_SVG_SPACE = "http://www.w3.org/2000/svg"
_ATTRIBUTE_SPACES = ("http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace")
_DRAWS = """
    svg g defs symbol use title desc style path rect circle ellipse line polyline polygon text
    tspan textPath marker pattern mask clipPath linearGradient radialGradient stop switch filter
    feBlend feColorMatrix feComposite feDropShadow feFlood feGaussianBlur feMerge feMergeNode
    feOffset
"""
_DRAWING = frozenset(_DRAWS.split())
_REFERENCES = frozenset({"href", "src"})
#: A reference in CSS or in an attribute that is not to a part of the picture itself. An escape
#: ("u\\72l(") or a comment in the middle could hide one, so neither may stand there.
_OUTSIDE = re.compile(
    r"url\(\s*+['\"]?+\s*+(?!#)|image\(|image-set\(|@(?!media\b)|script:|data:|//|\\|/\*", re.I
)


def picture_type(name: str, data: bytes) -> str:
    """Return the content type of the picture `name`; RunbookError when it must not be kept."""
    if not values.picture_name_is_good(name):
        raise RunbookError(
            "picture_type",
            f"A picture cannot be called {name[:60]!r}; write small letters, digits and hyphens, "
            f"and end in {values.listed('.' + end for end in TYPES)}.",
        )
    if len(data) > LARGEST_PICTURE:
        raise RunbookError(
            "picture_too_large",
            f"{name} has {len(data):,} bytes; make it {LARGEST_PICTURE:,} or fewer.",
        )
    promised = TYPES[name.rpartition(".")[2]]
    if promised == SVG:
        _check_svg(name, data)
    elif _raster_type(data) != promised:
        raise RunbookError(
            "picture_type", f"{name} is not what its name says; save it as {promised} anew."
        )
    return promised


def picture_hash(data: bytes) -> str:
    """Return the SHA-256 of the picture's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def _raster_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return ""


def _check_svg(name: str, data: bytes) -> None:
    reader = _SvgReader(name)
    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    # A browser would read it by the encoding it declares, and see other words than we do.
    parser.XmlDeclHandler = reader.heading
    parser.StartElementHandler = reader.element
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # An entity could stand for anything, and thousands of them for gigabytes.
    parser.StartDoctypeDeclHandler = reader.declaration
    parser.ProcessingInstructionHandler = reader.instruction
    try:
        parser.Parse(data, True)
    except expat.ExpatError as fault:
        raise RunbookError(
            "picture_type",
            f"{name} cannot be read as SVG ({expat.ErrorString(fault.code)}); save it anew.",
        ) from None


class _SvgReader:
    """Sees every part of an SVG go by and refuses the first that could act or reach out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.depth = 0
        self.styles = 0
        self.style = ""

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, local = tag.rpartition(" ")
        if self.depth == 0 and (space, local) != (_SVG_SPACE, "svg"):
            raise RunbookError("picture_type", f"{self.name} is no SVG; save it as one.")
        self.depth += 1
        if space != _SVG_SPACE or local not in _DRAWING:
            raise self._unsafe(f"an element <{local[:40]}>")
        if local == "style":
            self.styles += 1
        for key, value in attributes.items():
            self._check_attribute(key, value)

    def end(self, tag: str) -> None:
        if tag == f"{_SVG_SPACE} style":
            self.styles -= 1
            self._check_value(self.style)
            self.style = ""

    def text(self, text: str) -> None:
        # Pieces: a word may come in two of them.
        if self.styles:
            self.style += text

    def heading(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise RunbookError("picture_type", f"{self.name} is not UTF-8; save it so.")

    def declaration(self, *_: object) -> None:
        raise self._unsafe("a DOCTYPE")

    def instruction(self, *_: object) -> None:
        raise self._unsafe("a processing instruction")

    def _check_attribute(self, key: str, value: str) -> None:
        space, _, local = key.rpartition(" ")
        if space and space not in _ATTRIBUTE_SPACES:
            raise self._unsafe(f"an attribute {local[:40]!r} of another program")
        if local.lower().startswith("on"):
            raise self._unsafe(f"an attribute {local[:40]!r}")
        if local in _REFERENCES and not value.strip().startswith("#"):
            raise self._unsafe("a reference to something outside itself")
        if local == "base":
            raise self._unsafe("an attribute 'xml:base'")
        self._check_value(value)

    def _check_value(self, value: str) -> None:
        if _OUTSIDE.search(value):
            raise self._unsafe("a reference to something outside itself")

    def _unsafe(self, what: str) -> RunbookError:
        return RunbookError(
            "picture_unsafe", f"{self.name} holds {what}; save it as plain SVG without it."
        )
