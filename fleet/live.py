"""Every browser event by type, and how to tell the browsers.

An event carries ids, never data: the page fetches the news over HTTP, where permissions are
checked. Events may be lost; each page also asks by itself every 30 s.
"""

from __future__ import annotations

from enum import StrEnum

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from fleet.hints import hints

GROUP = "live"


class LiveEvent(StrEnum):
    """What may have changed; the value is the handler's type in the live consumer."""

    SITE_CHANGED = "site.changed"
    ALERT_CHANGED = "alert.changed"
    RUN_CHANGED = "run.changed"


def publish_on_commit(event: LiveEvent, *, site_id: int, id: int) -> None:
    """Tell the browsers, once the open transaction has committed, that `id` changed."""

    def send() -> None:
        layer = get_channel_layer()
        if layer is not None:
            message = {"type": event.value, "site": site_id, "id": id}
            async_to_sync(layer.group_send)(GROUP, message)

    def publish() -> None:
        hints.post(send)

    transaction.on_commit(publish, robust=True)
