"""Silence: nodes from which nothing arrives, and sites that are dark.

Judged by receive time, on the server's clock. The time during which no ingest door was open is
the server's own absence and counts against nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from telemetry.detectors.detection import (
    HIGH,
    URGENT,
    Detection,
    Json,
    spell_nodes,
    spell_seconds,
)

#: A node is silent after this many of its windows, but never sooner than the floor.
WINDOWS_MISSED = 5
SHORTEST_DEADLINE_SECONDS = 45.0
#: A node heard within this many of its windows proves that its site can be heard.
_FRESH_WINDOWS = 2

Floats = NDArray[np.float64]


class OverdueState(TypedDict, total=False):
    """What is remembered of one site; `{}` to begin with.

    `silent` maps each silent node to its last receipt, None for a node that never reported;
    `is_dark` says whether the whole site is; `grace_until` is when the nodes of a site that came
    back must have followed, None outside that time.
    """

    silent: dict[str, float | None]
    is_dark: bool
    grace_until: float | None


@dataclass(frozen=True, slots=True)
class _Node:
    """One node at the moment of judging; times in epoch seconds, spans in seconds."""

    name: str
    received: float
    waited: float
    deadline: float
    is_overdue: bool
    is_fresh: bool

    @property
    def has_reported(self) -> bool:
        return not math.isnan(self.received)


def judge_overdue(
    last_received: Floats,
    window_seconds: Floats,
    names: Sequence[str],
    *,
    now: float,
    listening_since: float | None,
    state: OverdueState,
    expected_since: Floats | None = None,
    return_grace_seconds: float = 0.0,
) -> tuple[OverdueState, list[Detection]]:
    """Judge the silence of one site's N nodes; all times are epoch seconds of the server's clock.

    `last_received[N]` is NaN for a node that never reported; such a node is awaited only when
    `expected_since[N]` says from when. `listening_since` is since when an ingest door has been
    open without a break, None while none is: then nothing is judged and the state is kept.

    All reporting nodes overdue make one `site.dark` in place of their `node.silent`. A node whose
    siblings are all late too waits for their deadlines, so that a lost uplink is told once, as
    what it is. `return_grace_seconds` gives the nodes of a site that is heard again that long to
    follow the first. Raises ValueError when the lengths differ.
    """
    if not len(last_received) == len(window_seconds) == len(names):
        raise ValueError(
            f"{len(names)} names, {len(last_received)} receipts and {len(window_seconds)} window "
            "lengths; pass one of each for every node."
        )
    if listening_since is None:
        return state, []
    awaited = np.full(len(names), math.nan) if expected_since is None else expected_since
    nodes = [
        _look_at(name, float(at), float(window), float(since), now, listening_since, state)
        for name, at, window, since in zip(
            names, last_received, window_seconds, awaited, strict=True
        )
    ]
    return _report(nodes, now, state, return_grace_seconds)


def _look_at(
    name: str,
    received: float,
    window_seconds: float,
    expected_since: float,
    now: float,
    listening_since: float,
    state: OverdueState,
) -> _Node:
    deadline = max(SHORTEST_DEADLINE_SECONDS, WINDOWS_MISSED * window_seconds)
    since = expected_since if math.isnan(received) else received
    is_awaited = not math.isnan(since)
    grace_until = state.get("grace_until")
    is_in_grace = grace_until is not None and now < grace_until
    is_overdue = is_awaited and not is_in_grace and now - max(since, listening_since) > deadline
    before = state.get("silent", {})
    if is_awaited and name in before and not _is_later(received, before[name]):
        # Only a window ends a silence; a restart of the server does not.
        is_overdue = True
    return _Node(
        name=name,
        received=received,
        waited=now - since,
        deadline=deadline,
        is_overdue=is_overdue,
        is_fresh=now - received <= _FRESH_WINDOWS * window_seconds,
    )


def _is_later(received: float, remembered: float | None) -> bool:
    if math.isnan(received):
        return False
    return remembered is None or received > remembered


def _report(
    nodes: Sequence[_Node], now: float, state: OverdueState, grace_seconds: float
) -> tuple[OverdueState, list[Detection]]:
    reporting = [node for node in nodes if node.has_reported]
    was_dark = state.get("is_dark", False)
    is_dark = bool(reporting) and all(node.is_overdue for node in reporting)
    grace_until = state.get("grace_until")
    before = state.get("silent", {})
    silent = [node for node in nodes if node.is_overdue]
    if was_dark and not is_dark:
        if grace_seconds > 0:
            grace_until, silent = now + grace_seconds, []
    elif not is_dark and not any(node.is_fresh for node in reporting):
        # Nobody is heard, but not all are overdue yet: the site may be going dark.
        silent = [node for node in silent if node.name in before or not node.has_reported]
    told_before = {} if was_dark else before
    detections = _site_changes(silent, reporting, now, was_dark, is_dark)
    detections += _node_changes(nodes, silent, now, told_before, is_dark)
    after: OverdueState = {
        "silent": {n.name: n.received if n.has_reported else None for n in silent},
        "is_dark": is_dark,
        "grace_until": grace_until if grace_until is not None and now < grace_until else None,
    }
    return after, detections


def _site_changes(
    silent: Sequence[_Node], reporting: Sequence[_Node], now: float, was_dark: bool, is_dark: bool
) -> list[Detection]:
    if was_dark == is_dark:
        return []
    if is_dark:
        newest = min(reporting, key=lambda node: node.waited)
        many = len(reporting)
        who = f"{newest.name}, the only node," if many == 1 else f"any of {many} nodes"
        summary = (
            f"Nothing from {who} for {spell_seconds(newest.waited)}, "
            f"limit {spell_seconds(newest.deadline)}"
        )
        evidence: dict[str, Json] = {
            "nodes": [node.name for node in silent],
            "last_received": newest.received,
            "silent_seconds": newest.waited,
            "deadline_seconds": newest.deadline,
        }
        return [_site(True, now, summary, evidence)]
    back = [node for node in reporting if not node.is_overdue]
    if not back:
        return [_site(False, now, "The site has no reporting node any more", {"nodes": []})]
    names = [node.name for node in back]
    return [
        _site(
            False,
            min(now, max(node.received for node in back)),
            f"The site reports again: {spell_nodes(names)} of {len(reporting)} nodes",
            {"nodes": [*names]},
        )
    ]


def _node_changes(
    nodes: Sequence[_Node],
    silent: Sequence[_Node],
    now: float,
    told_before: dict[str, float | None],
    is_dark: bool,
) -> list[Detection]:
    by_name = {node.name: node for node in nodes}
    told_now = [] if is_dark else [node.name for node in silent]
    ended = [
        _silence_over(name, by_name.get(name), told_before[name], now, is_dark)
        for name in sorted(told_before)
        if name not in told_now
    ]
    begun = [_silence(by_name[name], now) for name in told_now if name not in told_before]
    return ended + begun


def _silence(node: _Node, now: float) -> Detection:
    limit = spell_seconds(node.deadline)
    waited = spell_seconds(node.waited)
    summary = f"Nothing from {node.name} for {waited}, limit {limit}"
    if not node.has_reported:
        summary = f"Nothing from {node.name} since it was expected {waited} ago, limit {limit}"
    evidence: dict[str, Json] = {
        "last_received": node.received if node.has_reported else None,
        "silent_seconds": node.waited,
        "deadline_seconds": node.deadline,
    }
    return _node(node.name, True, now, summary, evidence)


def _silence_over(
    name: str, node: _Node | None, last: float | None, now: float, is_dark: bool
) -> Detection:
    if node is None:
        return _node(name, False, now, f"{name} is no longer a node of this site", {})
    if is_dark:
        summary = f"{name} is silent with its whole site"
        return _node(name, False, now, summary, {"covered_by": "site.dark"})
    if not node.has_reported:
        return _node(name, False, now, f"{name} is no longer expected", {})
    lasted = "" if last is None else f" after {spell_seconds(node.received - last)}"
    evidence: dict[str, Json] = {"last_received": node.received}
    return _node(name, False, min(now, node.received), f"{name} reports again{lasted}", evidence)


def _site(is_firing: bool, at: float, summary: str, evidence: dict[str, Json]) -> Detection:
    return Detection("site.dark", "site.dark", is_firing, URGENT, at, None, summary, evidence)


def _node(
    name: str, is_firing: bool, at: float, summary: str, evidence: dict[str, Json]
) -> Detection:
    fingerprint = f"node.silent/{name}"
    return Detection("node.silent", fingerprint, is_firing, HIGH, at, name, summary, evidence)
