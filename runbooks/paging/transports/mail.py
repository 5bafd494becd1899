"""Email, by the mail server of the settings; it ends within the time limit like any other."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.timeline import clip
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.masking import MASK
from runbooks.paging.transports.words import message_of

_SCHEME = "mailto:"
_CUT_EVERY_SECONDS = 0.1
#: What is recorded for a mail that was accepted: SMTP's own word for it, shown as `SMTP 250`.
ACCEPTED = 250
_NOT_SET_UP = (
    "This server cannot send mail yet. Set HEARTHWATCH_SMTP_HOST and HEARTHWATCH_SMTP_FROM."
)


@dataclass(frozen=True, slots=True)
class _Server:
    """The mail server; `tls` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    tls: str
    user: str
    password: str
    sender: str


def check(endpoint: Endpoint) -> None:
    """Raise EndpointError where the address is no single mail address."""
    try:
        validate_email(address_of(endpoint.url))
    except ValidationError:
        raise EndpointError(
            "bad_mail_address", "This is no mail address. Write one, such as ana@example.org."
        ) from None


def address_of(url: str) -> str:
    """Return the mail address in a `mailto:` URL."""
    return unquote(url.removeprefix(_SCHEME))


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Hand one mail to the mail server (see `Transport`).

    `allowed` is not asked: which server takes mail is the operator's setting, not a contact's.
    """
    began = time.monotonic()
    server = _server()
    if server is None:
        return Answer(status=None, error=_NOT_SET_UP, is_permanent=True)
    try:
        mail = mail_of(facts, to=address_of(endpoint.url), sender=server.sender, at=at)
        _hand_over(mail, server, timeout_seconds)
        answer = Answer(status=ACCEPTED)
    except smtplib.SMTPRecipientsRefused as refusal:
        answer = _refusal(*next(iter(refusal.recipients.values())), server)
    except smtplib.SMTPResponseException as refusal:
        answer = _refusal(refusal.smtp_code, refusal.smtp_error, server)
    except (OSError, smtplib.SMTPException, ValueError) as fault:
        answer = Answer(
            status=None, error=clip(f"The mail server could not be used: {_words(fault)}", 300)
        )
    return Answer(
        status=answer.status,
        error=answer.error,
        is_permanent=answer.is_permanent,
        duration_ms=round((time.monotonic() - began) * 1000),
    )


def mail_of(facts: PageFacts, *, to: str, sender: str, at: datetime) -> EmailMessage:
    """Return the mail. Its id is that of the page, so that a second one is known as the same."""
    message = message_of(facts, at=at)
    here = urlsplit(facts.base_url).hostname or "hearthwatch"
    mail = EmailMessage()
    # One line: a summary with a line break in it must not become another header.
    mail["Subject"] = clip(" ".join(message.title.split()), 200)
    mail["From"] = sender
    mail["To"] = to
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{facts.page_id}@{here}>"
    # Answering machines stay silent, and mail programs show it as pressing.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Priority"] = "1"
    if facts.purpose == "page":
        # One conversation an alert.
        mail["References"] = f"<alert-{facts.alert_id}@{here}>"
    mail.set_content(message.plain)
    return mail


def _hand_over(mail: EmailMessage, server: _Server, timeout_seconds: float) -> None:
    context = ssl.create_default_context()
    client: smtplib.SMTP
    if server.tls == "tls":
        client = smtplib.SMTP_SSL(timeout=timeout_seconds, context=context)
    else:
        client = smtplib.SMTP(timeout=timeout_seconds)
    # smtplib's own limit counts for each line; a server that drips lines would go on for ever.
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=[client, done, timeout_seconds], daemon=True)
    watch.start()
    try:
        client._host = server.host  # type: ignore[attr-defined]  # The name TLS is checked for.
        client.connect(server.host, server.port)
        if server.tls == "starttls":
            client.starttls(context=context)
        if server.user:
            client.login(server.user, server.password)
        client.send_message(mail)
    finally:
        done.set()
        client.close()


def _watch(client: smtplib.SMTP, done: threading.Event, seconds: float) -> None:
    if done.wait(seconds):
        return
    # Again and again: of several addresses the next may only be connecting.
    _cut(client)
    while not done.wait(_CUT_EVERY_SECONDS):
        _cut(client)


def _cut(client: smtplib.SMTP) -> None:
    sock = client.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It ended by itself meanwhile.


def _refusal(code: int, text: bytes | str, server: _Server) -> Answer:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    # The contact's secrets are masked for every transport; this one is the server's.
    said = said.replace(server.password, MASK) if server.password else said
    # In mail it is the 5xx that are for good, the other way round than in HTTP.
    return Answer(
        status=None,
        error=clip(f"The mail server answered {code}: {said}", 300),
        is_permanent=code >= 500,
    )


def _words(fault: Exception) -> str:
    return str(fault) or type(fault).__name__


def _server() -> _Server | None:
    host = settings.HEARTHWATCH_SMTP_HOST
    sender = settings.HEARTHWATCH_SMTP_FROM
    if not host or not sender:
        return None
    return _Server(
        host=host,
        port=settings.HEARTHWATCH_SMTP_PORT,
        tls=settings.HEARTHWATCH_SMTP_TLS,
        user=settings.HEARTHWATCH_SMTP_USER,
        password=settings.HEARTHWATCH_SMTP_PASSWORD,
        sender=sender,
    )
