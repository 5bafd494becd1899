"""Everything else: named services that the library apprise can write to.

It runs in a process of its own, which is ended when the time is over: the library has no limit for
a whole exchange, and there every address it connects to is checked (`apprise_child`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.timeline import clip
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.words import message_of

#: Services that are reached by HTTP alone. Left out: all that run programs, write to this machine
#: or speak other protocols (dbus, syslog, mqtt, ssh), and mail, which has its own kind.
_NAMES = """
apprise apprises bark barks betterstack bsky clicksend dingtalk discord feishu firehydrant gchat
goalert goalerts gotify gotifys ilert incidentio json jsons lark line matrix matrixs mmost mmosts
msgbird nctalk nctalks nexmo ntfy ntfys opsgenie pagertree pbul plivo pover prowl psafer rocket
rockets signal signals signl4 sinch sns spike splunk squadcast synology synologys telnyx tgram
threema twilio victorops vonage webex wecombot whatsapp xmatters zulip
"""
SERVICES = frozenset(_NAMES.split())
#: Options with which an address could name files of this server.
_FILE_OPTIONS = frozenset({"template", "keyfile", "subfile", "prvkey", "pgpkey", "attach"})
_CHILD = "runbooks.paging.transports.apprise_child"
#: No proxies, no netrc: both would send pages elsewhere.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")


def check(endpoint: Endpoint) -> None:
    """Raise EndpointError where the address names no service that may be used."""
    schema, mark, rest = endpoint.url.partition("://")
    if not mark or not rest or schema.lower() not in SERVICES:
        raise EndpointError(
            "unknown_service",
            f"Apprise addresses begin with a service, such as tgram://. {schema[:20]!r} is none "
            f"of those that may be used: {', '.join(sorted(SERVICES))}.",
        )
    options = {name.lower() for name, _ in parse_qsl(_query(endpoint.url), keep_blank_values=True)}
    if options & _FILE_OPTIONS:
        raise EndpointError(
            "file_option",
            f"The address may not name files of this server; take out "
            f"{', '.join(sorted(options & _FILE_OPTIONS))}.",
        )


def send(
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Write one message by the service (see `Transport`).

    Services that took it answer with 200 here, whatever 2xx they said.
    """
    began = time.monotonic()
    try:
        check(endpoint)
    except EndpointError as refusal:
        return Answer(status=None, error=refusal.sentence[:300], is_permanent=True)
    message = message_of(facts, at=at)
    order = {
        "url": endpoint.url,
        "title": message.title,
        "body": message.plain,
        "timeout_seconds": timeout_seconds,
        "allowed": list(allowed),
    }
    answer = _ask(json.dumps(order), timeout_seconds)
    return Answer(
        status=answer.status,
        error=answer.error,
        is_permanent=answer.is_permanent,
        duration_ms=round((time.monotonic() - began) * 1000),
    )


def _ask(order: str, timeout_seconds: float) -> Answer:
    try:
        # The order goes by standard input: arguments of a process can be read by others.
        done = subprocess.run(  # noqa: S603  # Our own module, nothing of the page in it.
            [sys.executable, "-m", _CHILD],
            input=order,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            cwd=settings.BASE_DIR,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            check=False,
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Answer(
            status=None, error=f"The service did not answer within {timeout_seconds:g} s."
        )
    except (OSError, ValueError):
        return Answer(status=None, error="The page could not be handed to apprise.")
    if said["is_sent"]:
        return Answer(status=200)
    return Answer(status=None, error=clip(said["error"], 300), is_permanent=said["is_permanent"])


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return url.partition("?")[2]
