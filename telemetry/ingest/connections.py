"""The open connections of this process, and what they must hear from the database in time."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Protocol

from telemetry.ingest.auth import Identity, note_use, valid_token_ids
from telemetry.ingest.greeting import nodes_of_sites

#: How often the connections hear anew which nodes their site has.
NODES_REFRESHED = timedelta(seconds=20)


class OpenConnection(Protocol):
    """One agent's connection; its methods are called from another thread."""

    identity: Identity

    def revoke(self) -> None:
        """Close it: its token is not valid any more."""

    def know_nodes(self, nodes: dict[str, int]) -> None:
        """Take in the site's nodes, by name."""


class Connections:
    """All open connections whose token was found good."""

    def __init__(self) -> None:
        self._open: set[OpenConnection] = set()
        self._lock = threading.Lock()
        self._refreshed_at: datetime | None = None

    def add(self, connection: OpenConnection) -> None:
        """Take note of a connection."""
        with self._lock:
            self._open.add(connection)

    def remove(self, connection: OpenConnection) -> None:
        """Forget a connection; one that is not there is no error."""
        with self._lock:
            self._open.discard(connection)

    def check_tokens(self, now: datetime) -> None:
        """Close the connections whose token was revoked; note the use of the others'."""
        opened = self._all()
        token_ids = {connection.identity.token_id for connection in opened}
        if not token_ids:
            return
        valid = valid_token_ids(among=token_ids)
        for connection in opened:
            if connection.identity.token_id not in valid:
                connection.revoke()
        note_use(token_ids=valid, now=now)

    def refresh_nodes(self, now: datetime) -> None:
        """Tell the connections which nodes their sites have by now."""
        if self._refreshed_at is not None and now - self._refreshed_at < NODES_REFRESHED:
            return
        opened = self._all()
        nodes = nodes_of_sites(site_ids={connection.identity.site_id for connection in opened})
        for connection in opened:
            connection.know_nodes(nodes[connection.identity.site_id])
        self._refreshed_at = now

    def _all(self) -> list[OpenConnection]:
        with self._lock:
            return list(self._open)
