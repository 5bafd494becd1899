"""Engines that are killed where a test says, and the healthy ones that go on after them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q

from fleet.management.commands.sweep import deciding_stages
from runbooks.alerts.intake import take_in_findings
from runbooks.models import Alert, Escalation, Page
from telemetry.models import Finding
from tests.processes import ROOT, wait_until
from tests.receiver import Receiver
from tests.runbooks.world import deliver, seconds

#: After this much time every lease has run out and every retry is due.
LATER = (15, 40)
#: What the connections of forked engines are called in PostgreSQL.
ENGINE = "crash-zygote"


class Zygote:
    """Forks engines that die where they are told to."""

    def __init__(self, *, database_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.crash_zygote"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url, "PGAPPNAME": ENGINE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def warm_up(self, *, now: datetime) -> None:
        """Let it do one pass itself, with whatever there is to do."""
        assert self._ask(now=now.isoformat(), here=True)["ended"]

    def kill_at(self, point: str, *, now: datetime, **order: Any) -> bool:
        """Let an engine work until it dies at `point`; tell whether it did."""
        is_killed = bool(self._ask(point=point, now=now.isoformat(), **order)["killed"])
        # What it had locked stays so until PostgreSQL has seen that nobody is there any more.
        wait_until(lambda: connections_of_engines() == 0, what="the dead engine's locks are gone")
        return is_killed

    def run(self, *, now: datetime) -> bool:
        """Let an engine that was just started work undisturbed; tell whether it came to its end."""
        return bool(self._ask(now=now.isoformat())["ended"])

    def stop_at(self, point: str, *, now: datetime) -> int:
        """Let an engine work until it stands still at `point`; return its process id."""
        answer = self._ask(point=point, now=now.isoformat(), stop=True)
        assert answer["stopped"]
        return int(answer["pid"])

    def go_on(self, engine: int) -> bool:
        """Let an engine that stands still go on; tell whether it came to its end."""
        return bool(self._ask(go_on=engine)["ended"])

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """End it; it has no children between two orders."""
        self._process.kill()
        self._process.communicate()


def connections_of_engines() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [ENGINE]
        )
        return int(cursor.fetchone()[0])


def engine_pass(now: datetime) -> None:
    """Do what the sweep does in one cycle, at `now`; nothing that was due is left undone."""
    for stage in deciding_stages():
        stage.run(now)
    deliver(now)
    assert left_undone(now) == []


def left_undone(now: datetime) -> list[Any]:
    """Return the steps and pages that a cycle at `now` should have dealt with."""
    steps = Escalation.objects.filter(state=Escalation.State.RUNNING, next_due_at__lte=now)
    is_due = Q(state=Page.State.PENDING, next_attempt_at__lte=now, alert__is_suppressed=False)
    return [*steps, *Page.objects.filter(is_due | Q(lease_expires_at__lte=now))]


def recover(now: datetime) -> None:
    """Let healthy engines go on until every lease and retry has had its time."""
    for wait in LATER:
        engine_pass(now + seconds(wait))


def take_in(finding: Finding) -> Alert:
    take_in_findings(now=finding.began_at)
    return Alert.objects.get(finding=finding)


def times_received(receiver: Receiver) -> Counter[str]:
    """Return how often each page reached the receiver."""
    return Counter(request.headers["webhook-id"] for request in receiver.requests)


def alerts_received(receiver: Receiver) -> set[int]:
    return {request.json["data"]["alert"]["id"] for request in receiver.requests}


def lateness() -> list[float]:
    """Return by how many seconds each page arrived after its alert opened, as the rows say."""
    late = Page.objects.filter(state=Page.State.SENT).annotate(
        late=F("sent_at") - F("alert__opened_at")
    )
    return [gap.total_seconds() for gap in late.values_list("late", flat=True)]
