"""Models and configuration of one site: what should be there against what its nodes report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from django.conf import settings

from fleet.models import DesiredState, Node, ReportedState
from fleet.models.desired import ItemKind
from fleet.selectors import Wishes, desired_states_for, earlier_digests, reported_states_of
from telemetry.detectors import model
from telemetry.detectors.detection import Detection
from telemetry.drift import compare
from telemetry.jobs.memory import Changes, Memory

#: A new version is on its way for so long before nodes that lack it are told of, in seconds.
ROLLOUT_SECONDS = 900.0
#: A rollout that should have ended is called stuck for so long; afterwards the node is behind.
STUCK_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class States:
    """Everything desired of and reported by one site's watched nodes.

    `wishes` is by node id; `earlier` maps a desired state's id to the digests before it, newest
    first, for those that some node does not match.
    """

    nodes: Mapping[int, Node]
    wishes: Mapping[int, Wishes]
    reports: Sequence[ReportedState]
    earlier: Mapping[int, tuple[str, ...]]

    def wish_for(self, report: ReportedState) -> DesiredState | None:
        """Return what the reported item should be, None when nobody said so."""
        return self.wishes[report.node_id].get((report.kind, report.name))


def load_states(*, nodes: Collection[Node]) -> States:
    """Load all of it; two queries, three where something differs."""
    wishes = desired_states_for(nodes=nodes)
    loaded = States({node.pk: node for node in nodes}, wishes, reported_states_of(nodes=nodes), {})
    differing = {
        wish.pk: wish
        for report in loaded.reports
        if (wish := loaded.wish_for(report)) is not None and wish.digest != report.digest
    }
    if not differing:
        return loaded
    return replace(loaded, earlier=earlier_digests(states=differing.values()))


def judge_models(states: States, memory: Memory, now: datetime) -> list[Detection]:
    """Judge the models, those that are wished for one role by themselves."""
    by_role: dict[str, dict[str, DesiredState]] = {}
    for wishes in states.wishes.values():
        for wish in wishes.values():
            if wish.kind == ItemKind.MODEL:
                by_role.setdefault(wish.role, {})[wish.name] = wish
    detections: list[Detection] = []
    after: dict[str, model.ModelState] = {}
    for role in sorted(by_role.keys() | memory.models.keys()):
        wished = by_role.get(role, {}).values()
        after[role], found = model.judge_models(
            [
                model.Desired(wish.name, wish.version, wish.digest, wish.is_pinned)
                for wish in wished
            ],
            _reported_models(states, role),
            now=now.timestamp(),
            rolling=_rolling_models(wished, states),
            state=memory.models.get(role, {}),
        )
        detections += [_of_role(detection, role) for detection in found]
    memory.models = {role: state for role, state in after.items() if state}
    return detections


def judge_drift(
    states: States, memory: Memory, now: datetime, *, open_fingerprints: Collection[str]
) -> list[Detection]:
    """Judge the configuration items; `open_fingerprints` are those of open drift findings."""
    reported = [
        compare.Reported(
            node=states.nodes[report.node_id].name,
            item=report.name,
            digest=report.digest,
            observed_at=report.observed_at.timestamp(),
            state=cast(Literal["ready", "loading", "absent", "failed"], report.state),
        )
        for report in states.reports
        if report.kind == ItemKind.CONFIG
    ]
    desired = [
        _desired_item(wish, states.nodes[node_id].name, states, now)
        for node_id, wishes in states.wishes.items()
        for wish in wishes.values()
        if wish.kind == ItemKind.CONFIG
    ]
    return compare.detect_drift(
        desired,
        reported,
        _histories(reported, memory, now),
        now=now.timestamp(),
        open_fingerprints=open_fingerprints,
    )


def _reported_models(states: States, role: str) -> list[model.Reported]:
    """Return what nodes say of the models that are wished for `role` ("" for every role)."""
    return [
        model.Reported(
            node=states.nodes[report.node_id].name,
            name=report.name,
            version=report.version,
            digest=report.digest,
            state=cast(Literal["ready", "loading", "absent", "failed"], report.state),
            observed_at=report.observed_at.timestamp(),
        )
        for report in states.reports
        if report.kind == ItemKind.MODEL
        and (wish := states.wish_for(report)) is not None
        and wish.role == role
    ]


def _rolling_models(wished: Collection[DesiredState], states: States) -> list[model.Rolling]:
    return [
        model.Rolling(wish.name, earlier[0], wish.digest, _rollout_deadline(wish))
        for wish in wished
        if (earlier := states.earlier.get(wish.pk))
    ]


def _of_role(detection: Detection, role: str) -> Detection:
    """Tell a finding of one role apart: two roles may differ from their wishes in one way."""
    if not role:
        return detection
    return replace(
        detection,
        fingerprint=f"{detection.fingerprint}/{role}",
        evidence={**detection.evidence, "role": role},
    )


def _desired_item(wish: DesiredState, node: str, states: States, now: datetime) -> compare.Desired:
    earlier = states.earlier.get(wish.pk, ())
    deadline = _rollout_deadline(wish)
    rollout = None
    if earlier and now.timestamp() < deadline + STUCK_SECONDS:
        rollout = compare.Rollout(earlier[0], wish.digest, deadline)
    return compare.Desired(
        item=wish.name, digest=wish.digest, node=node, known_digests=earlier, rollout=rollout
    )


def _rollout_deadline(wish: DesiredState) -> float:
    """Return until when the version before is right as well, in epoch seconds."""
    return wish.created_at.timestamp() + ROLLOUT_SECONDS * settings.HEARTHWATCH_HOLD_SCALE


def _histories(
    reported: Sequence[compare.Reported], memory: Memory, now: datetime
) -> dict[tuple[str, str], Changes]:
    """Note whose digest changed, and return the changes of each node's items, oldest first.

    The first digest ever seen of an item is no change, so that a file that is put right is right
    at once; only one that changes to and fro flaps. Scaled like every other hold.
    """
    span = compare.FLAPPING_SPAN_SECONDS * settings.HEARTHWATCH_HOLD_SCALE
    histories: dict[tuple[str, str], Changes] = {}
    digests: dict[str, dict[str, tuple[str, Changes]]] = {}
    for report in reported:
        actual = compare.ABSENT if report.state == "absent" else report.digest
        last, changes = memory.digests.get(report.node, {}).get(report.item, (actual, []))
        kept = [change for change in changes if change[0] >= now.timestamp() - span]
        if actual and last and actual != last:
            kept.append((report.observed_at, actual))
        digests.setdefault(report.node, {})[report.item] = (actual or last, kept)
        histories[report.node, report.item] = kept
    memory.digests = digests
    return histories
