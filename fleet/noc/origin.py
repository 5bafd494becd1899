"""Which pages may open a socket: those that this server serves."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse

from channels.security.websocket import OriginValidator


class OwnPagesOnly(OriginValidator):
    """Turn away sockets from pages of other sites before they cost anything.

    Channels' own way opens a line in the channel layer for each refusal. Its read from Redis is
    cancelled a moment later, and redis-py may miss a cancellation that comes so early: the read
    would go on for as long as the process lives.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a socket whose Origin header is one of ours; refuse any other."""
        origin = dict(scope["headers"]).get(b"origin")
        if self.valid_origin(urlparse(origin.decode("latin1")) if origin else None):
            await self.application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close"})
