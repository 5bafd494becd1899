"""`make demo` itself: up within its promise, a verified page, and nothing left when it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import ROOT, free_port, wait_until

pytestmark = pytest.mark.chaos

OWN = ("DATABASE_URL", "REDIS_URL", "HEARTHWATCH_SECRET_KEY", "HEARTHWATCH_PAGE_HOSTS")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of its own that the servers' account can reach."""
    folder = Path(f"/var/tmp/hearthwatch-demo-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def start_demo(home: Path, port: int) -> subprocess.Popen[str]:
    """Start the demo as `make demo` does."""
    env = {name: value for name, value in os.environ.items() if name not in OWN}
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port)],
        cwd=ROOT,
        env={**env, "HEARTHWATCH_HOME": str(home), "HEARTHWATCH_STATIC_FROM_SOURCE": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def received(home: Path) -> list[dict[str, object]]:
    """Return what the demo's pager wrote down."""
    log = home / "demo" / "pages.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_the_demo_pages_with_a_signature_that_holds_and_leaves_nothing_behind(home: Path) -> None:
    port = free_port()
    demo = start_demo(home, port)
    assert demo.stdout is not None
    try:
        said = iter(demo.stdout.readline, "")
        assert any(f"Hearthwatch is ready at http://127.0.0.1:{port}" in line for line in said)
        family = psutil.Process(demo.pid).children(recursive=True)
        wait_until(lambda: received(home), within=120, what="a page reaches the demo's pager")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=120)
    assert demo.returncode == 0
    assert received(home)[0]["verified"] is True
    assert [process for process in family if process.is_running()] == []


def test_a_taken_port_is_told_in_a_sentence(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = start_demo(home, port).communicate(timeout=60)[0]
    assert f"Port {port} cannot be used: Address already in use." in said
    assert "PORT=8080 make demo" in said
