"""The form of a new heartbeat: what stands in it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

from fleet.models import Node, Site
from fleet.noc.whole_numbers import read_whole
from runbooks.heartbeats.errors import HeartbeatError

#: Units of a length of time, the shortest first.
UNITS: Final[Mapping[str, int]] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_SHOWN_NODES = 10


@dataclass(frozen=True, slots=True)
class HeartbeatForm:
    """The whole form as typed."""

    name: str = ""
    site: str = ""
    node: str = ""
    period: str = "1"
    period_unit: str = "days"
    grace: str = "1"
    grace_unit: str = "hours"


def read_form(said: QueryDict) -> HeartbeatForm:
    """Return what was typed, however wrong."""
    names = HeartbeatForm.__dataclass_fields__
    return HeartbeatForm(**{name: said.get(name, "").strip() for name in names})


def seconds_of(number: str, unit: str, *, code: str) -> int:
    """Return a length of time in seconds; raises HeartbeatError with `code`."""
    count, size = read_whole(number, digits=7), UNITS.get(unit)
    if count is None or size is None:
        raise HeartbeatError(code, "Give a whole number, such as 5, and a unit.")
    return count * size


def node_of(form: HeartbeatForm, site: Site) -> Node | None:
    """Return the node named, None where none was; raises HeartbeatError."""
    if not form.node:
        return None
    node = site.nodes.filter(name=form.node).first()
    if node is None:
        names = site.nodes.order_by("name").values_list("name", flat=True)[:_SHOWN_NODES]
        raise HeartbeatError(
            "node_unknown",
            f"{site.name} has no node {form.node!r}. It has: {', '.join(names) or 'none yet'}.",
        )
    return node
