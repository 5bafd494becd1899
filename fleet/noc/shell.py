"""What the frame of every page needs: who you are, how many alerts are open, how old the data is.

Everything is worked out when a template asks for it, so a fragment pays for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse

from fleet.access import ALLOWED, sites_visible_to
from fleet.models import Membership, Node
from runbooks.alerts.selectors import counts_for

THEMES = ("light", "dark")
#: Cookies that hold a reader's choices; scripts may read them, they say nothing about a person.
THEME_COOKIE, KEYS_COOKIE, BLINK_COOKIE = "hw_theme", "hw_keys", "hw_blink"

#: Which of somebody's roles names them in the menu, the widest first.
ROLES_WIDEST_FIRST = tuple(ALLOWED)


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the main menu; `current` is the value of `aria-current`, or empty."""

    label: str
    url: str
    current: str
    key: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many alerts of one severity are open."""

    severity: int
    number: int
    url: str


#: Label, URL name, key after `g`, and the beginnings of the URL names that belong to it.
_NAV = (
    ("Fleet", "fleet", "f", ("fleet", "site", "node")),
    ("Alerts", "alerts", "a", ("alert", "silence", "maintenance", "rule")),
    (
        "On call",
        "oncall",
        "o",
        ("oncall", "schedule", "polic", "group", "heartbeat", "readiness", "contact", "deliver"),
    ),
    ("Runbooks", "runbooks", "r", ("runbook", "run")),
)


_DEMO_NAV = (("Demo pager", "demo-pager", "p", ("demo",)),)


class Shell:
    """The frame's answers for one request."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.user: Any = getattr(request, "user", AnonymousUser())

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody is signed in, so that there is a header and a live line."""
        return bool(self.user.is_authenticated)

    @property
    def is_demo(self) -> bool:
        """Whether this is the demo, which has a pager to look at."""
        return bool(settings.HEARTHWATCH_DEMO)

    @property
    def theme(self) -> str:
        """`light` or `dark` where the reader chose one, else empty: the system's choice."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else ""

    @property
    def has_keys(self) -> bool:
        """Whether single keys act; one setting turns them all off."""
        return self._request.COOKIES.get(KEYS_COOKIE) != "off"

    @property
    def has_blink(self) -> bool:
        """Whether the mark of an unanswered urgent alert blinks."""
        return self._request.COOKIES.get(BLINK_COOKIE) != "off"

    @property
    def path(self) -> str:
        """The address of this page, to come back to."""
        return self._request.get_full_path()

    @property
    def nav(self) -> list[NavItem]:
        """The main menu; only pages that exist."""
        match = self._request.resolver_match
        here = match.url_name or "" if match else ""
        items = []
        for label, name, key, beginnings in (*_NAV, *(_DEMO_NAV if self.is_demo else ())):
            current = "page" if here == name else "true" if here.startswith(beginnings) else ""
            items.append(NavItem(label, reverse(f"noc:{name}"), current, key))
        return items

    @cached_property
    def counts(self) -> list[Count]:
        """Open alerts by severity, the most urgent first, zeros included."""
        numbers = counts_for(self.user)
        queue = reverse("noc:alerts")
        return [
            Count(level, numbers.get(level, 0), f"{queue}?severity={level}") for level in (1, 2, 3)
        ]

    @cached_property
    def newest_at(self) -> datetime | None:
        """When the server last received a live window from any node the reader may see."""
        nodes = Node.objects.filter(site__in=sites_visible_to(self.user))
        newest: datetime | None = nodes.aggregate(at=Max("last_received_at"))["at"]
        return newest

    @cached_property
    def role(self) -> str:
        """The widest role of the reader, in words."""
        if self.user.is_superuser:
            return Membership.Role.ADMIN.label
        held = set(self.user.memberships.values_list("role", flat=True))
        roles = [role for role in ROLES_WIDEST_FIRST if role in held]
        return Membership.Role(roles[0]).label if roles else "No role yet"


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the context of the frame: one `Shell` under the name `shell`."""
    return {"shell": Shell(request)}
