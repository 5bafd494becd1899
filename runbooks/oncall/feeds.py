"""Calendars that follow a schedule: an address that is a key, made once, shown once, revocable."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from fleet.services.tokens import hash_token, mint_token
from runbooks.models import CalendarFeed, Schedule
from runbooks.oncall.audit import write_down
from runbooks.oncall.errors import OnCallError

#: So that a token is known as one wherever it turns up.
PREFIX: Final = "hwc_"
#: Addresses of one person for one schedule; each of their devices may have its own.
MOST_FEEDS = 10
#: Calendars ask every few minutes; when they last did is written down once an hour.
_READ_AGAIN_AFTER = timedelta(hours=1)


class IssuedFeed(NamedTuple):
    """A new address; `token` is the secret itself and exists nowhere else."""

    feed: CalendarFeed
    token: str

    def __repr__(self) -> str:
        return f"<IssuedFeed {self.feed}>"


def feeds_of(*, user: User, schedule: Schedule) -> QuerySet[CalendarFeed]:
    """Return the addresses of one's own that are in force, the oldest first."""
    return CalendarFeed.objects.filter(user=user, schedule=schedule, revoked_at__isnull=True)


@transaction.atomic
def create_feed(*, schedule: Schedule, by: User, now: datetime) -> IssuedFeed:
    """Make an address at which a calendar may read the schedule in the name of `by`.

    Raises OnCallError: too_many_feeds.
    """
    # Held until COMMIT, so that two presses do not both find room for one.
    Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
    if feeds_of(user=by, schedule=schedule).count() >= MOST_FEEDS:
        raise OnCallError(
            "too_many_feeds",
            f"You have {MOST_FEEDS} addresses of this calendar; revoke one that you no longer use.",
        )
    token, kept = mint_token(prefix=PREFIX)
    feed = CalendarFeed.objects.create(schedule=schedule, user=by, created_at=now, **kept)
    write_down("calendar_feed.created", feed, by=by, now=now)
    return IssuedFeed(feed, token)


@transaction.atomic
def revoke_feed(*, feed: CalendarFeed, by: User, now: datetime) -> None:
    """Answer nobody at this address from now on; revoked twice, the first time stays."""
    if CalendarFeed.objects.filter(pk=feed.pk, revoked_at__isnull=True).update(revoked_at=now):
        write_down("calendar_feed.revoked", feed, by=by, now=now)


def feed_named(*, token: str, now: datetime) -> CalendarFeed | None:
    """Return the address that a calendar asks at; None for one that is unknown or revoked."""
    feeds = CalendarFeed.objects.filter(revoked_at__isnull=True, user__is_active=True)
    named = feeds.filter(token_hash=hash_token(text=token))
    feed = named.select_related("schedule", "user").first()
    if feed is not None and (
        feed.last_read_at is None or now - feed.last_read_at >= _READ_AGAIN_AFTER
    ):
        CalendarFeed.objects.filter(pk=feed.pk).update(last_read_at=now)
    return feed
