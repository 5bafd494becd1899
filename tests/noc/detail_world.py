"""What the detail pages' tests share: a moment, an alert with its readings, a count of queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from fleet.models import Node
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert
from tests.factories import NOON, make_node
from tests.runbooks.world import make_alert, make_library
from tests.telemetry.windows import send_inlet

#: The moment at which the pages are looked at: 21:20 in Osaka.
NOW = NOON + timedelta(minutes=20)
HTMX = {"HX-Request": "true"}

EVIDENCE = {
    "metric": "hw.temperature",
    "unit": "Cel",
    "device": "inlet",
    "direction": "above",
    "value": 38.4,
    "limit": 35.0,
    "worst": 38.9,
    "rate_per_minute": 0.2,
    "basis": "ASHRAE A2 allowable",
}


def stop_clock(monkeypatch: pytest.MonkeyPatch, at: datetime = NOW) -> None:
    """Let every door read NOW, or another time."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)


def hot_node(**overrides: Any) -> Node:
    """Make a node whose inlet rose from 24 °C to 38.4 °C in the last twenty minutes."""
    node = make_node(**overrides)
    send_inlet(node, [24 + 0.76 * minute for minute in range(20)])
    return node


def hot_alert(node: Node | None = None, /, **overrides: Any) -> Alert:
    """Make the alert of a hot inlet, opened at noon, its owner paged and 5 min to answer."""
    node = node or hot_node()
    fields: dict[str, Any] = {
        "site": node.site,
        "node": node,
        "fingerprint": f"thermal.envelope/{node.name}/inlet",
        "summary": "Inlet air 38.4 °C, limit 35.0 °C, rising 0.2 °C a minute",
        "evidence": EVIDENCE,
    }
    make_library()
    alert = make_alert(**(fields | overrides))
    advance_due_escalations(now=NOON)
    return alert


def signed_in(user: Any) -> Client:
    """Return a browser in which `user` is signed in."""
    client = Client()
    client.force_login(user)
    return client


def figure_in(html: str, data_id: str) -> dict[str, Any]:
    """Return the figure that a page holds under this id."""
    start = html.index(">", html.index(f'id="{data_id}"')) + 1
    figure: dict[str, Any] = json.loads(html[start : html.index("</script>", start)])
    return figure


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Collect the statements that are executed; COPY is not among them."""
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen
