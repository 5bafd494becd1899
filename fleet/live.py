"""Every browser event by type, and how to tell the browsers.

An event carries ids, never data: the page fetches the news over HTTP, where permissions are
checked. Events may be lost; each page also asks by itself every 30 s.
"""

from __future__ import annotations

import asyncio
import threading
from enum import StrEnum

from channels.layers import get_channel_layer
from django.db import transaction

from fleet.hints import hints

GROUP = "live"


#: The event loop of the thread that sends hints. The channel layer has connections of its own for
#: each loop, so a new loop for every event would connect to Redis for every event.
_loops = threading.local()


class LiveEvent(StrEnum):
    """What may have changed; the value is the handler's type in the live consumer."""

    SITE_CHANGED = "site.changed"
    ALERT_CHANGED = "alert.changed"
    RUN_CHANGED = "run.changed"


def publish_on_commit(event: LiveEvent, *, site_id: int, id: int) -> None:
    """Tell the browsers, once the open transaction has committed, that `id` changed.

    Several changes that come before the browsers were told are told once.
    """

    def send() -> None:
        layer = get_channel_layer()
        if layer is not None:
            message = {"type": event.value, "site": site_id, "id": id}
            _loop().run(layer.group_send(GROUP, message))

    def publish() -> None:
        hints.post(send, says=(event, site_id, id))

    transaction.on_commit(publish, robust=True)


def _loop() -> asyncio.Runner:
    runner: asyncio.Runner | None = getattr(_loops, "runner", None)
    if runner is None:
        runner = _loops.runner = asyncio.Runner()
    return runner
