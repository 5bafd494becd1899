"""A pager for the measurements: takes POSTs and notes when each came."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Answers 204 to every POST; `arrivals` maps an alert's id to its first page's arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrivals: dict[int, float] = {}
        self.paths: list[str] = []
        self.last_at = 0.0
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to send pages."""
        return f"http://127.0.0.1:{self.server_address[1]}/pager"

    def forget(self) -> None:
        """Begin anew."""
        with self.changed:
            self.arrivals, self.paths, self.last_at = {}, [], 0.0

    def wait_for_any(self, *, within: float) -> bool:
        """Wait until anything at all has come since it began anew."""
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.paths), within)

    def wait_for(self, count: int, *, within: float) -> bool:
        """Wait until pages for `count` alerts have come."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.arrivals) >= count, within)


def alerts_in(body: dict[str, Any]) -> list[int]:
    """Return the ids of the alerts that a page of ours speaks of; none for the pages of others."""
    data = body.get("data", {})
    found = [data.get("alert", {}), *(item.get("alert", {}) for item in data.get("pages", []))]
    return [int(alert["id"]) for alert in found if "id" in alert]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take one page."""
        arrived = time.time()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.changed:
            self.server.paths.append(self.path)
            self.server.last_at = arrived
            for key in alerts_in(body):
                self.server.arrivals.setdefault(key, arrived)
            self.server.changed.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
