"""The spool's SQLite file: opening it whatever its state, and transactions that reach the disk."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SCHEMA_VERSION = "1"
#: Damaged files kept for whoever wants to look at them.
_KEPT_ASIDE = 3
_SIDE_FILES = ("-wal", "-shm", "-journal")
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series_set (hash TEXT PRIMARY KEY, series TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE coverage (start_ms INTEGER PRIMARY KEY, end_ms INTEGER NOT NULL);
CREATE TABLE rejected (
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, lane INTEGER, seq INTEGER,
  code TEXT NOT NULL, path TEXT NOT NULL, message TEXT NOT NULL, head BLOB);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,          -- batch, state or gap
  nodes TEXT NOT NULL,         -- a JSON list
  lane INTEGER, seq INTEGER,   -- given when first offered, then never changed
  set_hash TEXT, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
  checksum INTEGER NOT NULL,   -- CRC-32 of the payload
  payload BLOB NOT NULL        -- the frame, once it has a number byte for byte as sent
);
CREATE UNIQUE INDEX one_entry_per_number ON entry (lane, seq) WHERE seq IS NOT NULL;
CREATE INDEX waiting_by_hour ON entry (start_ms / 3600000 DESC, start_ms, id) WHERE lane IS NULL;
CREATE INDEX waiting_by_end ON entry (end_ms) WHERE lane IS NULL;
CREATE INDEX reports_by_age ON entry (id) WHERE lane = 2;
CREATE INDEX batches_by_age ON entry (start_ms) WHERE kind = 'batch';
"""


class SpoolError(Exception):
    """The spool cannot do what was asked; the text says what to do."""


class SpoolDamagedError(SpoolError):
    """The file is no longer a sound database."""


class SpoolFullError(SpoolError):
    """The disk takes no more, for now: it is full, failing or read-only."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is known to be lost of one node with a damaged file: at least `windows` windows."""

    node: str
    start_ms: int
    end_ms: int
    windows: int


class SpoolFile:
    """One connection to the file; every error comes out as a `SpoolError`."""

    def __init__(self, path: Path) -> None:
        # Callers share one event loop; the connection is never used by two threads at once.
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.0)
        self._path = path
        try:
            with _named_errors(path):
                # EXCLUSIVE keeps a second agent out and spares the shared-memory file; FULL
                # makes a COMMIT return only when the bytes are on the disk.
                self.run("PRAGMA locking_mode = EXCLUSIVE")
                self.run("PRAGMA journal_mode = WAL")
                self.run("PRAGMA synchronous = FULL")
                self.run("PRAGMA journal_size_limit = 1048576")
        except SpoolError:
            self.close()
            raise

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; return how many rows it touched."""
        return self._connection.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on the disk when the block ends."""
        with _named_errors(self._path):
            try:
                self.run("BEGIN IMMEDIATE")
                yield
                self.run("COMMIT")
            except BaseException:
                # After a full disk SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.rollback()
                raise

    @property
    def used_bytes(self) -> int:
        """Bytes in use; what was deleted counts as free although the file keeps its size."""
        pages = self.rows("PRAGMA page_count")[0][0] - self.rows("PRAGMA freelist_count")[0][0]
        return int(pages * self.rows("PRAGMA page_size")[0][0])

    def close(self) -> None:
        """Fold the journal into the file and let go of it."""
        with suppress(sqlite3.Error):
            self._connection.close()


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise SpoolDamagedError(f"The spool {path} is damaged ({exc}).") from exc
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise SpoolFullError(
                f"The spool {path} cannot be written ({exc}); look after the disk."
            ) from exc
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise SpoolError(
                f"Another program holds the spool {path}; stop it, or name another spool.path."
            ) from exc
        raise SpoolError(f"The spool {path} cannot be used: {exc}.") from exc


def open_file(path: Path, *, nodes: Sequence[str], now_ms: int) -> tuple[SpoolFile, list[Damage]]:
    """Open the spool, or a new one in its place when it is damaged; return it and what was lost.

    The damaged file goes to `corrupt/` beside it. A file is made whole under another name before
    it takes its place, so that no crash in between leaves half a spool or hides a loss.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_or_replace(path, nodes=nodes, now_ms=now_ms)
    except OSError as exc:
        raise SpoolError(f"The spool {path} cannot be used: {exc.strerror}.") from exc


def _open_or_replace(
    path: Path, *, nodes: Sequence[str], now_ms: int
) -> tuple[SpoolFile, list[Damage]]:
    successor = path.with_name(path.name + ".new")
    if not (successor.exists() and _is_sound(successor)):
        _remove(successor)
    if not path.exists() and not successor.exists():
        _create(successor, damage=[])
    if path.exists() and not successor.exists():
        try:
            return _open_sound(path)
        except SpoolDamagedError as exc:
            logger.error("spool.damaged", extra={"error": str(exc)})
            _create(successor, damage=_count_losses(path, nodes=nodes, now_ms=now_ms))
    if path.exists():
        aside = _move_aside(path, now_ms)
        logger.error("spool.moved_aside", extra={"to": str(aside)})
    successor.replace(path)
    return _open_sound(path)


def forget_damage(file: SpoolFile) -> None:
    """Inside a transaction: the losses are reported now, so the note of them can go."""
    file.run("UPDATE meta SET value = '[]' WHERE key = 'damage'")


def _create(path: Path, *, damage: list[Damage]) -> None:
    losses = [[item.node, item.start_ms, item.end_ms, item.windows] for item in damage]
    meta = {
        "epoch": str(uuid.uuid4()),
        "version": SCHEMA_VERSION,
        "damage": json.dumps(losses),
    }
    file = SpoolFile(path)
    with file.transaction():
        for statement in _SCHEMA.split(";\n"):
            file.run(statement)
        for item in meta.items():
            file.run("INSERT INTO meta VALUES (?, ?)", item)
    file.close()


def _open_sound(path: Path) -> tuple[SpoolFile, list[Damage]]:
    file = SpoolFile(path)
    try:
        with file.transaction():
            answer = file.rows("PRAGMA quick_check(1)")[0][0]
            tables = {name for (name,) in file.rows("SELECT name FROM sqlite_master")}
            meta = dict(file.rows("SELECT key, value FROM meta") if "meta" in tables else [])
        if answer != "ok" or meta.get("version") != SCHEMA_VERSION:
            raise SpoolDamagedError(f"The spool {path} is no sound spool ({answer}).")
        return file, [Damage(*item) for item in json.loads(meta["damage"])]
    except BaseException:
        file.close()
        raise


def _is_sound(path: Path) -> bool:
    try:
        _open_sound(path)[0].close()
    except SpoolDamagedError:
        return False
    return True


def _count_losses(path: Path, *, nodes: Sequence[str], now_ms: int) -> list[Damage]:
    """Read what can still be read: per node, the unsent windows and the time they cover."""
    found: dict[str, Damage] = {}
    with suppress(sqlite3.Error, ValueError, TypeError):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            query = "SELECT nodes, start_ms, end_ms FROM entry NOT INDEXED WHERE kind = 'batch'"
            for names, start_ms, end_ms in connection.execute(query):
                for node in json.loads(names):
                    old = found.get(node, Damage(node, start_ms, end_ms, 0))
                    found[node] = Damage(
                        node, min(old.start_ms, start_ms), max(old.end_ms, end_ms), old.windows + 1
                    )
        finally:
            connection.close()
    if found:
        return list(found.values())
    last_write = min(int(path.stat().st_mtime * 1000), now_ms)
    return [Damage(node, last_write, now_ms, 1) for node in nodes]


def _move_aside(path: Path, now_ms: int) -> Path:
    folder = path.parent / "corrupt"
    folder.mkdir(exist_ok=True)
    aside = folder / f"{path.name}.{now_ms}"
    # The journal first: left behind alone it would be replayed into the new file.
    for suffix in _SIDE_FILES:
        side = path.with_name(path.name + suffix)
        if side.exists():
            os.replace(side, aside.with_name(aside.name + suffix))
    os.replace(path, aside)
    for old in sorted(folder.glob(f"{path.name}.*[0-9]"))[:-_KEPT_ASIDE]:
        _remove(old)
    return aside


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
