"""Digests of configuration files, so that the fleet can compare them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from telemetry.agent.config import FileToDigest
from telemetry.agent.source import Sample
from telemetry.protocol import ReportedItem

#: What tells a file from its earlier self without reading it.
_Stamp = tuple[int, int, int, int]


class FilesSource:
    """Reports each file as `sha256:<hex>`; content never leaves the machine."""

    name = "files"
    is_slow = True

    def __init__(self, files: Sequence[FileToDigest]) -> None:
        self._files = files
        self._known: dict[Path, tuple[_Stamp, str]] = {}

    def sample(self, now: float) -> Iterable[Sample]:
        """Return nothing: a digest is not a reading."""
        return ()

    def report(self, now: float) -> Iterable[ReportedItem]:
        """Return every file; one that is unchanged by its stamp is not read again."""
        return [self._report_one(file) for file in self._files]

    def _report_one(self, file: FileToDigest) -> ReportedItem:
        try:
            digest = self._digest(file.path)
        except FileNotFoundError:
            return ReportedItem(
                kind="config", name=file.name, state="absent", detail="The file is not there."
            )
        except OSError as exc:
            detail = f"The file cannot be read: {exc.strerror}."
            return ReportedItem(kind="config", name=file.name, state="failed", detail=detail)
        return ReportedItem(kind="config", name=file.name, digest=digest)

    def _digest(self, path: Path) -> str:
        with path.open("rb") as opened:
            status = os.fstat(opened.fileno())
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._known.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            digest = f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
        self._known[path] = (stamp, digest)
        return digest
