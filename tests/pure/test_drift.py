"""The verdict on configuration items, rung by rung, and what becomes a finding."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.drift.compare import (
    Desired,
    Reported,
    Rollout,
    Standing,
    Waiver,
    detect_drift,
    judge,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
RIGHT, WRONG, OLD = ("sha256:" + letter * 64 for letter in "abc")
MOTD = "/etc/motd"
SOON = Rollout(OLD, RIGHT, NOON + 600)
LATE = Rollout(OLD, RIGHT, NOON - 600)


def want(digest=RIGHT, item=MOTD, **options):
    return Desired(item, digest, **options)


def said(digest=RIGHT, *, node="node-a", item=MOTD, at=NOON, state="ready"):
    return Reported(node, item, digest, at, state)


def detect(desired, reported, *, histories=None, open_fingerprints=(), **options):
    return detect_drift(
        desired,
        reported,
        histories or {},
        now=NOON,
        open_fingerprints=open_fingerprints,
        **options,
    )


def told(detections):
    return [(found.fingerprint, found.is_firing, found.severity) for found in detections]


@pytest.mark.parametrize(
    ("desired", "reported", "history", "standing"),
    [
        (want(), None, [], Standing.UNKNOWN),
        (want(), said(""), [], Standing.UNKNOWN),
        (None, None, [], Standing.UNKNOWN),
        (None, said(WRONG), [], Standing.UNASSIGNED),
        (want(""), said(WRONG), [], Standing.UNASSIGNED),
        (want(), said(), [], Standing.IN_SYNC),
        (want(), said(state="failed"), [], Standing.IN_SYNC),
        (want(), said(WRONG), [], Standing.DRIFTED),
        (want(), said("", state="absent"), [], Standing.DRIFTED),
        (want(known_digests=(OLD,)), said(OLD), [], Standing.BEHIND),
        (want(known_digests=(OLD,)), said(OLD, state="failed"), [], Standing.APPLY_FAILED),
        (want(rollout=SOON), said(OLD), [], Standing.ROLLING),
        (want(rollout=SOON), said(), [], Standing.IN_SYNC),
        (want(rollout=SOON), said(WRONG), [], Standing.DRIFTED),
        (want(rollout=LATE), said(OLD), [], Standing.STUCK_ROLLOUT),
        (want(rollout=LATE), said(), [], Standing.IN_SYNC),
        (want(waivers=(Waiver(WRONG, NOON + 1),)), said(WRONG), [], Standing.IN_SYNC_WAIVED),
        (want(waivers=(Waiver(WRONG, NOON),)), said(WRONG), [], Standing.DRIFTED),
        (want(waivers=(Waiver(OLD, NOON + 1),)), said(WRONG), [], Standing.DRIFTED),
        (
            want(waivers=(Waiver(WRONG, NOON + 1, "node-b"),)),
            said(WRONG),
            [],
            Standing.DRIFTED,
        ),
        (want(), said(), [(NOON - 900, RIGHT), (NOON - 60, WRONG)], Standing.FLAPPING),
        (want(), said(WRONG), [(NOON - 900, WRONG), (NOON - 60, RIGHT)], Standing.FLAPPING),
        (want(), said(), [(NOON - 900, WRONG), (NOON - 60, RIGHT)], Standing.IN_SYNC),
        (want(), said(), [(NOON - HOUR - 1, RIGHT), (NOON - 60, WRONG)], Standing.IN_SYNC),
        (
            want(rollout=SOON),
            said(OLD),
            [(NOON - 900, OLD), (NOON - 60, RIGHT)],
            Standing.ROLLING,
        ),
        (
            want(rollout=LATE),
            said(),
            [(NOON - 900, RIGHT), (NOON - 60, WRONG)],
            Standing.FLAPPING,
        ),
    ],
)
def test_every_case_stands_on_its_rung(desired, reported, history, standing):
    assert judge(desired, reported, history, NOON).standing is standing


def test_an_old_report_is_unknown_not_drifted():
    report = said(WRONG, at=NOON - 601)
    assert judge(want(), report, [], NOON, stale_after_seconds=600).standing is Standing.UNKNOWN
    assert judge(want(), report, [], NOON, stale_after_seconds=700).standing is Standing.DRIFTED


def test_the_verdict_says_why():
    verdict = judge(want(rollout=LATE), said(OLD), [], NOON)
    assert verdict.reason == "its rollout should have ended 10 min ago"


def test_the_standings_are_words_a_database_can_keep():
    assert [standing.value for standing in Standing] == [
        "unknown",
        "unassigned",
        "in_sync",
        "in_sync_waived",
        "rolling",
        "stuck_rollout",
        "behind",
        "apply_failed",
        "flapping",
        "drifted",
    ]


def test_one_difference_is_one_finding_with_its_nodes():
    reports = [said(WRONG, node=node) for node in ("node-c", "node-a")] + [said(node="node-b")]
    [found] = detect([want()], reports)
    assert told([found]) == [("config.drift//etc/motd/bbbbbbbbbbbb", True, 3)]
    assert found.kind == "config.drift"
    assert found.node is None
    assert found.evidence["nodes"] == ["node-a", "node-c"]
    assert found.summary == (
        "/etc/motd is bbbbbbbbbbbb on node-a and node-c, desired aaaaaaaaaaaa: "
        "it was changed to something nobody asked for"
    )


def test_the_most_alarming_rung_speaks_for_a_difference():
    reports = [said(OLD), said(OLD, node="node-b", state="failed"), said(OLD, node="node-c")]
    [found] = detect([want(known_digests=(OLD,))], reports)
    assert found.evidence["standing"] == "apply_failed"
    assert found.evidence["standings"] == {
        "node-a": "behind",
        "node-b": "apply_failed",
        "node-c": "behind",
    }


@pytest.mark.parametrize(
    ("item", "severity"),
    [
        ("/etc/ssh/sshd_config", 2),
        ("/home/ops/.ssh/authorized_keys", 2),
        ("/etc/sudoers.d/ops", 2),
        ("/etc/motd", 3),
        ("/srv/sshd_config_notes", 3),
    ],
)
def test_items_by_which_somebody_gets_in_are_high(item, severity):
    [found] = detect([want(item=item)], [said(WRONG, item=item)])
    assert found.severity == severity


def test_any_item_can_be_marked_as_security():
    [found] = detect([want(is_security=True)], [said(WRONG)])
    assert found.severity == 2


def test_a_wish_for_one_node_goes_before_the_wish_for_all():
    desired = [want(), want(WRONG, node="node-a")]
    [found] = detect(desired, [said(WRONG), said(WRONG, node="node-b")])
    assert found.evidence["nodes"] == ["node-b"]


def test_what_is_unreported_undesired_waived_or_rolling_is_no_finding():
    desired = [
        want(),
        want(item="waived", waivers=(Waiver(WRONG, NOON + 1),)),
        want(item="rolling", rollout=SOON),
        want(item="unheard"),
    ]
    reports = [
        said(""),
        said(WRONG, item="waived"),
        said(OLD, item="rolling"),
        said(WRONG, item="undesired"),
    ]
    assert detect(desired, reports) == []


def test_a_difference_that_is_gone_ends_its_finding():
    key = "config.drift//etc/motd/bbbbbbbbbbbb"
    [found] = detect([want()], [said()], open_fingerprints=[key])
    assert told([found]) == [(key, False, 3)]
    assert found.evidence == {"item": MOTD}


def test_silence_ends_no_finding():
    key = "config.drift//etc/motd/bbbbbbbbbbbb"
    old = [said(WRONG, at=NOON - 900)]
    assert detect([want()], old, open_fingerprints=[key], stale_after_seconds=600) == []
    assert told(detect([], old, open_fingerprints=[key], stale_after_seconds=600)) == [
        (key, False, 3)
    ]


def test_a_flapping_item_keeps_one_fingerprint():
    swings = {
        RIGHT: [(NOON - 900, RIGHT), (NOON - 60, WRONG)],
        WRONG: [(NOON - 900, WRONG), (NOON - 60, RIGHT)],
    }
    found = [
        detect([want()], [said(digest)], histories={("node-a", MOTD): history})[0]
        for digest, history in swings.items()
    ]
    assert {detection.fingerprint for detection in found} == {"config.drift//etc/motd/bbbbbbbbbbbb"}
    assert {detection.evidence["standing"] for detection in found} == {"flapping"}


DIGESTS = st.sampled_from([RIGHT, WRONG, OLD, ""])
HISTORIES = st.lists(st.tuples(st.floats(NOON - 2 * HOUR, NOON), DIGESTS), max_size=5).map(sorted)


@settings(max_examples=60, deadline=None)
@given(
    digests=st.lists(DIGESTS, max_size=4),
    history=HISTORIES,
    before=st.sets(st.sampled_from([f"config.drift/{MOTD}/{d[7:19]}" for d in (WRONG, OLD)])),
)
def test_every_open_difference_is_told_or_ended_and_never_both(digests, history, before):
    reports = [said(digest, node=f"node-{n}") for n, digest in enumerate(digests)]
    detections = detect(
        [want()], reports, histories={("node-0", MOTD): history}, open_fingerprints=before
    )
    firing = {found.fingerprint for found in detections if found.is_firing}
    ended = {found.fingerprint for found in detections if not found.is_firing}
    assert ended == before - firing
    assert len(detections) == len(firing) + len(ended)
    assert all(RIGHT[7:19] not in fingerprint for fingerprint in firing)
