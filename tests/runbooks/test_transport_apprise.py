"""Apprise: named services alone, in a process of their own, to checked addresses alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

import pytest

from runbooks.paging.outcome import Answer, Fate, fate_of
from runbooks.paging.transports.apprise_services import check
from runbooks.paging.transports.endpoint import Endpoint, EndpointError
from runbooks.paging.transports.registry import TRANSPORTS
from tests.page_facts import NOON, page_facts
from tests.receiver import Receiver, held, redirect, status

LOOPBACK = ("127.0.0.0/8",)


def send(url: str, *, allowed: Sequence[str] = LOOPBACK, timeout_seconds: float = 20) -> Answer:
    return TRANSPORTS["apprise"](
        page_facts(ack_url="https://hearthwatch.example/p/abc/"),
        endpoint=Endpoint(kind="apprise", url=url),
        at=NOON,
        timeout_seconds=timeout_seconds,
        allowed=allowed,
    )


def test_a_service_is_given_the_page_in_words(receiver: Receiver) -> None:
    answer = send(f"json://127.0.0.1:{receiver.port}/in")
    assert fate_of(answer) is Fate.SENT
    said = receiver.requests[0].json
    assert said["title"] == "Urgent: Inlet 38.4 °C, limit 35 °C. (Osaka-1, node-1)"
    assert "Acknowledge: https://hearthwatch.example/p/abc/" in said["message"]


def test_a_refusal_is_tried_again_and_no_redirect_is_followed(receiver: Receiver) -> None:
    receiver.answers(status(500), redirect(receiver.url))
    url = f"json://127.0.0.1:{receiver.port}/in?redirect=yes"
    assert fate_of(send(url)) is Fate.RETRY
    assert fate_of(send(url)) is Fate.RETRY
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a_service_is_not_reached_at_an_address_that_is_not_listed(
    receiver: Receiver, host: str
) -> None:
    allowed = ["*", "10.0.0.0/8", "pager.example"]
    answer = send(f"json://{host}:{receiver.port}/in", allowed=allowed)
    assert fate_of(answer) is not Fate.SENT
    assert receiver.requests == []


def test_a_refused_address_is_final_and_says_what_to_do(receiver: Receiver) -> None:
    answer = send(f"json://localhost:{receiver.port}/in", allowed=["*"])
    assert fate_of(answer) is Fate.DEAD
    assert "add it to HEARTHWATCH_PAGE_HOSTS" in answer.error


def test_a_listed_name_is_trusted_wherever_it_leads(receiver: Receiver) -> None:
    answer = send(f"json://localhost:{receiver.port}/in", allowed=["LOCALHOST"])
    assert fate_of(answer) is Fate.SENT


def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fate_of(send(f"json://127.0.0.1:{receiver.port}/in")) is Fate.SENT


def test_a_service_that_says_nothing_is_ended_in_time(receiver: Receiver) -> None:
    receiver.answers(held())
    answer = send(f"json://127.0.0.1:{receiver.port}/in", timeout_seconds=3)
    assert fate_of(answer) is Fate.RETRY
    assert answer.error


def test_nothing_of_the_pager_itself_is_tied(receiver: Receiver) -> None:
    before = socket.getaddrinfo
    send(f"json://127.0.0.1:{receiver.port}/in", allowed=[])
    assert socket.getaddrinfo is before
    assert os.environ["PATH"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "://",
        "tgram://",
        "dbus://",
        "syslog://",
        "windows://x",
        "mailto://a:b@c.org",
        "http://x",
    ],
)
def test_what_is_no_named_service_is_refused(url: str) -> None:
    with pytest.raises(EndpointError) as caught:
        check(Endpoint(kind="apprise", url=url))
    assert caught.value.code == "unknown_service"
    assert fate_of(send(url)) is Fate.DEAD


@pytest.mark.parametrize("option", ["template=/etc/passwd", "KeyFile=/etc/passwd", "attach=x"])
def test_an_address_cannot_read_files_of_the_server(option: str) -> None:
    with pytest.raises(EndpointError) as caught:
        check(Endpoint(kind="apprise", url=f"discord://123456/abcdef?{option}"))
    assert caught.value.code == "file_option"


def test_the_tokens_of_a_service_are_not_written_down(receiver: Receiver) -> None:
    token = "abcdefghijklmnop1234"
    answer = send(f"tgram://123456789:{token}/12345678/", allowed=[])
    assert fate_of(answer) is not Fate.SENT
    assert answer.error
    assert token not in answer.error


def test_an_address_that_its_service_cannot_read_is_final() -> None:
    answer = send("tgram://nonsense")
    assert fate_of(answer) is Fate.DEAD
    assert "write it anew" in answer.error
