"""Heartbeats: made with a key shown once, noted when they come, late when they do not."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from fleet.models import Node, Site
from fleet.services.engine import Module
from fleet.services.tokens import hash_token
from runbooks.heartbeats.errors import HeartbeatError, already_revoked
from runbooks.heartbeats.rows import locked, record, write_down
from runbooks.models import Heartbeat
from runbooks.paging.worklist import work_through
from telemetry.detectors.detection import spell_seconds
from telemetry.selectors import unheard_until

logger = logging.getLogger(__name__)

#: So that a key is known as one wherever it turns up.
PREFIX = "hwb_"
#: 24 random bytes are 32 URL-safe characters and 192 bits.
_RANDOM_BYTES = 24
_SHOWN_CHARACTERS = 12

LONGEST_NAME = 120
LEAST_PERIOD_SECONDS, MOST_PERIOD_SECONDS = 10, 31 * 86_400
MOST_GRACE_SECONDS = 31 * 86_400


class IssuedHeartbeat(NamedTuple):
    """A new heartbeat; `key` is the secret itself and exists nowhere else."""

    heartbeat: Heartbeat
    key: str

    def __repr__(self) -> str:
        return f"<IssuedHeartbeat {self.heartbeat}>"


@transaction.atomic
def create_heartbeat(
    *,
    site: Site,
    node: Node | None,
    name: str,
    period_seconds: int,
    grace_seconds: int,
    by: User | None,
    now: datetime,
) -> IssuedHeartbeat:
    """Expect a sign of life every `period_seconds` from now on, and allow `grace_seconds` more.

    One that never comes at all is late, too. `by` None means the command line. Raises
    HeartbeatError.
    """
    name = name.strip()
    _check(site, node, name, period_seconds, grace_seconds)
    key = _new_key()
    heartbeat = Heartbeat(
        site=site,
        node=node,
        name=name,
        **_kept_of(key),
        period_seconds=period_seconds,
        grace_seconds=grace_seconds,
        created_at=now,
        created_by=by,
        late_at=now + timedelta(seconds=period_seconds + grace_seconds),
    )
    try:
        with transaction.atomic():
            heartbeat.save()
    except IntegrityError:
        raise HeartbeatError(
            "name_taken", f"{site} has a heartbeat {name!r} already; revoke it, or choose another."
        ) from None
    write_down("heartbeat.created", heartbeat, now, by)
    return IssuedHeartbeat(heartbeat, key)


@transaction.atomic
def rotate_key(*, heartbeat: Heartbeat, by: User | None, now: datetime) -> IssuedHeartbeat:
    """Give it a new key; the old one, as `heartbeat` has it, opens nothing from now on.

    Raises HeartbeatError where it was revoked, or somebody else made a new key meanwhile.
    """
    row = locked(pk=heartbeat.pk)
    if row is None:
        raise already_revoked(heartbeat)
    if row.key_hash != heartbeat.key_hash:
        raise HeartbeatError(
            "key_changed",
            f"Somebody made a new key for {heartbeat} meanwhile; ask them for it, or make another.",
        )
    key = _new_key()
    Heartbeat.objects.filter(pk=row.pk).update(**_kept_of(key))
    write_down("heartbeat.key_rotated", row, now, by, new_prefix=_kept_of(key)["prefix"])
    row.refresh_from_db(fields=["key_hash", "prefix"])
    return IssuedHeartbeat(row, key)


@transaction.atomic
def revoke_heartbeat(*, heartbeat: Heartbeat, by: User | None, now: datetime) -> None:
    """Expect it no more, and end its alert; its key opens nothing from now on.

    Raises HeartbeatError where somebody was quicker.
    """
    row = locked(pk=heartbeat.pk)
    if row is None:
        raise already_revoked(heartbeat)
    Heartbeat.objects.filter(pk=row.pk).update(revoked_at=now, is_late=False)
    if row.is_late:
        record(row, now, is_firing=False, summary=f"{row.name} is not expected any more")
    write_down("heartbeat.revoked", row, now, by)


def note_heartbeat(*, key: str, now: datetime) -> Heartbeat | None:
    """Note the sign of life that comes with `key`; None for a key that opens nothing.

    One that was late ends its finding in the same transaction.
    """
    heartbeat = Heartbeat.objects.filter(
        key_hash=hash_token(text=key), revoked_at__isnull=True
    ).first()
    if heartbeat is None:
        return None
    late_at = now + timedelta(seconds=heartbeat.period_seconds + heartbeat.grace_seconds)
    seen = {"last_seen_at": now, "late_at": late_at}
    in_time = Heartbeat.objects.filter(pk=heartbeat.pk, is_late=False, revoked_at__isnull=True)
    # Only one that is late needs its row locked and its finding ended.
    if not in_time.update(**seen) and not _come_back(heartbeat, seen, now):
        return None
    heartbeat.last_seen_at, heartbeat.late_at, heartbeat.is_late = now, late_at, False
    return heartbeat


def check_heartbeats(*, now: datetime, limit: int = 250) -> int:
    """Record a finding for each heartbeat that is late by now, seen before or never; return
    how many were due.

    A call that we may have missed because no door of ours was open is not held against its
    sender: it has its whole time anew once we are back.

    The flag and the finding are one transaction. A row that fails is logged as
    `heartbeat.check_failed` and stops none of the others.
    """
    back_at = unheard_until(now=now)
    late = (
        Heartbeat.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(late_at__lte=now, is_late=False, paused_at__isnull=True, revoked_at__isnull=True)
        .select_related("site", "node")
        .order_by("late_at", "pk")
    )
    return work_through(
        late,
        partial(_judge, back_at=back_at, now=now),
        module=Module.HEARTBEATS,
        limit=limit,
        event="heartbeat.check_failed",
    )


def _judge(heartbeat: Heartbeat, *, back_at: datetime | None, now: datetime) -> None:
    late_at = heartbeat.late_at if back_at is None else _late_after(heartbeat, back_at)
    if late_at > now:
        # Kept, so that the next restart, long before its next call is due, changes nothing: a
        # daily one that is dead would else never be late where we are restarted daily.
        Heartbeat.objects.filter(pk=heartbeat.pk).update(late_at=late_at)
    else:
        _raise_late(heartbeat, now=now)


def _late_after(heartbeat: Heartbeat, back_at: datetime) -> datetime:
    """Return when it is late, given that it could not be heard until `back_at`.

    Its call may come as much before its time as after it; only while it could have come does it
    matter that we were away.
    """
    period = timedelta(seconds=heartbeat.period_seconds)
    grace = timedelta(seconds=heartbeat.grace_seconds)
    if back_at <= heartbeat.late_at - 2 * grace:
        return heartbeat.late_at
    return max(heartbeat.late_at, back_at + period + grace)


def _raise_late(heartbeat: Heartbeat, *, now: datetime) -> None:
    Heartbeat.objects.filter(pk=heartbeat.pk).update(is_late=True)
    period = spell_seconds(heartbeat.period_seconds)
    if heartbeat.last_seen_at is None:
        silent = spell_seconds((now - heartbeat.created_at).total_seconds())
        summary = f"{heartbeat.name} has never been heard of in {silent}; expected every {period}"
    else:
        silent = spell_seconds((now - heartbeat.last_seen_at).total_seconds())
        summary = f"{heartbeat.name} was last heard of {silent} ago; expected every {period}"
    record(heartbeat, now, is_firing=True, summary=summary)


def _come_back(heartbeat: Heartbeat, seen: dict[str, datetime], now: datetime) -> bool:
    with transaction.atomic():
        row = locked(pk=heartbeat.pk)
        if row is None:
            return False
        Heartbeat.objects.filter(pk=row.pk).update(is_late=False, **seen)
        if row.is_late:
            record(row, now, is_firing=False, summary=f"{row.name} is heard of again")
    return True


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def _kept_of(key: str) -> dict[str, str]:
    """Return all that is kept of a key."""
    return {"key_hash": hash_token(text=key), "prefix": key[:_SHOWN_CHARACTERS]}


def _check(
    site: Site, node: Node | None, name: str, period_seconds: int, grace_seconds: int
) -> None:
    if not 0 < len(name) <= LONGEST_NAME:
        raise HeartbeatError("bad_name", f"A heartbeat has a name of 1 to {LONGEST_NAME} letters.")
    if not LEAST_PERIOD_SECONDS <= period_seconds <= MOST_PERIOD_SECONDS:
        raise HeartbeatError(
            "bad_period",
            f"A heartbeat comes every {LEAST_PERIOD_SECONDS} to {MOST_PERIOD_SECONDS:,} seconds.",
        )
    if not 0 <= grace_seconds <= MOST_GRACE_SECONDS:
        raise HeartbeatError(
            "bad_grace", f"The grace of a heartbeat is 0 to {MOST_GRACE_SECONDS:,} seconds."
        )
    if node is not None and node.site_id != site.pk:
        raise HeartbeatError(
            "node_elsewhere", f"{node.name} does not stand at {site}; choose a node of that site."
        )
