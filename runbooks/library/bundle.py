"""A runbook on its way from one library to another: its text, zipped with its pictures. Pure.

What is exported, imported again, gives the identical document.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.pictures import LARGEST_PICTURE, picture_type

PICTURES = "media"
MOST_FILES = 120
LARGEST_TEXT = 400_000
LARGEST_BUNDLE = 32_000_000

# What zipfile raises for damaged, locked and unknown archives.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, OSError, ValueError),
)
# The oldest day a zip can name: the same runbook is the same bytes whenever it is packed.
_DAY = (1980, 1, 1, 0, 0, 0)
_FILE = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """A text, and its pictures by name."""

    source: str
    pictures: Mapping[str, bytes]


def pack(document: RunbookDocument, pictures: Mapping[str, bytes]) -> tuple[str, str, bytes]:
    """Return file name, content type and bytes: Markdown, or a zip when there are pictures."""
    text = document.source.encode()
    if not pictures:
        return f"{document.slug}.md", "text/markdown; charset=utf-8", text
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, f"{document.slug}.md", text)
        for name, data in sorted(pictures.items()):
            _write(archive, f"{PICTURES}/{name}", data)
    return f"{document.slug}.zip", "application/zip", packed.getvalue()


def pack_library(books: Iterable[tuple[RunbookDocument, Mapping[str, bytes]]]) -> bytes:
    """Return a zip with a folder for each runbook: its text, and its pictures in `media`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for document, pictures in books:
            folder = document.slug
            _write(archive, f"{folder}/{document.slug}.md", document.source.encode())
            for name, data in sorted(pictures.items()):
                _write(archive, f"{folder}/{PICTURES}/{name}", data)
    return packed.getvalue()


def unpack(data: bytes) -> Bundle:
    """Return what is in a file somebody brought: a zip with one text, or the text itself.

    Folders in the zip make no difference. Raises RunbookError for what is neither, too large, or
    holds a picture that must not be kept; the text itself may be anything.
    """
    if len(data) > LARGEST_BUNDLE:
        raise _bad(f"The file has more than {LARGEST_BUNDLE:,} bytes; bring one runbook at a time.")
    if not data.startswith(b"PK\x03\x04"):
        return Bundle(_text(data), {})
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive)
    except _DAMAGE:
        raise _bad("The zip is damaged or locked; pack it anew, without a password.") from None


def _read(archive: zipfile.ZipFile) -> Bundle:
    members = [member for member in archive.infolist() if not _is_litter(member)]
    if len(members) > MOST_FILES:
        raise _bad(f"The zip has more than {MOST_FILES} files; pack one runbook.")
    texts = [member for member in members if member.filename.lower().endswith(".md")]
    if len(texts) != 1:
        raise _bad(f"The zip has {len(texts)} files ending in '.md'; pack exactly one.")
    pictures: dict[str, bytes] = {}
    for member in members:
        if member is texts[0]:
            continue
        name = PurePosixPath(member.filename).name
        if name in pictures:
            raise _bad(f"The zip has two files {name[:60]!r}; rename one.")
        pictures[name] = _take(archive, member, LARGEST_PICTURE)
        picture_type(name, pictures[name])
    return Bundle(_text(_take(archive, texts[0], LARGEST_TEXT)), pictures)


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    # Never more than allowed is unpacked, whatever size the archive claims.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _bad("The zip is packed in an unusual way; pack it anew with Deflate.")
    with archive.open(member) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise _bad(f"{member.filename[:60]!r} has more than {most:,} bytes; make it smaller.")
    return data


def _is_litter(member: zipfile.ZipInfo) -> bool:
    """Tell whether it is a folder, or a file that packing programs leave behind."""
    parts = PurePosixPath(member.filename).parts
    return not parts or member.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad("The text is not UTF-8; save it so.") from None


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _DAY)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = _FILE
    archive.writestr(member, data)


def _bad(sentence: str) -> RunbookError:
    return RunbookError("bad_bundle", sentence)
