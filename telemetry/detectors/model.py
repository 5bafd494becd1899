"""Models: what a site should run against what its nodes say they run.

Digests are compared, never tags: the same tag over another digest is the worst case, not the
best. One finding a difference and site, with the nodes in its evidence. What a node does not
report is unknown, and unknown is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from telemetry.detectors.detection import HIGH, URGENT, Detection, Json, spell_nodes

#: So much of a digest tells two models apart in a fingerprint and in a sentence.
_SHOWN_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Desired:
    """A model a site should run; a pinned one must be loaded at all times."""

    name: str
    version: str
    digest: str
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class Reported:
    """What one node last said of one model; `observed_at` in epoch seconds, `digest` "" unknown."""

    node: str
    name: str
    version: str
    digest: str
    state: Literal["ready", "loading", "absent", "failed"]
    observed_at: float


@dataclass(frozen=True, slots=True)
class Rolling:
    """A rollout of one model: until `deadline` (epoch seconds) both digests are right."""

    name: str
    from_digest: str
    to_digest: str
    deadline: float


class OpenFinding(TypedDict):
    """What was last said of an open finding."""

    severity: int
    nodes: list[str]
    summary: str


ModelState = dict[str, OpenFinding]


def judge_models(
    desired: Sequence[Desired],
    reported: Sequence[Reported],
    *,
    now: float,
    rolling: Sequence[Rolling] = (),
    state: ModelState,
) -> tuple[ModelState, list[Detection]]:
    """Judge all models of one site; `state` maps open fingerprints, `{}` to begin with.

    `reported` is the last word of every node about every model, also of nodes that are silent
    now: what was wrong stays wrong until somebody says otherwise. Of two words of one node about
    one model the later counts. A detection comes when a finding begins, changes or ends; a model
    that is loading ends none, so that one which fails over and over is one finding.
    """
    wanted = {model.name: model for model in desired}
    rollouts = {rollout.name: rollout for rollout in rolling if now < rollout.deadline}
    cases: dict[str, list[Reported]] = {}
    held: list[str] = []
    for word in _last_words(reported):
        model, rollout = wanted.get(word.name), rollouts.get(word.name)
        if model is None:
            continue
        if word.state == "loading":
            held += _open_for(word, state)
        elif _is_failing(word, model, rollout):
            cases.setdefault(f"model.failing/{word.name}", []).append(word)
        elif _differs(word, model, rollout):
            key = f"model.mismatch/{word.name}/{_short(word.digest)}"
            cases.setdefault(key, []).append(word)
    firing = {key: _describe(key, cases[key], wanted, now) for key in sorted(cases)}
    after: ModelState = {key: state[key] for key in held}
    after |= {key: _remembered(found, cases[key]) for key, found in firing.items()}
    ended = [_over(key, state[key], now) for key in sorted(state) if key not in after]
    changed = [found for key, found in firing.items() if after[key] != state.get(key)]
    return after, ended + changed


def _remembered(found: Detection, words: Sequence[Reported]) -> OpenFinding:
    return {"severity": found.severity, "nodes": _names(words), "summary": found.summary}


def _describe(
    fingerprint: str, words: Sequence[Reported], wanted: dict[str, Desired], now: float
) -> Detection:
    model = wanted[words[0].name]
    if fingerprint.startswith("model.failing/"):
        return _failure(fingerprint, words, model, now)
    return _mismatch(fingerprint, words, model, now)


def _open_for(word: Reported, state: ModelState) -> list[str]:
    """Return the open findings about the word's model that name its node."""
    failing, mismatch = f"model.failing/{word.name}", f"model.mismatch/{word.name}"
    return [
        key
        for key, finding in state.items()
        # The name may hold slashes itself, so the digest is cut off from the right.
        if word.node in finding["nodes"] and (key == failing or key.rpartition("/")[0] == mismatch)
    ]


def _last_words(reported: Sequence[Reported]) -> list[Reported]:
    newest: dict[tuple[str, str], Reported] = {}
    for word in reported:
        key = (word.node, word.name)
        if key not in newest or word.observed_at >= newest[key].observed_at:
            newest[key] = word
    return [newest[key] for key in sorted(newest)]


def _is_failing(word: Reported, model: Desired, rollout: Rolling | None) -> bool:
    if not model.is_pinned:
        return False
    # While a rollout swaps one for the other, neither is loaded for a moment.
    return word.state == "failed" or (word.state == "absent" and rollout is None)


def _differs(word: Reported, model: Desired, rollout: Rolling | None) -> bool:
    if word.state != "ready" or not word.digest or not model.digest:
        return False
    actual = _plain(word.digest)
    right = {_plain(model.digest)}
    if rollout is not None:
        right |= {_plain(rollout.from_digest), _plain(rollout.to_digest)}
    return actual not in right


def _mismatch(fingerprint: str, words: Sequence[Reported], model: Desired, now: float) -> Detection:
    actual = words[0].digest
    is_same_tag = any(word.version and word.version == model.version for word in words)
    summary = f"Model {model.name} runs digest {_short(actual)} on {spell_nodes(_names(words))}"
    if is_same_tag:
        summary += (
            f", desired {_short(model.digest)}: same tag, other digest (version {model.version})"
        )
    else:
        summary += f", desired {_short(model.digest)} (version {model.version or 'not stated'})"
    evidence: dict[str, Json] = {
        "model": model.name,
        "nodes": _names(words),
        "actual_digest": actual,
        "actual_versions": sorted({word.version for word in words}),
        "desired_digest": model.digest,
        "desired_version": model.version,
        "is_same_tag": is_same_tag,
        "observed_at": max(word.observed_at for word in words),
    }
    severity = URGENT if is_same_tag else HIGH
    return Detection("model.mismatch", fingerprint, True, severity, now, None, summary, evidence)


def _failure(fingerprint: str, words: Sequence[Reported], model: Desired, now: float) -> Detection:
    failed = [word for word in words if word.state == "failed"]
    absent = [word for word in words if word.state == "absent"]
    parts = [
        f"{verb} on {spell_nodes(_names(some))}"
        for verb, some in (("failed", failed), ("is not loaded", absent))
        if some
    ]
    summary = f"Pinned model {model.name} {' and '.join(parts)}"
    evidence: dict[str, Json] = {
        "model": model.name,
        "nodes": _names(words),
        "failed": _names(failed),
        "absent": _names(absent),
        "desired_digest": model.digest,
        "desired_version": model.version,
        "observed_at": max(word.observed_at for word in words),
    }
    return Detection("model.failing", fingerprint, True, HIGH, now, None, summary, evidence)


def _over(fingerprint: str, before: OpenFinding, now: float) -> Detection:
    kind, _, subject = fingerprint.partition("/")
    name = subject.rpartition("/")[0] if kind == "model.mismatch" else subject
    digest = subject.rpartition("/")[2]
    summary = f"Model {name} no longer fails or lacks where it is pinned"
    if kind == "model.mismatch":
        summary = f"Model {name} no longer runs digest {digest} against the site's wish"
    evidence: dict[str, Json] = {"model": name, "nodes": before["nodes"]}
    return Detection(kind, fingerprint, False, before["severity"], now, None, summary, evidence)


def _names(words: Sequence[Reported]) -> list[str]:
    return [word.node for word in words]


def _plain(digest: str) -> str:
    """Return the digest without what runtimes write differently: case and the usual algorithm."""
    return digest.strip().lower().removeprefix("sha256:")


def _short(digest: str) -> str:
    return _plain(digest)[:_SHOWN_DIGEST]
