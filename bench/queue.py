"""How the dashboard does with 10,000 open alerts: the queue, and the click that acknowledges."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx
from django.conf import settings
from django.db import connection
from django.test import Client

from bench.report import Figure, spread
from runbooks.alerts.lifecycle import open_alert
from runbooks.models import Alert, Escalation
from telemetry.models import Finding
from tests.factories import make_node, make_user

OPEN, CLICKS, LOOKS = 10_000, 60, 15


def measure_acknowledging(url: str) -> list[Figure]:
    """Return how long a click and the whole queue take while 10,000 alerts are open."""
    alerts = _open_many()
    headers = {"HX-Request": "true", "X-CSRFToken": "x" * 32}
    with httpx.Client(base_url=url, cookies=_cookies(), headers=headers, timeout=60) as browser:
        looks = [_timed(lambda: browser.get("/alerts/")) for _ in range(LOOKS)]
        clicks = [_timed(lambda key=key: _click(browser, key)) for key in alerts[:CLICKS]]
    taken = Alert.objects.filter(pk__in=alerts[:CLICKS], response="acknowledged").count()
    if taken != CLICKS:
        raise SystemExit(f"Only {taken} of {CLICKS} clicks acknowledged their alert.")
    how = f"{OPEN:,} open alerts; over HTTP, the changed row in the answer"
    return [
        Figure("acknowledge click", spread(clicks), how),
        Figure("queue page", spread(looks), f"{OPEN:,} open alerts; the fragment of 200 rows"),
    ]


def _open_many() -> list[int]:
    """Open one alert as the product does, and multiply its rows; nobody is paged for them."""
    node = make_node()
    at = datetime.now(UTC) - timedelta(hours=1)
    finding = Finding.objects.create(
        site=node.site,
        node=node,
        kind=Finding.Kind.METRIC_THRESHOLD,
        fingerprint=f"many/{uuid.uuid4()}",
        severity=Finding.Severity.HIGH,
        summary="One of many",
        began_at=at,
        detected_at=at,
        updated_at=at,
        taken_in_revision=1,
    )
    first = open_alert(finding=finding, now=at)
    # Not "exhausted": of those nobody has heard of the pager goes on with.
    Escalation.objects.filter(alert=first).update(state="stopped", next_due_at=None)
    rows = [Alert(**_fields(first, number)) for number in range(OPEN)]
    Alert.objects.bulk_create(rows, batch_size=1000)
    made = Alert.objects.filter(dedup_key__startswith="many/copy/").values_list("pk", flat=True)
    keys = list(made)
    Escalation.objects.bulk_create(
        [
            Escalation(
                alert_id=key,
                policy_version_id=first.policy_version_id,
                state="stopped",
                rounds_left=0,
            )
            for key in keys
        ],
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE runbooks_alert, runbooks_escalation, runbooks_alertevent")
    return keys


def _fields(alert: Alert, number: int) -> dict[str, object]:
    names = [field.attname for field in Alert._meta.concrete_fields if not field.primary_key]
    return {name: getattr(alert, name) for name in names} | {"dedup_key": f"many/copy/{number}"}


def _click(browser: httpx.Client, key: int) -> httpx.Response:
    data = {"from": "queue", "client_action_id": uuid.uuid4().hex}
    return browser.post(f"/alerts/{key}/acknowledge/", data=data)


def _timed(ask: object) -> float:
    began = time.perf_counter()
    answer = ask()  # type: ignore[operator]  # one of the lambdas above
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


def _cookies() -> dict[str, str]:
    client = Client()
    client.force_login(make_user("operator"))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: "x" * 32}
