"""Where pages may go: the allow-list of HEARTHWATCH_PAGE_HOSTS.

A name is resolved once and the connection goes to the very address that was checked; a check
followed by a second look-up could be answered differently (DNS rebinding).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from runbooks.refused import Refused

Address = IPv4Address | IPv6Address

ANY_PUBLIC = "*"
#: IPv6 networks whose last 32 bits are an IPv4 address that a gateway would connect to.
_NAT64 = ip_network("64:ff9b::/96")


class AddressError(Refused):
    """A page cannot go to this address: a `code` for machines, a sentence for people.

    `is_permanent` is False when a later attempt may find the address.
    """

    def __init__(self, code: str, sentence: str, *, is_permanent: bool = True) -> None:
        super().__init__(code, sentence)
        self.is_permanent = is_permanent


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that pages may go to, and the checked addresses to connect to, best first."""

    url: httpx.URL
    addresses: tuple[str, ...]

    @property
    def host(self) -> str:
        """The name the URL was written with; it stays the Host header and the TLS name."""
        return self.url.raw_host.decode("ascii")


def find_target(text: str, *, allowed: Sequence[str]) -> Target:
    """Return where `text` may be sent to.

    `allowed` holds host names (trusted wherever they resolve to), addresses and networks, and
    `*` for any public address. Raises AddressError. Blocks while the name is resolved.
    """
    url = _read(text)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = url.raw_host.decode("ascii")
    found = _resolve(host, port)
    names = {word.lower().rstrip(".") for word in allowed}
    if host.lower().rstrip(".") in names:
        return Target(url=url, addresses=tuple(str(address) for address in found))
    open_to = [address for address in found if is_allowed(address, allowed=allowed)]
    if not open_to:
        raise AddressError(
            "host_not_allowed",
            f"Pages may not go to {host}, which is {found[0]}; add it to HEARTHWATCH_PAGE_HOSTS "
            "or change the contact.",
        )
    return Target(url=url, addresses=tuple(str(address) for address in open_to))


def is_allowed(address: Address, *, allowed: Sequence[str]) -> bool:
    """Tell whether the allow-list opens this address."""
    plain = _plain(address)
    for word in allowed:
        try:
            network = ip_network(word, strict=False)
        except ValueError:
            continue  # A host name, or `*`.
        if plain.version == network.version and plain in network:
            return True
    # `is_global` leaves out loopback, private, link-local and reserved addresses.
    return ANY_PUBLIC in allowed and plain.is_global and not plain.is_multicast


def _read(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise AddressError("bad_url", "The contact's URL cannot be read; write it anew.") from None
    if url.scheme not in ("http", "https"):
        raise AddressError(
            "bad_scheme", "Pages go to http and https addresses only; change the contact's URL."
        )
    if url.userinfo:
        raise AddressError(
            "credentials_in_url",
            "The contact's URL holds a user name or password; pages are signed instead, so take "
            "it out.",
        )
    if not url.raw_host:
        raise AddressError("bad_url", "The contact's URL names no host; write it anew.")
    if url.port is not None and not 0 < url.port < 65_536:
        raise AddressError("bad_url", "The contact's URL has no usable port; use 1 to 65535.")
    return url


def _resolve(host: str, port: int) -> list[Address]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError(
            "host_unknown",
            f"The name {host} has no address right now; check it, and the name servers.",
            is_permanent=False,
        ) from None
    found = []
    for *_, where in answers:
        address = ip_address(str(where[0]).partition("%")[0])
        if address not in found:
            found.append(address)
    return found


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address would lead to, where it is such a one."""
    if isinstance(address, IPv4Address):
        return address
    embedded = address.ipv4_mapped or address.sixtofour
    if embedded is not None:
        return embedded
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
