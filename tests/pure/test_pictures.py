"""Which pictures are kept: those that are what they say, small, and that cannot act."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.library.document import RunbookError
from runbooks.library.pictures import LARGEST_PICTURE, picture_type
from tests.pure.runbook_text import unhurried

PLAIN = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 viewBox="0 0 10 10"><title>A gauge</title>{inside}</svg>"""


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(RunbookError) as caught:
        picture_type(name, data)
    assert str(caught.value).endswith(".")
    return caught.value.code


def svg(inside: str) -> bytes:
    return PLAIN.format(inside=inside).encode()


@pytest.mark.parametrize(
    "inside",
    [
        '<path d="M0 0h10" fill="url(#g)" style="stroke: red"/>',
        '<defs><g id="a"/></defs><use href="#a"/><use xlink:href="#a"/>',
        "<style>path { fill: url( '#g' ) } @media (min-width: 1px) { g { fill: red } }</style>",
        '<text x="1" y="2">https://example.org is only text</text>',
    ],
)
def test_an_svg_that_only_draws_is_kept(inside):
    assert picture_type("gauge.svg", svg(inside)) == "image/svg+xml"


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
        "<foreignObject><p>Hi</p></foreignObject>",
        '<image href="https://example.org/a.png"/>',
        '<a href="#a"><path/></a>',
        '<path onclick="alert(1)"/>',
        '<path ONLOAD="alert(1)"/>',
        '<use href="https://example.org/a.svg#a"/>',
        '<use xlink:href="//example.org/a.svg#a"/>',
        '<use href=" data:image/svg+xml;base64,AAAA"/>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<path style="fill: url(https://example.org/a)"/>',
        "<path style=\"fill: url( 'a.svg#b')\"/>",
        '<path fill="u\\72l(https://example.org/a)"/>',
        "<style>@import 'a.css';</style>",
        "<style>path { fill: ur/**/l(a.svg) }</style>",
        "<style>path { fill: <!-- -->url(a.svg) }</style>",
        "<path style=\"background: image-set('a.png' 1x)\"/>",
        '<g xml:base="https://example.org/"/>',
        '<?xml-stylesheet href="a.css"?>',
        '<path x:y="1" xmlns:x="http://example.org/editor"/>',
    ],
)
def test_an_svg_that_could_act_or_reach_out_is_refused(inside):
    assert refusal("gauge.svg", svg(inside)) == "picture_unsafe"


def test_an_svg_with_entities_is_refused_before_they_are_read():
    bomb = b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>'

    assert refusal("gauge.svg", bomb) == "picture_unsafe"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg",
        b"<svg/>",
        b'<html xmlns="http://www.w3.org/1999/xhtml"/>',
        b"\x89PNG\r\n\x1a\n",
        b'<?xml version="1.0" encoding="nonsense"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    ],
)
def test_what_is_no_svg_is_refused(data):
    code = refusal("gauge.svg", data)

    assert code == "picture_type"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n rest", "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0 rest", "image/jpeg"),
        ("a-2.jpeg", b"\xff\xd8\xff\xe0 rest", "image/jpeg"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_photo_is_known_by_its_first_bytes(name, data, kind):
    assert picture_type(name, data) == kind


@pytest.mark.parametrize("name", ["a.gif", "A.png", "../a.png", "a b.png", "a", ".png", "a.html"])
def test_a_name_that_is_none_is_refused(name):
    assert refusal(name, b"\x89PNG\r\n\x1a\n") == "picture_type"


def test_a_picture_named_for_another_kind_is_refused():
    assert refusal("a.jpg", b"\x89PNG\r\n\x1a\n") == "picture_type"


def test_a_picture_may_have_just_as_many_bytes_as_allowed():
    start = b"\x89PNG\r\n\x1a\n"
    whole = start + b"\0" * (LARGEST_PICTURE - len(start))

    assert picture_type("a.png", whole) == "image/png"
    assert refusal("a.png", whole + b"\0") == "picture_too_large"


@unhurried
@given(st.binary(max_size=200) | st.text(max_size=99).map(lambda text: svg(text)))
def test_any_bytes_are_kept_or_refused_with_a_sentence(data):
    try:
        answer = picture_type("a.svg", data)
    except RunbookError as error:
        answer = error.code

    assert answer.startswith(("image/", "picture_"))
