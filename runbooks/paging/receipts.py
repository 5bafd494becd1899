"""Receipts: what a receiver says of a page after it took it: queued, delivered, read, failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.dead import follow_up, lock_escalation
from runbooks.paging.timeline import write_entry

logger = logging.getLogger(__name__)

Receipt = Page.Receipt

_WORDS = {Receipt.DELIVERED: "has arrived", Receipt.READ: "was read"}
_HELD_BACK = "The alert is held back; the next contact is tried when that ends."
_LEASE_ENDED: Final[Mapping[str, object]] = MappingProxyType(
    {"lease_token": None, "lease_expires_at": None}
)
#: Pages whose receiver may know them: taken, in the air, or waiting for another attempt.
_KNOWN = Q(state=Page.State.SENT) | Q(
    state__in=(Page.State.PENDING, Page.State.LEASED), attempts_made__gt=0
)


@transaction.atomic
def record_receipt(
    *, page: Page, receipt: Page.Receipt, seq: int, now: datetime, is_askable: bool = False
) -> bool:
    """Keep what the receiver says now; False when a later receipt is known already.

    `seq` is the receiver's own count, at least 1 and rising; a receipt that comes twice or late is
    passed over, and after `failed` none counts. Whoever sends any other has the page: it counts
    as sent, also where the answer to it was lost, and is not sent again. `is_askable` says that
    the receiver can be asked later what became of the page (`runbooks.paging.queued`). With
    `failed` the owner's next contact is tried, or the next step is taken, as for a page that could
    not be sent at all; while the alert is held back, that is owed until it is not.
    """
    # Alert, escalation, page: the order of everybody else.
    alert = Alert.objects.select_for_update(no_key=True).get(pk=page.alert_id)
    escalation = lock_escalation(page)
    has_failed = receipt == Receipt.FAILED
    is_owed = has_failed and is_needed(alert) and alert.is_suppressed
    fields = _when_failed(is_owed) if has_failed else _when_taken(now)
    fields |= {"receipt": receipt, "receipt_seq": seq, "receipt_at": now}
    if is_askable:
        fields["is_askable"] = True
    newer = Page.objects.filter(~Q(receipt=Receipt.FAILED), pk=page.pk, receipt_seq__lt=seq)
    if not newer.filter(_KNOWN).update(**fields):
        return False
    logger.info("page.receipt", extra={"page": str(page.pk), "receipt": str(receipt)})
    current = Page.objects.select_related("owner", "contact").get(pk=page.pk)
    current.alert = alert
    if has_failed:
        next_one = _HELD_BACK if is_owed else ""
        if is_needed(alert) and not is_owed:
            next_one = follow_up(current, escalation=escalation, now=now)
        sentence = f"{_who(current)} says that the page could not be delivered. {next_one}".strip()
        write_entry(alert=alert, kind=AlertEvent.Kind.PAGE_FAILED, sentence=sentence, now=now)
    elif receipt in _WORDS:
        sentence = f"{_who(current)} says that the page {_WORDS[receipt]}."
        write_entry(alert=alert, kind=AlertEvent.Kind.RECEIPT, sentence=sentence, now=now)
    return True


def confirm_shown(*, page: Page, now: datetime) -> int:
    """Keep that a browser showed the page and those in its request; return how many are news.

    What has arrived or failed already is passed over, so that the same word counts once.
    """
    together = Page.objects.filter(
        Q(pk=page.pk) | Q(bundle=page.pk),
        contact=page.contact_id,
        purpose=Page.Purpose.PAGE,
        receipt__in=[Receipt.NONE, Receipt.QUEUED],
    )
    # Each in a transaction of its own, as receipts come: over many alerts at once it could wait in
    # a circle with somebody who acts on many.
    return sum(
        record_receipt(page=one, receipt=Receipt.DELIVERED, seq=one.receipt_seq + 1, now=now)
        for one in together.order_by("pk")
    )


def is_needed(alert: Alert) -> bool:
    """Tell whether somebody must still learn of the alert."""
    is_waiting = alert.response == Alert.Response.UNACKNOWLEDGED
    return is_waiting and alert.condition == Alert.Condition.FIRING


def _who(page: Page) -> str:
    return f"{page.contact.label} of {page.owner.name}"


def _when_taken(now: datetime) -> dict[str, object]:
    """Return what becomes of a page that its receiver has, whatever our own attempt came to."""
    since = Case(When(state=Page.State.SENT, then=F("sent_at")), default=Value(now))
    return {**_LEASE_ENDED, "state": Page.State.SENT, "sent_at": since, "last_error": ""}


def _when_failed(is_owed: bool) -> dict[str, object]:
    return {
        **_LEASE_ENDED,
        "state": Page.State.DEAD,
        "is_follow_up_owed": is_owed,
        "last_error": "The receiver says that it could not deliver the page.",
    }
