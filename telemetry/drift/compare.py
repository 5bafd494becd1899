"""The verdict on every configuration item of every node: desired against reported.

Only a verdict that somebody should look at becomes a detection, and one a difference, not one a
node. What is not reported or not desired is no difference. Nothing is remembered: the caller
passes the fingerprints that are open.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from telemetry.detectors.detection import HIGH, LOW, Detection, Json, spell_nodes, spell_seconds

FLAPPING_SPAN_SECONDS = 3600.0
#: Stands for the digest of an item that is not there.
ABSENT = "absent"
KIND = "config.drift"
#: So much of a digest tells two contents apart in a fingerprint and in a sentence.
_SHOWN_DIGEST = 12
#: Items by which somebody gets in; a path is judged by its parts.
_SECURITY_PARTS = frozenset(
    {"authorized_keys", "hosts.allow", "hosts.deny", "pam.d", "passwd", "shadow"}
    | {"sshd_config", "sshd_config.d", "sudoers", "sudoers.d"}
)

#: When an item of a node changed, and to what: `(epoch seconds, digest)`, oldest first.
History = Sequence[tuple[float, str]]


class Standing(StrEnum):
    """Where an item stands, least alarming first."""

    UNKNOWN = "unknown"
    UNASSIGNED = "unassigned"
    IN_SYNC = "in_sync"
    IN_SYNC_WAIVED = "in_sync_waived"
    ROLLING = "rolling"
    STUCK_ROLLOUT = "stuck_rollout"
    BEHIND = "behind"
    APPLY_FAILED = "apply_failed"
    FLAPPING = "flapping"
    DRIFTED = "drifted"

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look."""
        return self in _FINDINGS


_LADDER = list(Standing)
_FINDINGS = frozenset(_LADDER[_LADDER.index(Standing.STUCK_ROLLOUT) :])


@dataclass(frozen=True, slots=True)
class Waiver:
    """One content that is accepted until `expires_at` (epoch seconds) although it differs."""

    digest: str
    expires_at: float
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """A change on its way: until `deadline` (epoch seconds) both contents are right."""

    from_digest: str
    to_digest: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Desired:
    """What an item should be, on one node or, with `node` None, on every node of the site.

    `known_digests` are those it should have been before. `is_security` makes a difference
    urgent enough to be high; names such as `sshd_config` are so without being told.
    """

    item: str
    digest: str
    node: str | None = None
    known_digests: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    rollout: Rollout | None = None
    is_security: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """What a node last said of an item; an empty `digest` of an item that is there is unknown."""

    node: str
    item: str
    digest: str
    observed_at: float
    state: Literal["ready", "loading", "absent", "failed"] = "ready"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where one item of one node stands; `actual_digest` is the one that differs, if one does."""

    standing: Standing
    actual_digest: str
    desired_digest: str
    reason: str


def judge(
    desired: Desired | None,
    reported: Reported | None,
    history: History,
    now: float,
    *,
    stale_after_seconds: float = math.inf,
) -> Verdict:
    """Return where one item of one node stands at `now` (epoch seconds).

    `history` is what was reported of it lately; what is older than an hour is not looked at. A
    report older than `stale_after_seconds` is unknown.
    """
    actual = "" if reported is None else _actual(reported)
    wanted = "" if desired is None else desired.digest
    if reported is None or not actual:
        return Verdict(Standing.UNKNOWN, "", wanted, "the node has not reported it")
    age = now - reported.observed_at
    if age > stale_after_seconds:
        reason = f"the last report is {spell_seconds(age)} old"
        return Verdict(Standing.UNKNOWN, actual, wanted, reason)
    if desired is None or not wanted:
        return Verdict(Standing.UNASSIGNED, actual, "", "nothing is desired for it")
    return (
        _in_rollout(desired, actual, now)
        or _flapping(desired, actual, history, now)
        or _settled(desired, reported, actual, now)
    )


def detect_drift(
    desired: Sequence[Desired],
    reported: Sequence[Reported],
    histories: Mapping[tuple[str, str], History],
    *,
    now: float,
    open_fingerprints: Collection[str],
    stale_after_seconds: float = math.inf,
) -> list[Detection]:
    """Return one detection for each difference of one site, and an end for each that is gone.

    `histories` maps `(node, item)`. A difference is an item and the digest it has instead; its
    nodes stand in the evidence. Differences that go on are told on every call. One of which only
    old reports speak is neither told nor ended: silence is no proof.
    """
    wanted = {(want.node, want.item): want for want in desired}
    found: dict[str, list[tuple[Reported, Verdict]]] = {}
    held: set[str] = set()
    for report in sorted(reported, key=lambda report: (report.item, report.node)):
        want = wanted.get((report.node, report.item)) or wanted.get((None, report.item))
        history = histories.get((report.node, report.item), ())
        verdict = judge(want, report, history, now, stale_after_seconds=stale_after_seconds)
        fingerprint = _fingerprint(report.item, verdict.actual_digest)
        if verdict.standing.is_finding:
            found.setdefault(fingerprint, []).append((report, verdict))
        elif verdict.standing is Standing.UNKNOWN and want is not None:
            held.add(fingerprint)
    secured = {want.item for want in desired if want.is_security}
    ended = [
        _over(fingerprint, secured, now)
        for fingerprint in sorted(open_fingerprints)
        if fingerprint not in found and fingerprint not in held
    ]
    return ended + [_difference(key, cases, secured, now) for key, cases in sorted(found.items())]


def is_security_item(item: str) -> bool:
    """Return whether an item decides who gets in, by the parts of its path."""
    return not _SECURITY_PARTS.isdisjoint(item.lower().split("/"))


def _actual(reported: Reported) -> str:
    return ABSENT if reported.state == "absent" else reported.digest


def _in_sync(desired: Desired) -> Verdict:
    return Verdict(Standing.IN_SYNC, desired.digest, desired.digest, "it is what it should be")


def _in_rollout(desired: Desired, actual: str, now: float) -> Verdict | None:
    rollout = desired.rollout
    if rollout is None or actual not in (rollout.from_digest, rollout.to_digest):
        return None
    left = rollout.deadline - now
    if actual == desired.digest:
        return _in_sync(desired) if left > 0 else None
    if left > 0:
        reason = f"a rollout is on its way, {spell_seconds(left)} left"
        return Verdict(Standing.ROLLING, actual, desired.digest, reason)
    reason = f"its rollout should have ended {spell_seconds(-left)} ago"
    return Verdict(Standing.STUCK_ROLLOUT, actual, desired.digest, reason)


def _flapping(desired: Desired, actual: str, history: History, now: float) -> Verdict | None:
    """Return FLAPPING when the item left its present content and came back within the hour."""
    since = now - FLAPPING_SPAN_SECONDS
    recent = [digest for at, digest in history if digest and since <= at <= now]
    if actual not in recent:
        return None
    others = [digest for digest in recent[recent.index(actual) :] if digest != actual]
    if not others:
        return None
    # The same name whichever of the two it is just now, so that one finding stays one.
    culprit = actual if actual != desired.digest else others[-1]
    reason = "it changes back and forth: two managers may be fighting over it"
    return Verdict(Standing.FLAPPING, culprit, desired.digest, reason)


def _settled(desired: Desired, reported: Reported, actual: str, now: float) -> Verdict:
    if actual == desired.digest:
        return _in_sync(desired)
    for waiver in desired.waivers:
        if (
            waiver.digest == actual
            and now < waiver.expires_at
            and waiver.node in (None, reported.node)
        ):
            reason = f"the difference is waived for {spell_seconds(waiver.expires_at - now)} more"
            return Verdict(Standing.IN_SYNC_WAIVED, actual, desired.digest, reason)
    if reported.state == "failed":
        standing, reason = Standing.APPLY_FAILED, "the node tried to apply it and failed"
    elif actual in desired.known_digests:
        standing, reason = Standing.BEHIND, "it is an older version of what it should be"
    elif actual == ABSENT:
        standing, reason = Standing.DRIFTED, "it is missing"
    else:
        standing, reason = Standing.DRIFTED, "it was changed to something nobody asked for"
    return Verdict(standing, actual, desired.digest, reason)


def _difference(
    fingerprint: str,
    cases: Sequence[tuple[Reported, Verdict]],
    secured: Collection[str],
    now: float,
) -> Detection:
    # Nodes with one difference may stand on different rungs; the most alarming one speaks.
    first, worst = max(cases, key=lambda case: _LADDER.index(case[1].standing))
    nodes = [report.node for report, _ in cases]
    summary = (
        f"{first.item} is {_short(worst.actual_digest)} on {spell_nodes(nodes)}, desired "
        f"{_short(worst.desired_digest)}: {worst.reason}"
    )
    evidence: dict[str, Json] = {
        "item": first.item,
        "standing": worst.standing.value,
        "nodes": nodes,
        "standings": {report.node: verdict.standing.value for report, verdict in cases},
        "actual_digest": worst.actual_digest,
        "desired_digest": worst.desired_digest,
        "observed_at": max(report.observed_at for report, _ in cases),
    }
    severity = _severity(first.item, secured)
    return Detection(KIND, fingerprint, True, severity, now, None, summary, evidence)


def _over(fingerprint: str, secured: Collection[str], now: float) -> Detection:
    item, _, digest = fingerprint.removeprefix(f"{KIND}/").rpartition("/")
    summary = f"{item} is {digest} nowhere any more against the site's wish"
    severity = _severity(item, secured)
    return Detection(KIND, fingerprint, False, severity, now, None, summary, {"item": item})


def _severity(item: str, secured: Collection[str]) -> int:
    return HIGH if item in secured or is_security_item(item) else LOW


def _fingerprint(item: str, digest: str) -> str:
    return f"{KIND}/{item}/{_short(digest)}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHOWN_DIGEST]
