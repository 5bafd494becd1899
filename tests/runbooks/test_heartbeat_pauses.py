"""Heartbeats that nobody expects for a while, and keys that are changed."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import AuditEntry
from runbooks.heartbeats.errors import HeartbeatError
from runbooks.heartbeats.pauses import pause_heartbeat, resume_heartbeat
from runbooks.heartbeats.services import (
    check_heartbeats,
    note_heartbeat,
    revoke_heartbeat,
    rotate_key,
)
from runbooks.models import Heartbeat
from telemetry.models import Finding
from tests.factories import NOON
from tests.runbooks.test_heartbeats import LATE, make_heartbeat, standing
from tests.runbooks.world import seconds

pytestmark = pytest.mark.django_db


def pause(heartbeat: Heartbeat, **overrides: Any) -> None:
    fields: dict[str, Any] = {"reason": "The host is rebuilt", "by": None, "now": NOON}
    pause_heartbeat(heartbeat=heartbeat, **(fields | overrides))


def code_of(call: Any, heartbeat: Heartbeat, **arguments: Any) -> str:
    with pytest.raises(HeartbeatError) as caught:
        call(heartbeat=heartbeat, by=None, now=NOON, **arguments)
    return caught.value.code


def test_one_that_is_paused_is_never_late(caplog: pytest.LogCaptureFixture) -> None:
    heartbeat, _ = make_heartbeat()
    pause(heartbeat)
    assert check_heartbeats(now=LATE) == 0
    # It was not looked at; the database would refuse to call it late.
    assert "heartbeat.check_failed" not in caplog.text


def test_pausing_one_that_is_late_ends_its_finding() -> None:
    heartbeat, _ = make_heartbeat()
    check_heartbeats(now=LATE)
    pause(heartbeat, now=LATE + seconds(10))
    assert standing() == []
    heartbeat.refresh_from_db()
    assert (heartbeat.is_late, heartbeat.pause_reason) == (False, "The host is rebuilt")


def test_one_that_calls_while_paused_is_noted_and_stays_paused() -> None:
    heartbeat, key = make_heartbeat()
    pause(heartbeat)
    assert note_heartbeat(key=key, now=LATE) == heartbeat
    heartbeat.refresh_from_db()
    assert (heartbeat.last_seen_at, heartbeat.paused_at) == (LATE, NOON)


def test_resumed_it_has_its_whole_time_from_then_on() -> None:
    heartbeat, _ = make_heartbeat()
    pause(heartbeat)
    resume_heartbeat(heartbeat=heartbeat, by=None, now=LATE)
    assert [check_heartbeats(now=LATE + seconds(at)) for at in (359, 360)] == [0, 1]
    assert AuditEntry.objects.filter(action="heartbeat.resumed").count() == 1


def test_each_act_says_what_was_done_meanwhile() -> None:
    heartbeat, _ = make_heartbeat()
    assert code_of(resume_heartbeat, heartbeat) == "not_paused"
    pause(heartbeat)
    assert code_of(pause_heartbeat, heartbeat, reason="Twice") == "already_paused"
    revoke_heartbeat(heartbeat=heartbeat, by=None, now=NOON)
    for act in (resume_heartbeat, rotate_key):
        assert code_of(act, heartbeat) == "already_revoked"
    assert code_of(pause_heartbeat, heartbeat, reason="Late") == "already_revoked"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_pause_needs_a_reason(reason: str) -> None:
    heartbeat, _ = make_heartbeat()
    assert code_of(pause_heartbeat, heartbeat, reason=reason) == "no_reason"
    heartbeat.refresh_from_db()
    assert heartbeat.paused_at is None


def test_with_a_new_key_the_old_one_opens_nothing() -> None:
    heartbeat, old = make_heartbeat()
    _, new = rotate_key(heartbeat=heartbeat, by=None, now=NOON)
    assert note_heartbeat(key=old, now=NOON) is None
    assert note_heartbeat(key=new, now=NOON) == heartbeat
    kept = Heartbeat.objects.get()
    assert (kept.prefix, new in kept.key_hash) == (new[:12], False)
    entry = AuditEntry.objects.get(action="heartbeat.key_rotated")
    assert new not in str(entry.detail)


def test_of_two_new_keys_at_once_one_is_refused() -> None:
    heartbeat, _ = make_heartbeat()
    seen = Heartbeat.objects.get()
    rotate_key(heartbeat=heartbeat, by=None, now=NOON)
    assert code_of(rotate_key, seen) == "key_changed"


def test_a_new_key_leaves_its_lateness_as_it_is() -> None:
    heartbeat, _ = make_heartbeat()
    check_heartbeats(now=LATE)
    rotate_key(heartbeat=heartbeat, by=None, now=LATE)
    assert Finding.objects.get().cleared_at is None
