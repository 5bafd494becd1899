"""A runbook leaves one library and comes into another as the same document."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.library.bundle import LARGEST_BUNDLE, Bundle, pack, unpack
from runbooks.library.document import RunbookError
from runbooks.library.parse import parse_runbook
from tests.pure.runbook_text import VALID, unhurried
from tests.pure.runbook_texts import runbook_texts

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return packed.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(RunbookError) as caught:
        unpack(data)
    return f"{caught.value.code}: {caught.value}"


@unhurried
@given(runbook_texts(), st.booleans())
def test_what_is_exported_is_imported_as_the_identical_document(text, has_pictures):
    runbook = parse_runbook(text)
    pictures = {"gauge.svg": GAUGE, "fan.svg": GAUGE} if has_pictures else {}

    _, _, data = pack(runbook, pictures)

    assert parse_runbook(unpack(data).source) == runbook
    assert unpack(data).pictures == pictures


def test_a_runbook_without_pictures_is_its_text():
    assert pack(parse_runbook(VALID), {}) == (
        "door-open.md",
        "text/markdown; charset=utf-8",
        VALID.encode(),
    )


def test_the_same_runbook_is_packed_as_the_same_bytes():
    runbook = parse_runbook(VALID)
    name, kind, data = pack(runbook, {"gauge.svg": GAUGE})

    assert (name, kind) == ("door-open.zip", "application/zip")
    assert pack(runbook, {"gauge.svg": GAUGE})[2] == data


def test_folders_and_litter_in_a_zip_make_no_difference():
    data = zipped(
        **{
            "books__door.md": VALID.encode(),
            "books__pics__gauge.svg": GAUGE,
            "__MACOSX__.x": b"?",
            "books__.DS_Store": b"?",
        }
    )

    assert unpack(data) == Bundle(VALID, {"gauge.svg": GAUGE})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"PK\x03\x04 damaged", "damaged or locked"),
        (zipped(**{"a.md": b"", "b.md": b""}), "2 files ending in '.md'"),
        (zipped(**{"gauge.svg": GAUGE}), "0 files ending in '.md'"),
        (zipped(**{"a.md": b"", "a__g.svg": GAUGE, "b__g.svg": GAUGE}), "two files 'g.svg'"),
        (zipped(**{"a.md": b"", "g.svg": b"<svg/>"}), "no SVG"),
        (zipped(**{"a.md": b"", "run.exe": b"MZ"}), "cannot be called"),
        (zipped(**{"a.md": b"a" * 400_001}), "more than 400,000"),
        (zipped(**{"a.md": b"", "g.svg": b" " * 300_001}), "more than 300,000"),
        (zipped(**{"a.md": b"", **{f"{n}.svg": b"" for n in range(121)}}), "more than 120 files"),
        (b"a" * (LARGEST_BUNDLE + 1), "one runbook at a time"),
    ],
    ids=range(11),
)
def test_a_file_that_is_no_runbook_is_refused_with_a_sentence(data, sentence):
    assert sentence in refusal(data)


@unhurried
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_damage_is_read_or_refused_with_a_sentence(noise, place):
    whole = zipped(**{"a.md": VALID.encode(), "g.svg": GAUGE})
    damaged = whole[:place] + noise + whole[place + len(noise) :]

    try:
        answer = unpack(damaged).source
    except RunbookError as error:
        answer = str(error)

    assert isinstance(answer, str)
