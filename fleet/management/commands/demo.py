"""`make demo`: the whole product on this machine, with a fleet that has incidents."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from fleet.child import Child
from fleet.embedded import EmbeddedError, EmbeddedServices
from fleet.noc.demo_accounts import DEMO_ACCOUNTS

_READY_SECONDS = 90
#: A part that ended is started again after this long.
_RESTART_SECONDS = 2.0


class Command(BaseCommand):
    help = "Run the whole product here: services, web, workers, agents, a pager. Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--no-incidents", action="store_true", help="a fleet that stays well")

    def handle(self, *args: Any, port: int, no_incidents: bool, **options: Any) -> None:
        home = settings.HEARTHWATCH_HOME
        _refuse_taken_port(port)
        services = EmbeddedServices(home / "services")
        try:
            with services.running(
                has_postgres="DATABASE_URL" not in os.environ,
                has_redis="REDIS_URL" not in os.environ,
            ):
                _Demo(services, home.resolve(), port, has_incidents=not no_incidents).run()
        except EmbeddedError as exc:
            raise CommandError(str(exc)) from None
        self.stdout.write("Hearthwatch has stopped.")


class _Demo:
    """The demo's processes, in the order they start."""

    def __init__(
        self, services: EmbeddedServices, home: Path, port: int, *, has_incidents: bool
    ) -> None:
        self.services = services
        self.home = home
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.pager_port = _free_port()
        self.has_incidents = has_incidents
        self.is_stopping = False
        self.env = self._environment()
        self.children: list[Child] = []

    def run(self) -> None:
        """Bring everything up, keep it up, take it down."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            self._prepare()
            self._start_all()
            self._wait_until_ready()
            self._greet()
            while not self.is_stopping:
                self._mend()
                time.sleep(0.2)
        finally:
            _say("Stopping.")
            for child in reversed(self.children):
                child.stop(patience_seconds=10)

    def _environment(self) -> dict[str, str]:
        key = self.home / "secret_key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(secrets.token_urlsafe(50))
        defaults = {
            "DATABASE_URL": self.services.database_url,
            "REDIS_URL": self.services.redis_url,
            "HEARTHWATCH_DEMO": "true",
            "HEARTHWATCH_HOLD_SCALE": "0.1",
            "HEARTHWATCH_PAGE_HOSTS": "127.0.0.0/8",
        }
        fixed = {
            "HEARTHWATCH_SECRET_KEY_FILE": str(key),
            "HEARTHWATCH_HOME": str(self.home),
            "HEARTHWATCH_BASE_URL": self.url,
            "HEARTHWATCH_STATIC_ROOT": str(self.home / "static"),
            "HEARTHWATCH_DEMO_PAGER_PORT": str(self.pager_port),
            "PYTHONUNBUFFERED": "1",
        }
        env = {**defaults, **os.environ, **fixed}
        env.pop("HEARTHWATCH_SECRET_KEY", None)
        return env

    def _prepare(self) -> None:
        for what, *command in (
            ("Making the tables", "migrate", "-v0"),
            ("Gathering the static files", "collectstatic", "--noinput", "-v0"),
            ("Publishing the runbooks", "load_runbooks"),
            ("Furnishing the demo's sites", "seed_demo"),
        ):
            _say(f"{what} ...")
            done = subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "manage.py", *command],
                env=self.env,
                cwd=settings.BASE_DIR,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CommandError(f"{what} failed:\n{done.stdout}{done.stderr}")

    def _start_all(self) -> None:
        python = sys.executable
        manage = [python, str(settings.BASE_DIR / "manage.py")]
        celery = [python, "-m", "celery", "-A", "fleet"]
        demo = self.home / "demo"
        web = [
            *(python, "-m", "uvicorn", "fleet.asgi:application", "--port", str(self.port)),
            *("--log-level", "warning", "--ws-max-size", "1048576"),
            *("--ws-per-message-deflate", "false"),
            *("--ws-ping-timeout", "120", "--timeout-graceful-shutdown", "5"),
        ]
        # Solo workers: one process each, so the demo fits a small machine.
        worker = [*celery, "worker", "--pool", "solo", "--without-mingle", "--without-gossip"]
        beat = [*celery, "beat", "--schedule", str(demo / "beat"), "--pidfile="]
        agent = [python, "-m", "telemetry.agent", "--config", str(demo / "agent.toml")]
        simulate = [*manage, "simulate_fleet", *([] if self.has_incidents else ["--no-incidents"])]
        for name, command in (
            ("pager", [*manage, "demo_pager"]),
            ("web", web),
            ("worker", worker),
            ("beat", beat),
            ("sweep", [*manage, "sweep"]),
            ("auditor", [*manage, "auditor"]),
            ("agent", agent),
            ("fleet", simulate),
        ):
            child = Child(name, command, log=self.home / f"{name}.log", env=self.env)
            child.start()
            self.children.append(child)

    def _wait_until_ready(self) -> None:
        _say("Starting web, worker, beat, sweep, auditor, agent and the simulated fleet ...")
        deadline = time.monotonic() + _READY_SECONDS
        while not _is_up(f"{self.url}/healthz"):
            web = next(child for child in self.children if child.name == "web")
            if not web.is_running() or time.monotonic() > deadline:
                raise CommandError(f"The web server did not start:\n{web.last_lines()}")
            time.sleep(0.2)

    def _greet(self) -> None:
        _say(f"\nHearthwatch is ready at {self.url}\n")
        _say("Log in as:")
        for account in DEMO_ACCOUNTS:
            _say(f"  {account.username:<10} {account.password:<18} {account.sentence}")
        _say(f"\nPages that were sent: {self.url}/demo/pager")
        _say(f"Logs: {self.home}/*.log")
        _say("Ctrl-C stops everything.\n")

    def _mend(self) -> None:
        """Start again what has ended; a demo must survive a kill -9 of any part."""
        for name in self.services.mend():
            _say(f"{name} had ended and was started again.")
        for child in self.children:
            if not child.is_running():
                _say(f"{child.name} has ended; starting it again. Its log: {child.log}")
                time.sleep(_RESTART_SECONDS)
                child.start()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_stopping = True
        raise SystemExit(0)


def _say(text: str) -> None:
    print(text, flush=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "no such port"
            raise CommandError(
                f"Port {port} cannot be used: {reason}. Choose another: PORT=8080 make demo"
            ) from None


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
