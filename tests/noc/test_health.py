"""Health: a process that lives, and a server that is ready, each with its own words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from fleet.models import Contact, EngineModule
from fleet.noc import health_views
from runbooks.auditor import CHECKS as PROMISES
from runbooks.auditor.beats import note_beat
from runbooks.models import AlertEvent, BrokenPromise, EngineBeat, Page
from tests.factories import NOON
from tests.noc.fleet_world import Kind, make_fleet, raise_alert

pytestmark = pytest.mark.django_db


def test_healthz_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_says_of_each_check_how_long_it_took(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert list(checks) == ["database", "migrations", "engine", "channel_layer", "promises"]
    assert all(check["ok"] and check["ms"] >= 0 for check in checks.values())


def test_readyz_fails_when_redis_does_not_pass_messages_on(client: Client, settings: Any) -> None:
    config = {"hosts": ["unix:///nowhere/redis.sock"]}
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    settings.CHANNEL_LAYERS = {"default": layer}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["channel_layer"]["ok"] is False
    assert "Redis" in answer.json()["checks"]["channel_layer"]["says"]


def test_readyz_fails_when_pages_are_overdue_though_no_auditor_runs(client: Client) -> None:
    site = next(iter(make_fleet(nodes=1).values()))
    raise_alert(site, Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    Page.objects.update(next_attempt_at=datetime(2020, 1, 1, tzinfo=UTC))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "was not tried" in answer.json()["checks"]["promises"]["says"]


def test_readyz_fails_when_the_lane_that_asks_receivers_hangs(client: Client) -> None:
    note_beat(part=EngineBeat.Part.ASK, now=datetime(2020, 1, 1, tzinfo=UTC))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    says = answer.json()["checks"]["promises"]["says"]
    assert says.startswith("Sweep, asking has not gone round since ")


def test_readyz_stays_ready_though_somebody_has_no_contact(client: Client) -> None:
    site = next(iter(make_fleet(nodes=1).values()))
    alert = raise_alert(site, Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    Contact.objects.filter(owner__is_catch_all=True).update(is_enabled=False)
    AlertEvent.objects.create(
        alert=alert, kind=AlertEvent.Kind.NOBODY_REACHABLE, at=NOON, sentence="Nobody of step 2."
    )
    assert PROMISES[BrokenPromise.Code.NOBODY_REACHABLE](NOON)
    assert client.get("/readyz").status_code == 200


def test_readyz_fails_when_the_database_is_made_for_another_engine(client: Client) -> None:
    EngineModule.objects.filter(name="delivery").update(version=2)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["engine"]["says"] == (
        "engine_outdated: This program's engine is version 1 of delivery, the database's is 2: "
        "upgrade this program."
    )


def test_readyz_fails_while_a_migration_is_owed() -> None:
    MigrationRecorder(connection).migration_qs.filter(app="runbooks").delete()
    with pytest.raises(health_views.NotReady, match="Run manage.py migrate"):
        health_views.MigrationsApplied()()
