"""The command line: what it prints, what it answers, and that it can be stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from telemetry.agent.__main__ import main
from tests.agent.server import TOKEN, Act, ScriptedServer

ROOT = Path(__file__).parents[2]


def write_config(folder: Path, *, server: str = "ws://127.0.0.1:9", more: str = "") -> Path:
    path = folder / "agent.toml"
    path.write_text(f'server = "{server}"\ntoken = "{TOKEN}"\nnode = "edge-01"\n{more}')
    return path


def test_check_prints_readings_and_items_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "router.conf").write_text("mtu 1500\n")
    more = '[[files]]\nname = "router"\npath = "router.conf"\n'
    assert main(["--config", str(write_config(tmp_path, more=more)), "--check"]) == 0
    printed = capsys.readouterr().out
    assert "system.memory.utilization" in printed
    assert "config router: ready sha256:" in printed
    assert TOKEN not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"agent.toml", "router.conf"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("window_seconds = 0\n", "use a whole number from 1 to 3600."),
        (
            "[sources]\nhost = false\nhwmon = false\npressure = false\ngpu = false\n",
            "No source is switched on or found; see [sources] in the settings.",
        ),
        ('[spool]\npath = "agent.toml/spool"\n', "agent.toml"),
    ],
)
def test_what_is_wrong_with_the_settings_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, sentence: str
) -> None:
    assert main(["--config", str(write_config(tmp_path, more=more))]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in last


async def start(folder: Path, server: str, *arguments: str) -> asyncio.subprocess.Process:
    path = write_config(folder, server=server, more="window_seconds = 1\nsample_seconds = 0.1\n")
    command = ["-W", "error", "-m", "telemetry.agent", "--config", str(path), *arguments]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )


async def test_a_real_agent_reports_this_machine_and_stops_when_asked(tmp_path: Path) -> None:
    server = ScriptedServer([Act()], clock=time.time)
    async with server.running():
        process = await start(tmp_path, server.url)
        await server.until(lambda known: len(known.batches) >= 2 and len(known.states) >= 1)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, said = await process.communicate()
    assert process.returncode == 0
    assert b"uplink.connected" in said
    assert TOKEN.encode() not in said
    metrics = {series.metric for _, frame in server.announcements for series in frame.series}
    assert "system.memory.utilization" in metrics
    assert server.states[0].boot_id
    windows = server.committed_windows
    assert len(set(windows)) == len(windows)


async def test_once_measures_sends_and_ends(tmp_path: Path) -> None:
    server = ScriptedServer([Act()], clock=time.time)
    async with server.running():
        process = await start(tmp_path, server.url, "--once")
        async with asyncio.timeout(20):
            await process.communicate()
    assert process.returncode == 0
    assert len(server.committed_windows) >= 1
