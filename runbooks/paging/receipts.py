"""Receipts: what a receiver says of a page after it took it: queued, delivered, read, failed."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.dead import follow_up, lock_escalation
from runbooks.paging.timeline import write_entry

logger = logging.getLogger(__name__)

Receipt = Page.Receipt

_WORDS = {Receipt.DELIVERED: "has arrived", Receipt.READ: "was read"}
#: Pages whose receiver may know them: in the air, or taken.
_KNOWN = (Page.State.LEASED, Page.State.SENT)


@transaction.atomic
def record_receipt(
    *, page: Page, receipt: Page.Receipt, seq: int, now: datetime, is_askable: bool = False
) -> bool:
    """Keep what the receiver says now; False when a later receipt is known already.

    `seq` is the receiver's own count, at least 1 and rising; a receipt that comes twice or late is
    passed over, and after `failed` none counts. `is_askable` says that the receiver can be asked
    later what became of the page (`runbooks.paging.queued`). With `failed` the owner's next
    contact is tried, or the next step is taken, as for a page that could not be sent at all.
    """
    # Alert, escalation, page: the order of everybody else.
    alert = Alert.objects.select_for_update(no_key=True).get(pk=page.alert_id)
    escalation = lock_escalation(page)
    fields = _fields(receipt, seq, now, is_askable=is_askable)
    newer = Page.objects.filter(~Q(receipt=Receipt.FAILED), pk=page.pk, receipt_seq__lt=seq)
    if not newer.filter(state__in=_KNOWN).update(**fields):
        return False
    logger.info("page.receipt", extra={"page": str(page.pk), "receipt": str(receipt)})
    current = Page.objects.select_related("owner", "contact").get(pk=page.pk)
    current.alert = alert
    who = f"{current.contact.label} of {current.owner.name}"
    if receipt == Receipt.FAILED:
        is_needed = (
            alert.response == Alert.Response.UNACKNOWLEDGED
            and alert.condition == Alert.Condition.FIRING
        )
        next_one = follow_up(current, escalation=escalation, now=now) if is_needed else ""
        sentence = f"{who} says that the page could not be delivered. {next_one}".strip()
    elif receipt in _WORDS:
        sentence = f"{who} says that the page {_WORDS[receipt]}."
    else:
        return True
    kind = AlertEvent.Kind.PAGE_FAILED if receipt == Receipt.FAILED else AlertEvent.Kind.RECEIPT
    write_entry(alert=alert, kind=kind, sentence=sentence, now=now)
    return True


def _fields(
    receipt: Page.Receipt, seq: int, now: datetime, *, is_askable: bool
) -> dict[str, object]:
    fields: dict[str, object] = {"receipt": receipt, "receipt_seq": seq, "receipt_at": now}
    if is_askable:
        fields["is_askable"] = True
    if receipt == Receipt.FAILED:
        fields |= {
            "state": Page.State.DEAD,
            "lease_token": None,
            "lease_expires_at": None,
            "last_error": "The receiver says that it could not deliver the page.",
        }
    return fields
