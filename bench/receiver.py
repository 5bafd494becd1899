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
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to send pages."""
        return f"http://127.0.0.1:{self.server_address[1]}/pager"

    def wait_for(self, count: int, *, within: float) -> bool:
        """Wait until pages for `count` alerts have come."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.arrivals) >= count, within)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take one page."""
        arrived = time.time()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.changed:
            self.server.arrivals.setdefault(int(body["data"]["alert"]["id"]), arrived)
            self.server.changed.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
