"""Others on the same machine, where they are installed: Debian's Alertmanager."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import httpx

from bench.receiver import Receiver
from bench.report import Figure, percentile
from tests.processes import free_port, wait_until

PROGRAM = "prometheus-alertmanager"
ALERTS = 15
CONFIG = """
route: {{receiver: hook, group_by: [alertname], group_wait: {wait}, group_interval: 10s}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}"}}]}}]
"""


def measure_alertmanager(folder: Path) -> list[Figure]:
    """Return how long Alertmanager takes from a POSTed alert to its webhook; nothing without it."""
    if shutil.which(PROGRAM) is None:
        return []
    # One of its own: what we page meanwhile must not be taken for its webhook.
    receiver = Receiver()
    return [
        _measure(receiver, folder, wait, words)
        for wait, words in (("1s", "group_wait tuned to 1 s"), ("30s", "as shipped"))
    ]


def _measure(receiver: Receiver, folder: Path, wait: str, words: str) -> Figure:
    count = ALERTS if wait == "1s" else 3
    port = free_port()
    config = folder / f"alertmanager-{wait}.yml"
    config.write_text(CONFIG.format(wait=wait, url=receiver.url))
    command = [PROGRAM, f"--config.file={config}", f"--storage.path={folder / f'am-{wait}'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_up(url), what="Alertmanager answers")
        waits = [_one(url, receiver, f"{wait}-{number}") for number in range(count)]
    finally:
        process.terminate()
        process.wait()
    spread = f"p50 {percentile(waits, 0.5):.2f} s, p99 {percentile(waits, 0.99):.2f} s"
    return Figure(f"Alertmanager beside it: alert to webhook, {words}", spread, f"{count} alerts")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.HTTPError:
        return False


def _one(url: str, receiver: Receiver, name: str) -> float:
    receiver.forget()
    began = time.time()
    alerts = [{"labels": {"alertname": name}}]
    httpx.post(f"{url}/api/v2/alerts", json=alerts).raise_for_status()
    if not receiver.wait_for_any(within=60):
        raise SystemExit(f"Alertmanager sent nothing for {name}.")
    return receiver.last_at - began
