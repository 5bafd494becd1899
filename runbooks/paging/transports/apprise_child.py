"""The process in which apprise writes one message, with its hands tied.

Reads one order (JSON) from standard input, answers with one line of JSON. Every address that is
connected to was checked first, and redirects are not followed.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import apprise
import requests

from runbooks.paging.addresses import is_allowed

_SHORTEST_WAIT = 0.5


class _LastWarning(logging.Handler):
    """Keep the last thing that the library complained of."""

    text = "The service did not take the page."

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class _Guard:
    """The look-up of names for this process: it finds addresses that pages may go to alone.

    urllib3 connects to the very address that is returned here, so there is no second look-up.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self.refused = ""
        self._allowed = allowed
        self._names = {word.lower().rstrip(".") for word in allowed}
        self._look_up = socket.getaddrinfo

    def getaddrinfo(self, host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        found = list(self._look_up(host, *args, **kwargs))
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.lower().rstrip(".") in self._names:
            return found
        open_to = [entry for entry in found if self._is_allowed(entry[4][0])]
        if not open_to:
            self.refused = (
                f"Pages may not go to {name}; add it to HEARTHWATCH_PAGE_HOSTS or change the "
                "contact."
            )
            raise OSError(self.refused)
        return open_to

    def _is_allowed(self, address: Any) -> bool:
        return is_allowed(ip_address(str(address).partition("%")[0]), allowed=self._allowed)


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Return `is_sent`, `error` (a sentence) and `is_permanent` of one order."""
    guard = _Guard(order["allowed"])
    # This process does nothing else: what is tied here is tied for the library alone.
    socket.getaddrinfo = guard.getaddrinfo
    requests.Session.get_redirect_target = _nowhere  # type: ignore[method-assign,assignment]  # As above.
    warnings = _LastWarning(level=logging.WARNING)
    logging.getLogger("apprise").addHandler(warnings)
    service = apprise.Apprise.instantiate(order["url"], suppress_exceptions=True)
    if service is None:
        return _answer(error="The service cannot read its address; write it anew.", is_final=True)
    half = max(_SHORTEST_WAIT, order["timeout_seconds"] / 2)
    service.socket_connect_timeout = service.socket_read_timeout = half
    if service.notify(title=order["title"], body=order["body"]):
        return {"is_sent": True, "error": "", "is_permanent": False}
    return _answer(error=guard.refused or warnings.text, is_final=bool(guard.refused))


def _answer(*, error: str, is_final: bool) -> dict[str, Any]:
    return {"is_sent": False, "error": error, "is_permanent": is_final}


def _nowhere(session: requests.Session, response: requests.Response) -> None:
    """Name no place to go to: a redirect is an answer like any other."""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(carry_out(json.load(sys.stdin))))
