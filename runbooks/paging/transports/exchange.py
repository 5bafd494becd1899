"""One HTTP request to a checked address, within a hard time limit; every transport goes by it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import httpx

from runbooks.paging.addresses import AddressError, Target, find_target
from runbooks.paging.outcome import Answer

#: So much of an answer is read, to learn what it means; an acknowledgement in a longer one is lost.
LARGEST_ANSWER_BYTES = 64_000
#: So much of it is kept, for people who look for a fault.
BODY_HEAD_BYTES = 1000
USER_AGENT = "Hearthwatch-pager/1"


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """POST `body` and return what came back; never raises for anything a receiver does.

    The whole exchange, name look-up included, ends within `timeout_seconds`: a receiver that
    drips bytes is as late as one that says nothing. `allowed` is that of `find_target`. Header
    names are lower-case; the body is JSON where they say nothing else. Needs no database.
    """
    return _request("POST", url, body, headers, timeout_seconds, allowed)


def get(url: str, *, timeout_seconds: float, allowed: Sequence[str]) -> Answer:
    """GET `url` under the rules of `post`."""
    return _request("GET", url, b"", {}, timeout_seconds, allowed)


def _request(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    began = time.monotonic()
    try:
        target = find_target(url, allowed=allowed)
    except AddressError as refusal:
        return Answer(status=None, error=refusal.sentence[:300], is_permanent=refusal.is_permanent)
    # getaddrinfo cannot be interrupted; what it took is taken off what is left.
    left = timeout_seconds - (time.monotonic() - began)
    exchange = _Exchange(method, target, body, headers, timeout_seconds)
    answer = asyncio.run(exchange.run(left))
    return replace(answer, duration_ms=round((time.monotonic() - began) * 1000))


class _Exchange:
    """One request and its answer; what was read before the time limit counts."""

    def __init__(
        self,
        method: str,
        target: Target,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
    ) -> None:
        self._method = method
        self._target = target
        self._body = body
        self._headers = headers
        self._timeout_seconds = timeout_seconds
        self._response: httpx.Response | None = None
        self._read = bytearray()

    async def run(self, left: float) -> Answer:
        error = ""
        try:
            async with asyncio.timeout(left):
                await self._to_first_that_connects()
        except (TimeoutError, httpx.TimeoutException):
            error = f"The receiver did not answer within {self._timeout_seconds:g} s."
        except httpx.ConnectError as exc:
            error = f"No connection to the receiver: {exc}"
        except httpx.HTTPError as exc:
            error = f"The receiver broke off: {exc}"
        response = self._response
        if response is None:
            return Answer(status=None, error=error[:300])
        return Answer(
            status=response.status_code,
            body=self._read.decode("utf-8", "replace"),
            body_head=self._read[:BODY_HEAD_BYTES].decode("utf-8", "replace"),
            retry_after=response.headers.get("retry-after", "")[:100],
        )

    async def _to_first_that_connects(self) -> None:
        *others, last = self._target.addresses
        for address in others:
            try:
                return await self._send(address, self._timeout_seconds / len(others + [last]))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        await self._send(last, self._timeout_seconds)

    async def _send(self, address: str, connect_seconds: float) -> None:
        url = self._target.url
        client = httpx.AsyncClient(
            verify=_tls(),
            # A proxy from the environment would connect to an address nobody checked.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._timeout_seconds, connect=connect_seconds),
        )
        async with client:
            request = client.build_request(
                self._method,
                url.copy_with(host=address),
                headers={
                    "content-type": "application/json",
                    **self._headers,
                    "host": url.netloc.decode("ascii"),
                    "user-agent": USER_AGENT,
                    # A compressed answer would have to be unpacked to read its head.
                    "accept-encoding": "identity",
                    "connection": "close",
                },
                content=self._body,
                extensions={"sni_hostname": self._target.host},
            )
            response = await client.send(request, stream=True)
            try:
                self._response = response
                await self._read_answer(response)
            finally:
                await response.aclose()

    async def _read_answer(self, response: httpx.Response) -> None:
        async for chunk in response.aiter_raw():
            self._read += chunk[: LARGEST_ANSWER_BYTES - len(self._read)]
            if len(self._read) == LARGEST_ANSWER_BYTES:
                return


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificate store takes some 20 ms; once a process is enough.
    return httpx.create_ssl_context()
