"""The four questions of the fleet page, answered from findings and node states. Pure.

Unknown never counts as good: a node that is not heard from is in the total and not in the count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.noc.fleet_words import details
from telemetry.models import Finding

Kind = Finding.Kind

THERMAL = frozenset({Kind.THERMAL_ENVELOPE, Kind.THERMAL_THROTTLE})
MODELS = frozenset({Kind.MODEL_MISMATCH, Kind.MODEL_FAILING})
DRIFT = frozenset({Kind.CONFIG_DRIFT})
NODES = frozenset(Kind) - MODELS - DRIFT - {Kind.SITE_DARK, Kind.THERMAL_ENVELOPE}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One open finding as the fleet page needs it; `node_ids` are the nodes it names."""

    site_id: int
    kind: str
    severity: int
    summary: str
    began_at: datetime
    node_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question: how many are good of how many; `state` is `p1`..`p3`, `stale` or empty."""

    question: str
    good: int
    total: int
    detail: str
    state: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the answers are worked out from.

    `nodes` maps each watched node of the fleet to its site, `heard` are those that are fresh,
    `carrying` maps `model` and `config` to the nodes that ever reported such an item, `names`
    maps the sites in service to their names, `dark` are sites that nothing current is known of.
    """

    nodes: Mapping[int, int]
    heard: Collection[int]
    carrying: Mapping[str, Collection[int]]
    names: Mapping[int, str]
    dark: Collection[int]
    troubles: Sequence[Trouble]


def four_answers(facts: Facts) -> list[Answer]:
    """Return the four answers, in the order in which they are asked."""
    return [_nodes(facts), _thermal(facts), _models(facts), _drift(facts)]


def _nodes(facts: Facts) -> Answer:
    found = _of_nodes(facts, NODES)
    lost = facts.nodes.keys() - set(facts.heard)
    degraded = _named(found) & facts.nodes.keys() - lost
    detail = details(
        [(len(degraded), "degraded", "degraded"), (len(lost), "out of contact", "out of contact")],
        none="every one reporting",
    )
    good = len(facts.nodes) - len(lost) - len(degraded)
    return _answer("Nodes healthy", good, len(facts.nodes), detail, found, bool(lost))


def _thermal(facts: Facts) -> Answer:
    found = [trouble for trouble in _of_kinds(facts, THERMAL) if trouble.site_id in facts.names]
    outside = {trouble.site_id for trouble in found}
    unknown = set(facts.dark) & facts.names.keys() - outside
    who = facts.names[min(outside)] if len(outside) == 1 else f"{len(outside)} sites"
    parts = [f"{who} outside the limits"] if outside else []
    parts += [f"{len(unknown)} unknown"] if unknown else []
    detail = ", ".join(parts) or "all inside their limits"
    good = len(facts.names) - len(outside) - len(unknown)
    return _answer("Thermal envelope safe", good, len(facts.names), detail, found, bool(unknown))


def _models(facts: Facts) -> Answer:
    found = _of_nodes(facts, MODELS)
    carried = _carried(facts, "model", found)
    parts = [(carried.wrong, "node differs or fails", "nodes differ or fail")]
    return carried.answer("Models right and responding", parts, none="all as desired")


def _drift(facts: Facts) -> Answer:
    found = _of_nodes(facts, DRIFT)
    carried = _carried(facts, "config", found)
    parts = [(carried.wrong, "node differs", "nodes differ")]
    parts.append((len(found) if len(found) > 1 else 0, "difference", "differences"))
    return carried.answer("On standard configuration", parts, none="no difference")


@dataclass(frozen=True, slots=True)
class _Carried:
    """How the nodes stand that report models, or configuration; other nodes do not count."""

    total: int
    wrong: int
    lost: int
    found: Sequence[Trouble]

    def answer(self, question: str, parts: list[tuple[int, str, str]], *, none: str) -> Answer:
        parts = [*parts, (self.lost, "not heard from", "not heard from")]
        detail = details(parts, none=none if self.total else "nothing reported yet")
        good = self.total - self.wrong - self.lost
        return _answer(question, good, self.total, detail, self.found, bool(self.lost))


def _carried(facts: Facts, item: str, found: Sequence[Trouble]) -> _Carried:
    carrying = set(facts.carrying.get(item, ())) & facts.nodes.keys()
    wrong = _named(found) & carrying
    lost = carrying - wrong - set(facts.heard)
    return _Carried(total=len(carrying), wrong=len(wrong), lost=len(lost), found=found)


def _answer(
    question: str, good: int, total: int, detail: str, found: Sequence[Trouble], is_unsure: bool
) -> Answer:
    worst = min((trouble.severity for trouble in found), default=0)
    state = f"p{worst}" if worst else "stale" if is_unsure else ""
    return Answer(question, good, total, detail, state)


def _of_kinds(facts: Facts, kinds: Collection[str]) -> list[Trouble]:
    return [trouble for trouble in facts.troubles if trouble.kind in kinds]


def _of_nodes(facts: Facts, kinds: Collection[str]) -> list[Trouble]:
    """Return the troubles that name nodes; one of the site alone changes no node's answer."""
    return [trouble for trouble in _of_kinds(facts, kinds) if trouble.node_ids]


def _named(found: Iterable[Trouble]) -> set[int]:
    return {node_id for trouble in found for node_id in trouble.node_ids}
