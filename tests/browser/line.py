"""A bad line between a browser and the server: a small real proxy that loses what it is told to."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable

_BLOCK = 65_536


class Line:
    """Forwards one request per connection. `drops` and `cuts` are shares of the answers to entries,
    and to runs begun without network, that are lost, or end half-way, after the server has
    answered: what it did is done."""

    def __init__(self, server_port: int, *, seed: int = 1) -> None:
        self.drops = 0.0
        self.cuts = 0.0
        #: So many answers are lost for certain before chance decides.
        self.loses = 0
        #: Changes the body of an answer by its path; for a server of another version.
        self.edit: Callable[[str, bytes], bytes] | None = None
        #: Changes a request on its way, by its path.
        self.edit_request: Callable[[str, bytes], bytes] | None = None
        self.lost = 0
        self._chance = random.Random(seed)
        self._server_port = server_port
        self._door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def mend(self) -> None:
        """Lose nothing and change nothing from now on."""
        self.drops = self.cuts = 0.0
        self.loses = 0
        self.edit = None
        self.edit_request = None
        self.lost = 0

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        try:
            with caller:
                request = _message(caller)
                if not request:
                    return
                path = request.split(b" ", 2)[1].decode()
                if self.edit_request is not None:
                    head, _, body = request.partition(b"\r\n\r\n")
                    body = self.edit_request(path, body)
                    request = _with_length(head, len(body)) + b"\r\n\r\n" + body
                with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                    server.sendall(_closing(request))
                    answer = _rest(server)
                caller.sendall(self._answer(path, answer))
        except OSError:
            # The line is down, or the browser went away: either way nobody is there to be told.
            return

    def _answer(self, path: str, answer: bytes) -> bytes:
        if self.edit is not None:
            head, _, body = answer.partition(b"\r\n\r\n")
            body = self.edit(path, body)
            answer = _with_length(head, len(body)) + b"\r\n\r\n" + body
        if not path.endswith(("/entries", "/begun/")):
            return answer
        fate = self._chance.random()
        self.loses -= 1
        if self.loses >= 0 or fate < self.drops:
            self.lost += 1
            return b""
        if fate < self.drops + self.cuts:
            self.lost += 1
            return answer[: len(answer) - 20]
        return answer


def _message(caller: socket.socket) -> bytes:
    """Read one request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = caller.recv(_BLOCK)
        if not block:
            return b""
        data += block
    head = data.partition(b"\r\n\r\n")[0].lower()
    length = 0
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(data) < len(head) + 4 + length:
        data += caller.recv(_BLOCK)
    return data


def _closing(request: bytes) -> bytes:
    """Ask the server to close after its answer, so that the end of the answer is its end."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _rest(server: socket.socket) -> bytes:
    data = b""
    while block := server.recv(_BLOCK):
        data += block
    return data


def _with_length(head: bytes, length: int) -> bytes:
    lines = [
        line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")
    ]
    return b"\r\n".join([*lines, b"Content-Length: %d" % length])
