"""Where pages may go."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from runbooks.paging.addresses import AddressError, find_target, is_allowed


def refusal(url: str, *allowed: str) -> AddressError:
    with pytest.raises(AddressError) as caught:
        find_target(url, allowed=allowed)
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_any_public_address_means_no_inner_one_however_it_is_written(address: str) -> None:
    assert not is_allowed(ip_address(address), allowed=["*"])


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_any_public_address_means_public_ones(address: str) -> None:
    assert is_allowed(ip_address(address), allowed=["*"])


def test_an_inner_network_is_open_when_it_is_listed() -> None:
    allowed = ["*", "10.1.0.0/16", "fd00::/8"]
    assert is_allowed(ip_address("10.1.2.3"), allowed=allowed)
    assert is_allowed(ip_address("fd00::7"), allowed=allowed)
    assert not is_allowed(ip_address("10.2.0.1"), allowed=allowed)


def test_nothing_is_open_when_nothing_is_listed() -> None:
    assert not is_allowed(ip_address("1.1.1.1"), allowed=[])


def test_a_listed_name_is_trusted_wherever_it_leads() -> None:
    target = find_target("http://LocalHost:8080/pager", allowed=["localhost"])
    assert "127.0.0.1" in target.addresses
    assert target.host == "localhost"


def test_a_name_that_leads_inside_is_refused_with_what_to_do() -> None:
    fault = refusal("http://localhost/pager", "*")
    assert fault.code == "host_not_allowed"
    assert fault.is_permanent
    assert "add it to HEARTHWATCH_PAGE_HOSTS" in str(fault)


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://[::ffff:127.0.0.1]/"]
)
def test_loopback_in_disguise_is_refused(url: str) -> None:
    assert refusal(url, "*").code == "host_not_allowed"


@pytest.mark.parametrize(
    "url", ["ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "//1.1.1.1/", "pager"]
)
def test_other_schemes_are_refused(url: str) -> None:
    assert refusal(url, "*").code == "bad_scheme"


@pytest.mark.parametrize(
    "url", ["http://", "http:///pager", "http://1.1.1.1:99999/", "http://1.1.1.1:0/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert refusal(url, "*").code == "bad_url"


@pytest.mark.parametrize("url", ["http://ana:secret@1.1.1.1/", "http://ana@1.1.1.1/"])
def test_credentials_in_an_address_are_refused(url: str) -> None:
    fault = refusal(url, "*")
    assert fault.code == "credentials_in_url"
    assert "secret" not in str(fault).replace("signed", "")


def test_a_name_without_an_address_may_have_one_later() -> None:
    fault = refusal("http://no-such-host.invalid/", "*")
    assert (fault.code, fault.is_permanent) == ("host_unknown", False)


def test_the_name_is_looked_up_once_and_what_was_checked_is_what_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def rebinding(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    target = find_target("https://rebind.example/", allowed=["*"])
    assert target.addresses == ("93.184.215.14",)
    assert target.host == "rebind.example"


def test_of_several_addresses_only_those_allowed_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mixed(host: str, port: int, **options: Any) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", port, 0, 2)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", mixed)
    assert find_target("https://pager.example/", allowed=["*"]).addresses == ("1.1.1.1",)
