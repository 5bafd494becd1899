"""A real HTTP receiver of pages on loopback, whose answers are scripted.

with Receiver() as receiver:
    receiver.answers(status(500), status(200))   # the last answer is repeated
    ...
    receiver.requests[0].headers["webhook-id"]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are lower-case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the receiver does with one request that it has read to its end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thank you"
    is_held: bool = False
    is_broken_off: bool = False
    drip: bool = False


def status(code: int, body: bytes = b"") -> Reply:
    """Answer with this status."""
    return Reply(status=code, body=body)


_REFUSED = status(400)


def later(code: int, retry_after: str) -> Reply:
    """Answer 429 or 503 with a `Retry-After` header."""
    return Reply(status=code, headers={"Retry-After": retry_after})


def redirect(to: str) -> Reply:
    """Answer 302 to somewhere else."""
    return Reply(status=302, headers={"Location": to})


def held() -> Reply:
    """Say nothing until `release()` or the end; then answer 200."""
    return Reply(is_held=True)


def broken_off() -> Reply:
    """Read the request, then close the connection without an answer."""
    return Reply(is_broken_off=True)


def dripping() -> Reply:
    """Send the answer's head a byte at a time, for 1.5 s; then it would be a 200."""
    return Reply(drip=True)


class Receiver:
    """A server on a free port; `requests` grows as they come in."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._replies: list[Reply] = [status(200)]
        self._refused: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self._take))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address to page."""
        return f"http://127.0.0.1:{self.port}/pager"

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of every request so far."""
        return [request.headers["webhook-id"] for request in self.requests]

    def answers(self, *replies: Reply) -> None:
        """Take these replies one after the other; the last one is repeated."""
        with self._lock:
            self._replies = list(replies)

    def refuses(self, *types: str, reply: Reply = _REFUSED) -> None:
        """Give this reply to documents of these types, and to no others, whatever is scripted."""
        with self._lock:
            self._refused = dict.fromkeys(types, reply)

    def release(self) -> None:
        """Answer the requests that are held."""
        self._released.set()

    def wait_for(self, count: int) -> None:
        """Return when `count` requests have come in; fail loudly after 30 s."""
        with self._came:
            arrived = self._came.wait_for(
                lambda: len(self.requests) >= count, timeout=PATIENCE_SECONDS
            )
        assert arrived, f"{len(self.requests)} of {count} requests came in"

    def _take(self, request: Request) -> tuple[Reply, threading.Event]:
        with self._came:
            refused = self._refused and self._refused.get(request.json["type"])
            reply = refused or (
                self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
            )
            self.requests.append(request)
            self._came.notify_all()
        return reply, self._released


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up in the middle are part of the tests."""


def _handler(
    take: Callable[[Request], tuple[Reply, threading.Event]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply, released = take(Request(self.path, headers, body))
            if reply.is_held:
                released.wait(PATIENCE_SECONDS)
            if reply.drip:
                self._drip(released)
            if reply.is_broken_off:
                self.close_connection = True
            if reply.is_broken_off or reply.drip:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST

        def _drip(self, released: threading.Event) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(30):
                released.wait(0.05)
                self.wfile.write(b"z")
                self.wfile.flush()
            self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler
