"""The product's real processes, for tests that start, kill and stop them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from fleet.child import Child

ROOT = Path(__file__).resolve().parent.parent


def wait_until(condition: Callable[[], object], *, within: float = 30, what: str = "") -> None:
    """Return as soon as `condition` is true; fail when it never becomes so."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {within} s still not: {what or condition}")
        pause.wait(0.05)


def free_port() -> int:
    """Return a TCP port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Processes:
    """Web, worker, beat, sweep and agents of one database and one Redis."""

    def __init__(self, folder: Path, *, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.children: dict[str, Child] = {}
        self.env = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HEARTHWATCH_BASE_URL": self.url,
            "HEARTHWATCH_HOME": str(folder),
            "HEARTHWATCH_HOLD_SCALE": "0.01",
            "HEARTHWATCH_SWEEP_SECONDS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, name: str) -> Child:
        """Start one of web, worker, beat, sweep, auditor; web is waited for."""
        python, celery = sys.executable, [sys.executable, "-m", "celery", "-A", "fleet"]
        command = {
            "web": [
                *(python, "-m", "uvicorn", "fleet.asgi:application", "--port", str(self.port)),
                *("--log-level", "warning", "--ws-max-size", "1048576"),
                *("--ws-per-message-deflate", "false"),
                *("--ws-ping-timeout", "120"),
            ],
            "worker": [
                *(*celery, "worker", "--pool", "solo", "--without-mingle", "--without-gossip"),
                *("--without-heartbeat", "-n", f"test{os.getpid()}@%h"),
            ],
            "beat": [*celery, "beat", "-s", str(self.folder / "beat"), "--pidfile="],
            "sweep": [python, "manage.py", "sweep"],
            "auditor": [python, "manage.py", "auditor"],
        }[name]
        return self.run(name, command)

    def start_agent(self, config: Path, *, name: str = "agent") -> Child:
        """Start the real agent with its configuration file."""
        return self.run(name, [sys.executable, "-m", "telemetry.agent", "--config", str(config)])

    def run(self, name: str, command: list[str]) -> Child:
        """Start any command of the product under `name`."""
        log = self.folder / f"{name}.log"
        child = Child(name, command, log=log, env={**self.env, "PYTHONPATH": str(ROOT)})
        child.start()
        self.children[name] = child
        if name == "web":
            wait_until(lambda: self.is_up() or not child.is_running(), what="web is up")
            assert child.is_running(), child.last_lines(30)
        return child

    def is_up(self) -> bool:
        """Tell whether the web process answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self, name: str) -> None:
        """End one at once, with everything it started, as a crash would."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.kill()

    def stop_all(self) -> None:
        """Stop everything that still runs."""
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.stop(patience_seconds=3)
        self.children.clear()
