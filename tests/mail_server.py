"""A real mail server on loopback that keeps what it is given.

with MailServer() as server:
    server.refuses("RCPT", "550 no such person")   # answer one command like this
    ...
    server.mails[0]["Subject"]
"""

from __future__ import annotations

import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any


class MailServer:
    """A server on a free port that speaks as much SMTP as a page needs; without TLS."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.answers: dict[str, str] = {}
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.keeper = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> MailServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def refuses(self, command: str, answer: str) -> None:
        """Answer `command` (EHLO, MAIL, RCPT, DATA, or BODY for the mail itself) like this.

        The answer `drip` sends half a line at a time and never ends one.
        """
        self.answers[command] = answer


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    keeper: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up in the middle are part of the tests."""


_FRIENDLY = {
    "EHLO": "250-mail.test\r\n250 AUTH PLAIN",
    "DATA": "354 go on",
    "AUTH": "235 welcome",
    "QUIT": "221 bye",
}


class _Handler(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 mail.test")
        for line in self.rfile:
            text = line.decode().strip()
            command = text.split(" ")[0].upper()
            answer = self.server.keeper.answers.get(command, _FRIENDLY.get(command, "250 ok"))
            self._note(command, text)
            self._say(answer)
            if command == "DATA" and answer.startswith("354"):
                self._take_mail()
            if command == "QUIT":
                return

    def _note(self, command: str, text: str) -> None:
        if command == "RCPT":
            self.server.keeper.recipients.append(text.partition(":")[2].strip("<>"))
        if command == "AUTH":
            self.server.keeper.logins.append(text.partition(" ")[2])

    def _take_mail(self) -> None:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line)
        answer = self.server.keeper.answers.get("BODY", "250 queued")
        if answer.startswith("250"):
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            self.server.keeper.mails.append(mail)
        self._say(answer)

    def _say(self, answer: str) -> None:
        if answer == "drip":
            while not self.server.keeper.released.wait(0.05):
                self.wfile.write(b"2")
        self.wfile.write(answer.encode() + b"\r\n")
