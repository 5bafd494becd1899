"""With Debian's own Prometheus, Alertmanager and amtool: they send to us, and they read us."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleet.services.api_tokens import Scope, create_api_token
from runbooks.models import Alert, Silence
from telemetry.models import Finding
from tests.factories import make_user
from tests.flows.world import FlowWorld
from tests.processes import free_port, wait_until

RULES = """\
groups:
- name: flow
  interval: 1s
  rules:
  - alert: GpuTooHot
    expr: vector(91) > {limit}
    labels: {{severity: critical, site: {site}, node: node-1, runbook: thermal-alarm}}
    annotations: {{summary: "GPU 3 is at {{{{ $value }}}} degrees."}}
"""
PROMETHEUS = """\
global: {{evaluation_interval: 1s}}
rule_files: [{rules}]
alerting:
  alertmanagers:
  - authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
ALERTMANAGER = """\
route: {{receiver: hearthwatch, group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers:
- name: hearthwatch
  webhook_configs:
  - url: {url}/api/v1/alertmanager/webhook
    http_config: {{authorization: {{credentials: {token}}}}}
"""


DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "alertmanager.md"


def program(*names: str) -> str:
    """Return the path of an installed program, or skip."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed: apt-get install prometheus-alertmanager")
    return found


@pytest.fixture
def token(world: FlowWorld) -> str:
    """The token of a program that may do everything everywhere; web and sweep run."""
    for name in ("web", "sweep"):
        world.processes.start(name)
    user = make_user("operator", username="prometheus")
    issued = create_api_token(user=user, label="flow", scopes=tuple(Scope), now=datetime.now(UTC))
    return issued.text


def amtool(url: str, *words: str) -> str:
    """Run amtool and return what it prints; fail with what it complains of."""
    command = [program("amtool"), f"--alertmanager.url={url}", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def our_url(world: FlowWorld, token: str) -> str:
    return world.processes.url.replace("://", f"://amtool:{token}@")


def listed(url: str, *words: str) -> list[Any]:
    """Return the alerts that amtool lists."""
    found: list[Any] = json.loads(amtool(url, "-o", "json", "alert", "query", *words))
    return found


def names(alerts: Sequence[Any]) -> list[str]:
    return sorted(alert["labels"]["alertname"] for alert in alerts)


def start_prometheus(world: FlowWorld, token: str, folder: Path) -> Path:
    """Start Prometheus with one rule that fires; return the file of its rules."""
    rules, config = folder / "rules.yml", folder / "prometheus.yml"
    rules.write_text(RULES.format(limit=85, site=world.site.slug))
    config.write_text(PROMETHEUS.format(rules=rules, token=token, port=world.processes.port))
    world.processes.run(
        "prometheus",
        [
            *(program("prometheus"), f"--config.file={config}"),
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{free_port()}",
            # What it sends before it has found us is lost; it says so again a second later.
            "--rules.alert.resend-delay=1s",
        ],
    )
    return rules


def start_alertmanager(world: FlowWorld, token: str, folder: Path) -> str:
    """Start an Alertmanager that tells us everything; return its address."""
    config, url = folder / "alertmanager.yml", f"http://127.0.0.1:{free_port()}"
    config.write_text(ALERTMANAGER.format(url=world.processes.url, token=token))
    world.processes.run(
        "alertmanager",
        [
            *(program("prometheus-alertmanager", "alertmanager"), f"--config.file={config}"),
            f"--storage.path={folder / 'am'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ],
    )
    wait_until(lambda: answers(f"{url}/-/ready"), what="Alertmanager is up")
    return url


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_what_prometheus_sends_is_paged_and_ends_when_it_says_so(
    world: FlowWorld, token: str, tmp_path: Path
) -> None:
    rules = start_prometheus(world, token, tmp_path)
    wait_until(lambda: world.pages_to("kenji"), what="the site's owner is paged")
    page = world.pages_to("kenji")[0].json["data"]
    assert page["alert"]["summary"] == "GPU 3 is at 91 degrees."
    assert page["alert"]["severity_word"] == "urgent"
    assert Alert.objects.get().node == world.node

    rules.write_text(RULES.format(limit=95, site=world.site.slug))
    os.kill(world.processes.children["prometheus"].pid, signal.SIGHUP)
    wait_until(
        lambda: Alert.objects.get().condition == Alert.Condition.CLEARED,
        what="the resolved alert is cleared",
    )
    assert page["runbook"]["slug"] == "thermal-alarm"


def test_what_a_dead_prometheus_does_not_repeat_is_taken_to_be_over(
    world: FlowWorld, token: str, tmp_path: Path
) -> None:
    start_prometheus(world, token, tmp_path)
    wait_until(lambda: Alert.objects.exists(), what="the alert is open")
    world.processes.kill("prometheus")
    # It said with each repeat that the alert ends 4 s later unless it is said again.
    wait_until(
        lambda: Alert.objects.get().condition == Alert.Condition.CLEARED,
        what="the alert is cleared",
    )
    assert "was not repeated for" in Finding.objects.get().summary


def test_what_an_alertmanager_relays_is_paged_and_ends_when_it_says_so(
    world: FlowWorld, token: str, tmp_path: Path
) -> None:
    theirs = start_alertmanager(world, token, tmp_path)
    labels = ["alertname=FanFail", f"site={world.site.slug}", "severity=warning"]
    amtool(theirs, "alert", "add", *labels, "--annotation=summary=Fan 2 stands still.")
    wait_until(lambda: world.pages_to("kenji"), what="the site's owner is paged")
    assert Alert.objects.get().summary == "Fan 2 stands still."
    (there,) = listed(theirs)
    (here,) = listed(our_url(world, token))
    assert here["fingerprint"] == there["fingerprint"]
    assert there["labels"].items() <= here["labels"].items()

    ended = datetime.now(UTC).isoformat(timespec="seconds")
    amtool(theirs, "alert", "add", *labels, f"--end={ended}")
    wait_until(
        lambda: Alert.objects.get().condition == Alert.Condition.CLEARED,
        what="the resolved alert is cleared",
    )


def test_amtool_files_lists_and_silences_alerts_with_us(world: FlowWorld, token: str) -> None:
    url = our_url(world, token)
    for name in ("FanFail", "DiskSlow"):
        amtool(url, "alert", "add", f"alertname={name}", f"site={world.site.slug}")
    wait_until(lambda: names(listed(url)) == ["DiskSlow", "FanFail"], what="both are listed")
    assert names(listed(url, "alertname=~Fan.*")) == ["FanFail"]

    silencing = ["alertname=FanFail", "--comment=planned fan swap", "--duration=1h"]
    silence_id = amtool(url, "silence", "add", "--author=aiko", *silencing).strip()
    assert Silence.objects.get(pk=silence_id).author_name == "aiko"
    wait_until(lambda: names(listed(url)) == ["DiskSlow"], what="the silenced one is held back")
    assert names(listed(url, "--silenced")) == ["FanFail"]
    assert amtool(url, "silence", "query", "-q").split() == [silence_id]

    amtool(url, "silence", "update", "--duration=3h", silence_id)
    (in_force,) = amtool(url, "silence", "query", "-q").split()
    amtool(url, "silence", "expire", in_force)
    assert amtool(url, "silence", "query", "-q").split() == []
    wait_until(lambda: names(listed(url)) == ["DiskSlow", "FanFail"], what="both are listed again")


def test_amtool_shows_who_receives_what(world: FlowWorld, token: str) -> None:
    policy = world.site.escalation_choice.policy.name
    assert policy in amtool(our_url(world, token), "config", "show")


@pytest.mark.parametrize(
    ("name", "checker"),
    [
        ("prometheus.yml", ["promtool", "check", "config", "--syntax-only"]),
        ("rules.yml", ["promtool", "check", "rules"]),
        ("alertmanager.yml", ["amtool", "check-config"]),
    ],
)
def test_what_the_document_shows_is_accepted_where_it_belongs(
    name: str, checker: Sequence[str], tmp_path: Path
) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (shown,) = [block for block in blocks if block.startswith(f"# {name}\n")]
    (tmp_path / name).write_text(shown)
    command = [program(checker[0]), *checker[1:], str(tmp_path / name)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
