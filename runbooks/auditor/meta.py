"""Tells the catch-all owner that the pager itself fails: directly, past the outbox it audits."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from fleet.models import Contact
from runbooks.models import BrokenPromise
from runbooks.paging.outcome import Answer, Fate, fate_of
from runbooks.paging.payload import SecretError, sign_with_each
from runbooks.paging.people import WORKING
from runbooks.paging.transports import exchange
from runbooks.paging.transports.endpoint import endpoint_of

logger = logging.getLogger(__name__)

BROKEN, MENDED = "promise.broken", "promise.mended"
#: What stays broken is told again after so long.
TOLD_AGAIN_AFTER = timedelta(hours=1)
#: One message names so many; the rest is a number.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class _News:
    """What is to be told in one message."""

    kind: str
    promises: Sequence[BrokenPromise]

    @property
    def message_id(self) -> str:
        """The same for every try at the same news, so that a receiver knows a repetition."""
        parts = [f"{row.pk}/{row.told_at and row.told_at.timestamp()}" for row in self.promises]
        return f"msg_{hashlib.sha256(' '.join([self.kind, *parts]).encode()).hexdigest()[:32]}"

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


def tell_of_promises(*, now: datetime) -> int:
    """Tell of what stays broken, again each hour, and once when it holds again.

    A promise that broke is told when a second round finds it broken still. What could not be
    delivered is tried again in the next round. Returns how many messages were delivered.
    """
    return sum(_tell(news, now) for news in (_broken(now), _mended()) if news.promises)


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
    return _News(MENDED, list(rows.order_by("mended_at", "pk")))


def _tell(news: _News, now: datetime) -> bool:
    if not any(_is_delivered(contact, news, now) for contact in _contacts()):
        logger.error("promise.not_told", extra={"kind": news.kind, "count": len(news.promises)})
        return False
    told = [row.pk for row in news.promises]
    BrokenPromise.objects.filter(pk__in=told).update(told_at=now)
    return True


def _contacts() -> list[Contact]:
    contacts = Contact.objects.filter(WORKING, owner__is_catch_all=True, kind=Contact.Kind.WEBHOOK)
    return list(contacts.order_by("position", "pk"))


def _is_delivered(contact: Contact, news: _News, now: datetime) -> bool:
    answer = _post(contact, news, now)
    if fate_of(answer) is Fate.SENT:
        return True
    said = answer.error or f"status {answer.status}"
    logger.warning("promise.try_failed", extra={"contact": contact.pk, "error": said})
    return False


def _post(contact: Contact, news: _News, now: datetime) -> Answer:
    endpoint = endpoint_of(contact, now)
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
