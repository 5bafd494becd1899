"""Heartbeats of others: expected from the start, late when they do not come, over when they do."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from fleet.models import AuditEntry, Site
from runbooks.alerts.intake import take_in_findings
from runbooks.heartbeats.errors import HeartbeatError
from runbooks.heartbeats.services import (
    IssuedHeartbeat,
    check_heartbeats,
    create_heartbeat,
    note_heartbeat,
    revoke_heartbeat,
)
from runbooks.models import Alert, Heartbeat
from telemetry.findings import record_detections
from telemetry.models import Finding
from tests.factories import NOON, make_node, make_site, make_user
from tests.runbooks.world import make_library, seconds
from tests.telemetry.connections import in_another_connection

pytestmark = pytest.mark.django_db

#: Period and grace together: late from here on.
LATE = NOON + seconds(360)


def make_heartbeat(**overrides: Any) -> IssuedHeartbeat:
    """Make a heartbeat every five minutes with a minute of grace, at NOON."""
    fields: dict[str, Any] = {
        "node": None,
        "name": "backup",
        "period_seconds": 300,
        "grace_seconds": 60,
        "by": None,
        "now": NOON,
    }
    if "site" not in overrides:
        fields["site"] = make_site()
    return create_heartbeat(**(fields | overrides))


def standing() -> list[str]:
    return list(Finding.objects.filter(cleared_at__isnull=True).values_list("summary", flat=True))


def test_one_that_comes_in_time_is_never_late() -> None:
    heartbeat, key = make_heartbeat()
    noted = note_heartbeat(key=key, now=NOON + seconds(300))
    assert noted == heartbeat
    assert noted is not None
    assert noted.late_at == NOON + seconds(660)
    assert [check_heartbeats(now=NOON + seconds(at)) for at in (360, 659, 660)] == [0, 0, 1]


def test_one_that_was_never_heard_of_is_late_too() -> None:
    make_heartbeat()
    assert [check_heartbeats(now=LATE - seconds(1)), check_heartbeats(now=LATE)] == [0, 1]
    assert standing() == ["backup has never been heard of in 6 min; expected every 5 min"]


def test_one_that_stays_late_is_found_once() -> None:
    _, key = make_heartbeat()
    note_heartbeat(key=key, now=NOON)
    assert [check_heartbeats(now=LATE), check_heartbeats(now=LATE + seconds(5))] == [1, 0]
    assert standing() == ["backup was last heard of 6 min ago; expected every 5 min"]


def test_one_that_is_heard_of_again_ends_its_finding_at_once() -> None:
    heartbeat, key = make_heartbeat()
    check_heartbeats(now=LATE)
    note_heartbeat(key=key, now=LATE + seconds(40))
    finding = Finding.objects.get()
    assert (finding.cleared_at, finding.revision) == (LATE + seconds(40), 2)
    heartbeat.refresh_from_db()
    assert (heartbeat.is_late, heartbeat.last_seen_at) == (False, LATE + seconds(40))


def test_late_again_is_another_finding_of_the_same_fingerprint() -> None:
    heartbeat, key = make_heartbeat()
    check_heartbeats(now=LATE)
    note_heartbeat(key=key, now=LATE)
    check_heartbeats(now=LATE + seconds(360))
    prints = set(Finding.objects.values_list("fingerprint", flat=True))
    assert (Finding.objects.count(), prints) == (2, {f"heartbeat/{heartbeat.pk}"})


def test_a_late_heartbeat_is_an_alert_with_its_own_runbook_and_its_node() -> None:
    call_command("load_runbooks", stdout=io.StringIO())
    node = make_node()
    make_heartbeat(site=node.site, node=node)
    check_heartbeats(now=LATE)
    take_in_findings(now=LATE)
    alert = Alert.objects.get()
    assert (alert.kind, alert.node) == (Finding.Kind.HEARTBEAT_LATE, node)
    assert alert.runbook_version.runbook.slug == "heartbeat-late"


def test_what_was_late_while_nobody_looked_pages_all_the_same() -> None:
    make_library()
    make_heartbeat()
    an_hour_later = LATE + seconds(3600)
    check_heartbeats(now=an_hour_later)
    take_in_findings(now=an_hour_later)
    assert Alert.objects.count() == 1


def test_the_flag_and_the_finding_stand_or_fall_together() -> None:
    # The finding is refused by the database; then the flag must not say that it was told.
    heartbeat, _ = make_heartbeat()
    refuse_findings()
    assert check_heartbeats(now=LATE) == 0
    heartbeat.refresh_from_db()
    assert not heartbeat.is_late


def refuse_findings() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE telemetry_finding ADD CONSTRAINT none_of_backup "
            "CHECK (summary NOT LIKE 'backup%%') NOT VALID"
        )


def test_a_row_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    make_heartbeat()
    make_heartbeat(name="uplink", now=NOON + seconds(1))
    refuse_findings()
    assert check_heartbeats(now=LATE + seconds(1)) == 1
    assert [summary.split()[0] for summary in standing()] == ["uplink"]
    assert "heartbeat.check_failed" in [row.getMessage() for row in caplog.records]


def test_the_evaluation_of_detectors_leaves_a_late_heartbeat_alone() -> None:
    heartbeat, _ = make_heartbeat()
    check_heartbeats(now=LATE)
    record_detections(site=heartbeat.site, detections=[], now=LATE)
    assert Finding.objects.get().source == Finding.Source.HEARTBEAT
    assert standing()


def test_only_the_hash_of_a_key_is_kept() -> None:
    heartbeat, key = make_heartbeat()
    assert key.startswith(heartbeat.prefix)
    assert key not in str(Heartbeat.objects.values().get())
    assert key not in repr(make_heartbeat(name="other"))


@pytest.mark.parametrize("key", ["", "hwb_", "x" * 5000, "hwb_ü\u2028"])
def test_a_key_that_nobody_gave_out_opens_nothing(key: str) -> None:
    make_heartbeat()
    assert note_heartbeat(key=key, now=NOON) is None


def test_a_revoked_heartbeat_is_expected_no_more_and_its_alert_is_over() -> None:
    heartbeat, key = make_heartbeat()
    check_heartbeats(now=LATE)
    revoke_heartbeat(heartbeat=heartbeat, by=make_user(), now=LATE)
    assert standing() == []
    assert note_heartbeat(key=key, now=LATE) is None
    assert check_heartbeats(now=LATE + seconds(3600)) == 0
    with pytest.raises(HeartbeatError) as refusal:
        revoke_heartbeat(heartbeat=heartbeat, by=None, now=LATE)
    assert refusal.value.code == "already_revoked"


def test_its_name_is_free_again_once_it_is_revoked() -> None:
    heartbeat, _ = make_heartbeat()
    with pytest.raises(HeartbeatError, match="has a heartbeat 'backup' already"):
        make_heartbeat(site=heartbeat.site)
    revoke_heartbeat(heartbeat=heartbeat, by=None, now=NOON)
    assert make_heartbeat(site=heartbeat.site).heartbeat.pk != heartbeat.pk


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "  ", "bad_name"),
        ("name", "x" * 121, "bad_name"),
        ("period_seconds", 9, "bad_period"),
        ("period_seconds", 32 * 86_400, "bad_period"),
        ("grace_seconds", -1, "bad_grace"),
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_refused(field: str, value: Any, code: str) -> None:
    with pytest.raises(HeartbeatError) as refusal:
        make_heartbeat(**{field: value})
    assert refusal.value.code == code
    assert not Heartbeat.objects.exists()


def test_a_node_of_another_site_is_refused() -> None:
    with pytest.raises(HeartbeatError) as refusal:
        make_heartbeat(node=make_node())
    assert refusal.value.code == "node_elsewhere"


def test_who_made_and_who_revoked_it_is_written_down() -> None:
    maker = make_user()
    heartbeat, key = make_heartbeat(by=maker)
    revoke_heartbeat(heartbeat=heartbeat, by=None, now=LATE)
    entries = list(AuditEntry.objects.order_by("pk").values_list("action", "actor"))
    assert entries == [("heartbeat.created", maker.pk), ("heartbeat.revoked", None)]
    assert key not in str(list(AuditEntry.objects.values()))
    assert get_user_model().objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_that_comes_while_it_is_found_late_is_not_lost() -> None:
    heartbeat, key = make_heartbeat()

    def call() -> Heartbeat | None:
        return in_another_connection(lambda: note_heartbeat(key=key, now=LATE))

    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            check_heartbeats(now=LATE)
            # It waits for the row, or comes after it: either way it finds it late.
            calling = threads.submit(call)
        assert calling.result() == heartbeat
    assert standing() == []
    assert not Heartbeat.objects.get().is_late


def make_by_command(site: Site, *args: str) -> tuple[str, str]:
    said, noted = io.StringIO(), io.StringIO()
    call_command("create_heartbeat", "--site", site.slug, *args, stdout=said, stderr=noted)
    return said.getvalue().strip(), noted.getvalue()


def test_the_command_prints_the_address_to_call_and_nothing_else() -> None:
    node = make_node()
    address, told = make_by_command(node.site, "--node", node.name, "--name", "uplink")
    base, _, key = address.rpartition("/")
    assert base == "http://127.0.0.1:8000/api/v1/heartbeat"
    assert note_heartbeat(key=key, now=NOON) == Heartbeat.objects.get(node=node, name="uplink")
    assert key not in told


def test_the_command_revokes_by_the_first_characters_of_the_key() -> None:
    heartbeat, key = make_heartbeat()
    call_command("create_heartbeat", "--revoke", key[:10], stdout=io.StringIO())
    heartbeat.refresh_from_db()
    assert heartbeat.revoked_at is not None


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--site", "nowhere"], "There is no site 'nowhere'"),
        (["--revoke", "hwb_none"], "No heartbeat has a key that starts with"),
    ],
)
def test_the_command_says_what_is_wrong(args: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("create_heartbeat", *args)


def test_the_command_refuses_a_period_that_makes_no_sense() -> None:
    site = make_site()
    with pytest.raises(CommandError, match="comes every 10 to"):
        call_command("create_heartbeat", "--site", site.slug, "--period", "1")
    with pytest.raises(CommandError, match="There is no node 'ghost'"):
        call_command("create_heartbeat", "--site", site.slug, "--node", "ghost")
