"""A real HTTP server outside that counts the dead man's pings; its answers are scripted."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any


class Watcher:
    """A server on a free port; `pings` holds the path of each GET, `status` is what it answers."""

    def __init__(self) -> None:
        self.pings: list[str] = []
        self.status = 200
        self._came = threading.Condition()
        self._server = HTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address to ping."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/ping/secret"

    def take(self, path: str) -> None:
        """Count a ping."""
        with self._came:
            self.pings.append(path)
            self._came.notify_all()

    def wait_for(self, count: int) -> None:
        """Return when `count` pings have come in; fail loudly after 30 s."""
        with self._came:
            arrived = self._came.wait_for(lambda: len(self.pings) >= count, timeout=30)
        assert arrived, f"{len(self.pings)} of {count} pings came in"


def _handler(watcher: Watcher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Counted first: whoever pings goes on as soon as it is answered.
            watcher.take(self.path)
            self.send_response(watcher.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler
