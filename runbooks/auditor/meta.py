"""Tells the catch-all owner, then administrators, that the pager itself fails: directly, past the
outbox it audits.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Any, Literal, NamedTuple, TypeVar

from django.conf import settings
from django.db.models import F, Q

from fleet.access import Action, users_who_may_everywhere
from fleet.models import Contact
from fleet.services.engine import Module, engine_transaction
from runbooks.models import BrokenPromise
from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer, Fate, describe, fate_of
from runbooks.paging.own import own_facts
from runbooks.paging.people import WORKING
from runbooks.paging.promises import note_told
from runbooks.paging.signature import SecretError, sign_with_each
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import Endpoint
from runbooks.paging.transports.registry import TRANSPORTS, endpoint_of

logger = logging.getLogger(__name__)

BROKEN, MENDED = "promise.broken", "promise.mended"
#: What stays broken is told again after so long.
TOLD_AGAIN_AFTER = timedelta(hours=1)
#: Services that hold one incident for us until they hear that nothing is broken any more.
HOLD_INCIDENTS = (Contact.Kind.PAGERDUTY, Contact.Kind.ALERTMANAGER)
#: One message names so many; the rest is a number.
MOST_NAMED = 20
#: Nobody more is tried after so long: the auditor has to go round again.
LONGEST_ROUND_SECONDS = 45.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _News:
    """What is to be told in one message; `is_over` when nothing at all is broken any more."""

    kind: str
    promises: Sequence[BrokenPromise]
    is_over: bool = False

    @property
    def message_id(self) -> str:
        """The same for every try at the same news, so that a receiver knows a repetition."""
        parts = [f"{row.pk}/{row.told_at and row.told_at.timestamp()}" for row in self.promises]
        return f"msg_{hashlib.sha256(' '.join([self.kind, *parts]).encode()).hexdigest()[:32]}"

    @property
    def turn(self) -> int:
        """How often the oldest of it was told before: each repeat begins with the next contact.

        Told from the rows, so that a second try at the same news begins with the same contact.
        """
        told = [row.told_at - row.first_seen_at for row in self.promises if row.told_at]
        return max((age // TOLD_AGAIN_AFTER + 1 for age in told), default=0)

    def body(self, at: datetime) -> bytes:
        """Return the JSON body of a try at `at`."""
        named = self.promises[:MOST_NAMED]
        data = {
            "count": len(self.promises),
            "promises": [_said(row) for row in named],
            "url": f"{settings.HEARTHWATCH_BASE_URL}/",
        }
        said = {"type": self.kind, "timestamp": _utc(at), "data": data}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    def facts(self, contact: Contact, at: datetime) -> PageFacts:
        """Return the message for people and for services, which know nothing of promises.

        Those that keep a state hold it until nothing at all is broken.
        """
        purpose: Literal["trouble", "recovered"] = "recovered" if self.is_over else "trouble"
        return own_facts(
            purpose=purpose,
            page_id=self.message_id,
            owner_name=contact.owner.name,
            reason="catch-all owner" if contact.owner.is_catch_all else "administrator",
            summary="\n".join(self._lines()),
            now=at,
        )

    def _lines(self) -> list[str]:
        lead = "No longer so: " if self.kind == MENDED else ""
        lines = [f"{lead}{row.sentence}" for row in self.promises[:MOST_NAMED]]
        if len(self.promises) > MOST_NAMED:
            lines.append(f"And {len(self.promises) - MOST_NAMED} more.")
        if self.kind == MENDED and not self.is_over:
            lines.append("Something else is broken still.")
        return lines


class _Told(NamedTuple):
    """Whether anybody took a message, and whether others than the catch-all owner did."""

    is_taken: bool
    is_wide: bool = False


def tell_of_promises(*, now: datetime) -> int:
    """Tell of what stays broken, again each hour, and once when it holds again.

    A promise that broke is told when a second round finds it broken still. What could not be
    delivered is tried again in the next round. Returns how many messages were delivered.
    """
    # Not one transaction: none is open while receivers take their time.
    with engine_transaction(module=Module.AUDIT):
        found = [news for news in (_broken(now), _mended()) if news.promises]
    return sum(_tell(news, now) for news in found)


def _broken(now: datetime) -> _News:
    rows = BrokenPromise.objects.filter(
        Q(told_at__isnull=True) | Q(told_at__lte=now - TOLD_AGAIN_AFTER),
        # Seen twice: after a restart of everything the first round finds late what the sweep is
        # about to do.
        last_seen_at__gt=F("first_seen_at"),
        mended_at__isnull=True,
    )
    return _News(BROKEN, list(rows.order_by("first_seen_at", "pk")))


def _mended() -> _News:
    # What broke and was mended before anybody was told of it is told to nobody.
    rows = BrokenPromise.objects.filter(mended_at__isnull=False, told_at__lt=F("mended_at"))
    is_over = not BrokenPromise.objects.filter(mended_at__isnull=True).exists()
    return _News(MENDED, list(rows.order_by("mended_at", "pk")), is_over=is_over)


def _tell(news: _News, now: datetime) -> bool:
    outcome = _told(news, now)
    if not outcome.is_taken:
        logger.error("promise.not_told", extra={"kind": news.kind, "count": len(news.promises)})
        return False
    for code in sorted({BrokenPromise.Code(row.code) for row in news.promises}):
        # Of one kind at a time, as everybody writes promises; a kind that is not written down
        # because we ended in between is told once more.
        told = [row.pk for row in news.promises if row.code == code]
        with engine_transaction(module=Module.AUDIT):
            note_told(code=code, ids=told, now=now, is_wide=outcome.is_wide)
    return True


def _told(news: _News, now: datetime) -> _Told:
    """Tell the catch-all owner, and administrators of what nobody has mended in an hour.

    Where the catch-all owner takes nothing, administrators are told at once.
    """
    contacts = _contacts()
    by_catch_all = [contact for contact in contacts if contact.owner.is_catch_all]
    others = _by_owner(contact for contact in contacts if not contact.owner.is_catch_all)
    if news.kind == MENDED:
        return _end_told(news, by_catch_all, others, now)
    is_taken = _is_one_taken(_turned(by_catch_all, news.turn), news, now)
    if is_taken and not news.turn:
        return _Told(is_taken)
    also = _others_told(_turned(others, news.turn), news, now)
    return _Told(is_taken or also, is_wide=also)


def _end_told(
    news: _News, by_catch_all: list[Contact], others: Sequence[Sequence[Contact]], now: datetime
) -> _Told:
    """Try everybody who was told that it did not hold; a mailbox may take it and nobody read it.

    That nothing is broken any more is for every contact that keeps an incident open until then.
    """
    held = HOLD_INCIDENTS if news.is_over else ()
    told = [c for place, c in enumerate(by_catch_all) if place < news.turn or c.kind in held]
    ends = [c for theirs in others for c in theirs if c.kind in held]
    taken = [_is_delivered(contact, news, now) for contact in [*told, *ends]]
    rest = [contact for contact in by_catch_all if contact not in told]
    is_taken = any(taken) or _is_one_taken(rest, news, now)
    if is_taken and not any(row.is_told_widely for row in news.promises):
        return _Told(is_taken)
    waiting = [[c for c in theirs if c not in ends] for theirs in others]
    return _Told(_others_told(waiting, news, now) or is_taken)


def _others_told(others: Iterable[Iterable[Contact]], news: _News, now: datetime) -> bool:
    """Tell each of several people; those for whom no time is left come first another time."""
    ends_at = monotonic() + LONGEST_ROUND_SECONDS
    is_taken = False
    for contacts in others:
        if monotonic() >= ends_at:
            logger.warning("promise.no_time_left", extra={"kind": news.kind})
            break
        is_taken = _is_one_taken(contacts, news, now) or is_taken
    return is_taken


def _turned(things: Sequence[_T], turn: int) -> list[_T]:
    """Begin with another one each time."""
    first = turn % len(things) if things else 0
    return [*things[first:], *things[:first]]


def _contacts() -> list[Contact]:
    """Return the working contacts of the catch-all owner and of those who administer all."""
    who = Q(owner__is_catch_all=True)
    who |= Q(owner__user__in=users_who_may_everywhere(Action.ADMINISTER))
    contacts = Contact.objects.filter(WORKING, who).select_related("owner")
    return list(contacts.order_by("owner__name", "owner_id", "position", "pk"))


def _by_owner(contacts: Iterable[Contact]) -> list[list[Contact]]:
    return [list(theirs) for _, theirs in groupby(contacts, key=lambda one: one.owner_id)]


def _is_one_taken(contacts: Iterable[Contact], news: _News, now: datetime) -> bool:
    """Try contacts in turn until one takes it."""
    return any(_is_delivered(contact, news, now) for contact in contacts)


def _is_delivered(contact: Contact, news: _News, now: datetime) -> bool:
    answer = _send(contact, news, now)
    if fate_of(answer) is Fate.SENT:
        return True
    said = describe(answer, kind=contact.kind)
    logger.warning("promise.try_failed", extra={"contact": contact.pk, "error": said})
    return False


def _send(contact: Contact, news: _News, now: datetime) -> Answer:
    endpoint = endpoint_of(contact, now)
    if contact.kind == Contact.Kind.WEBHOOK:
        return _post(endpoint, news, now)
    return TRANSPORTS[contact.kind](
        news.facts(contact, now),
        endpoint=endpoint,
        at=now,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )


def _post(endpoint: Endpoint, news: _News, now: datetime) -> Answer:
    """Send what only a webhook's receiver can read: what is broken, piece by piece."""
    body = news.body(now)
    try:
        headers = sign_with_each(body, page_id=news.message_id, secrets=endpoint.secrets, at=now)
    except SecretError as refusal:
        return Answer(status=None, error=str(refusal), is_permanent=True)
    return exchange.post(
        endpoint.url,
        body=body,
        headers=headers,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )


def _said(row: BrokenPromise) -> dict[str, Any]:
    return {
        "code": row.code,
        "subject": row.subject,
        "sentence": row.sentence,
        "first_seen_at": _utc(row.first_seen_at),
        "mended_at": _utc(row.mended_at) if row.mended_at else None,
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
