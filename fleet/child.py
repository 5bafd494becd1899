"""One child process: started, watched, stopped; it ends with its parent, even a killed one."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a child runs as; None means whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def unprivileged(cls) -> Account:
        """Return `nobody` for root and the present user for everybody else."""
        if os.geteuid() != 0:
            return cls()
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    def reaches(self, path: Path) -> bool:
        """Tell whether this account can enter every folder down to `path`."""
        if self.uid is None:
            return True
        return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


class Child:
    """One process of ours, with its log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = env
        self.account = account or Account()
        self.stop_signal = stop_signal
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to the end of its log."""
        libc = ctypes.CDLL(None)
        stop_signal = self.stop_signal

        def end_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, stop_signal)

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if self.env is None else dict(self.env),
                user=self.account.uid,
                group=self.account.gid,
                extra_groups=None if self.account.uid is None else [],
                # Ctrl-C reaches the whole terminal group; children stop in order, when told.
                start_new_session=True,
                preexec_fn=end_with_parent,
                cwd="/" if self.account.uid is not None else None,
            )

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process.pid

    def is_running(self) -> bool:
        """Tell whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask_to_stop(self) -> None:
        """Send the signal to end and do not wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def stop(self, *, patience_seconds: float = 30) -> None:
        """Ask it to end; insist when it does not."""
        if self.process is None:
            return
        self.ask_to_stop()
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_lines(self, count: int = 8) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
