"""The live line to browsers: hints of what changed, and a heartbeat that proves the way is open."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from datetime import datetime
from time import monotonic
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user_model
from django.db.models import Max
from django.utils import timezone
from redis.exceptions import RedisError

from fleet.access import sites_visible_to
from fleet.live import GROUP
from fleet.models import Node

logger = logging.getLogger("fleet.live")

BEAT_SECONDS = 5.0
SIGNED_OUT = 4401


class Freshness:
    """When each site was last heard of; asked once for all browsers of a process."""

    def __init__(self, *, keep_seconds: float) -> None:
        self._keep_seconds = keep_seconds
        self._asked_at = float("-inf")
        self._by_site: dict[int, datetime] = {}

    def forget(self) -> None:
        """Ask the database at the next call."""
        self._asked_at = float("-inf")

    def newest(self, site_ids: Iterable[int]) -> datetime | None:
        """Return when the newest live window of these sites came in; None when none ever did."""
        if monotonic() - self._asked_at > self._keep_seconds:
            heard = Node.objects.filter(last_received_at__isnull=False).order_by()
            rows = heard.values_list("site_id").annotate(at=Max("last_received_at"))
            self._by_site = dict(rows)
            self._asked_at = monotonic()
        known = (self._by_site.get(site_id) for site_id in site_ids)
        return max((at for at in known if at is not None), default=None)


# 200 browsers at one heartbeat each 5 s would ask the same question 40 times a second.
FRESHNESS = Freshness(keep_seconds=BEAT_SECONDS - 1)


class LiveConsumer(AsyncWebsocketConsumer):
    """One browser's line: forwards hints about sites its reader may see; takes no orders."""

    beat_seconds = BEAT_SECONDS
    #: How long the answer to "which sites may they see" is believed.
    visible_seconds = 60.0
    #: channels_redis forgets a group member after a day; an hour leaves room for 23 failures.
    rejoin_beats = int(3600 / BEAT_SECONDS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the line and, however it ends, stop its heartbeat."""
        self._beating: asyncio.Task[None] | None = None
        self._is_over = False
        self._visible: frozenset[int] = frozenset()
        self._looked_at = float("-inf")
        try:
            await super().__call__(scope, receive, send)
        finally:
            # A cancellation can be lost in the broker's client; the beat then ends with its round.
            self._is_over = True
            if self._beating is not None:
                self._beating.cancel()

    async def connect(self) -> None:
        """Let a signed-in reader in, say hello, start the heartbeat."""
        await self.accept()
        if not await self._is_welcome():
            # After accepting: a browser is not told why a handshake was refused.
            await self.close(code=SIGNED_OUT)
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self._send_state("hello")
        self._beating = asyncio.create_task(self._beat())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore whatever a browser says: it acts over HTTP, where its rights are checked."""

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def site_changed(self, message: dict[str, Any]) -> None:
        """Tell the browser that a site changed."""
        await self._forward("site-changed", message)

    async def alert_changed(self, message: dict[str, Any]) -> None:
        """Tell the browser that an alert changed."""
        await self._forward("alert-changed", message)

    async def run_changed(self, message: dict[str, Any]) -> None:
        """Tell the browser that a run changed."""
        await self._forward("run-changed", message)

    async def live_beat(self, message: dict[str, Any]) -> None:
        """Pass the heartbeat on that came back through the channel layer."""
        if await self._is_welcome():
            await self._send_state("heartbeat")
        else:
            await self.close(code=SIGNED_OUT)

    async def _forward(self, event: str, message: dict[str, Any]) -> None:
        if message["site"] in self._visible:
            await self._say({"event": event, "id": message["id"], "site": message["site"]})

    async def _send_state(self, event: str) -> None:
        newest = await database_sync_to_async(FRESHNESS.newest)(self._visible)
        await self._say(
            {
                "event": event,
                "at": timezone.now().isoformat(),
                "newest": newest.isoformat() if newest else None,
            }
        )

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))

    async def _beat(self) -> None:
        beats = 0
        while not self._is_over:
            await asyncio.sleep(self.beat_seconds)
            beats += 1
            try:
                # To ourselves, the long way round: when the broker is dead the browser hears
                # nothing and says NOT LIVE, as it would hear nothing of any alert.
                await self.channel_layer.send(self.channel_name, {"type": "live.beat"})
                if beats % self.rejoin_beats == 0:
                    await self.channel_layer.group_add(GROUP, self.channel_name)
            except (ChannelFull, OSError, RedisError, TimeoutError) as exc:
                logger.warning("live.beat_failed", extra={"error": type(exc).__name__})

    async def _is_welcome(self) -> bool:
        if monotonic() - self._looked_at > self.visible_seconds:
            visible = await database_sync_to_async(self._look_up)()
            if visible is None:
                return False
            self._visible, self._looked_at = visible, monotonic()
        return True

    def _look_up(self) -> frozenset[int] | None:
        """Return the ids of the sites the reader may see; None when nobody is signed in (now)."""
        reader = self.scope.get("user")
        session = self.scope.get("session")
        if reader is None or not reader.is_authenticated:
            return None
        if session is not None and not session.exists(session.session_key):
            return None
        user = get_user_model().objects.filter(pk=reader.pk, is_active=True).first()
        return frozenset(sites_visible_to(user).values_list("pk", flat=True)) if user else None
