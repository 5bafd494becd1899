"""An outage of our own, with real processes: nobody is blamed for what we could not hear."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta

from fleet.services.api_tokens import Scope, create_api_token
from runbooks.models import Alert, EngineBeat
from telemetry.models import Finding
from telemetry.selectors import listening_since
from tests.factories import make_user
from tests.flows.world import FlowWorld
from tests.processes import wait_until


def say(world: FlowWorld, token: str, *, lasts: int) -> datetime:
    """Say over HTTP that an alert fires for so many seconds; return until when."""
    ends_at = datetime.now(UTC) + timedelta(seconds=lasts)
    labels = {"alertname": "GpuTooHot", "site": world.site.slug, "severity": "critical"}
    request = urllib.request.Request(
        f"{world.processes.url}/api/v2/alerts",
        data=json.dumps([{"labels": labels, "endsAt": ends_at.isoformat()}]).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    return ends_at


def sweep_goes_round() -> None:
    """Wait until the deciding lane has begun and ended a whole round."""
    for _ in range(2):
        began_at = datetime.now(UTC)
        went_round = EngineBeat.objects.filter(part=EngineBeat.Part.DECIDE, at__gt=began_at)
        wait_until(went_round.exists, what="the sweep goes round")


def test_an_outage_of_ours_closes_no_alert_and_a_sender_that_died_in_it_is_found(
    world: FlowWorld,
) -> None:
    for name in ("web", "sweep"):
        world.processes.start(name)
    user = make_user("operator", username="prometheus")
    issued = create_api_token(user=user, label="flow", scopes=tuple(Scope), now=datetime.now(UTC))
    ends_at = say(world, issued.text, lasts=18)
    wait_until(Alert.objects.exists, what="the alert is open")
    for name in ("web", "sweep"):
        world.processes.kill(name)
    wait_until(lambda: listening_since(now=datetime.now(UTC)) is None, what="nobody listens")
    wait_until(lambda: datetime.now(UTC) > ends_at, what="the end that its sender named is past")

    world.processes.start("sweep")
    sweep_goes_round()
    assert Alert.objects.get().condition == Alert.Condition.FIRING
    world.processes.start("web")
    sweep_goes_round()
    assert Alert.objects.get().condition == Alert.Condition.FIRING
    say(world, issued.text, lasts=3)
    # Nobody says it again, so it ends at its time now that we can be reached.
    wait_until(
        lambda: Alert.objects.get().condition == Alert.Condition.CLEARED,
        what="the alert is cleared",
    )
    assert Finding.objects.get().revision == 2
