"""The main flow, with every part real: a reading of this machine becomes a signed page."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from runbooks.models import Alert, Escalation, Page
from tests.factories import make_user
from tests.flows.world import CHANGED, STANDARD, FlowWorld
from tests.processes import wait_until


def test_a_changed_file_is_paged_passed_on_acknowledged_and_closed(world: FlowWorld) -> None:
    for name in ("web", "worker", "beat", "sweep"):
        world.processes.start(name)
    world.start_agent()

    world.watched.write_bytes(CHANGED)
    wait_until(lambda: world.pages_to("kenji"), what="the site's owner is paged")
    alert = Alert.objects.get()
    page = world.pages_to("kenji")[0].json["data"]
    assert alert.kind == "config.drift"
    assert page["runbook"]["slug"] == "configuration-drift"
    assert page["runbook"]["version"] == alert.runbook_version.number
    assert page["owner"]["name"] == "Kenji Mori"

    wait_until(lambda: world.pages_to("mei"), what="nobody answers, the next step is paged")

    browser = Client()
    browser.force_login(make_user("operator", username="noc"))
    browser.post(reverse("noc:alert-acknowledge", args=[alert.pk]), {"client_action_id": "one"})
    alert.refresh_from_db()
    assert alert.response == Alert.Response.ACKNOWLEDGED
    assert alert.escalation.state == Escalation.State.STOPPED
    assert not Page.objects.filter(state__in=["pending", "leased"]).exists()

    world.watched.write_bytes(STANDARD)
    wait_until(
        lambda: Alert.objects.get().response == Alert.Response.CLOSED,
        what="the repaired file closes the acknowledged alert",
    )
    assert [event.kind for event in alert.events.all()][0] == "opened"
    assert [event.kind for event in alert.events.all()][-1] == "closed"


def test_with_redis_gone_a_reading_still_becomes_a_page(world: FlowWorld, redis_away: None) -> None:
    for name in ("web", "sweep"):
        world.processes.start(name)
    world.start_agent()
    world.watched.write_bytes(CHANGED)
    wait_until(lambda: world.pages_to("kenji"), what="the sweep alone pages the owner")
    assert Alert.objects.get().kind == "config.drift"
