"""Models that should run against models that do, by digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.detectors.model import Desired, ModelState, Reported, Rolling, judge_models

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
RIGHT, WRONG, OLD = ("sha256:" + letter * 64 for letter in "abc")
LLAMA = Desired("llama", "1.2", RIGHT, is_pinned=True)
SPARE = Desired("llama", "1.2", RIGHT, is_pinned=False)


def word(digest=RIGHT, *, node="node-a", version="1.2", state="ready", at=NOON, name="llama"):
    return Reported(node, name, version, digest, state, at)


def judge(*words, desired=(LLAMA,), state=None, now=NOON, **options):
    start: ModelState = {} if state is None else state
    return judge_models(desired, words, now=now, state=start, **options)


def told(detections):
    return [(found.fingerprint, found.is_firing, found.severity) for found in detections]


def test_the_right_digest_is_no_finding_whatever_its_tag():
    assert judge(word(), word(version="latest", node="node-b"))[1] == []


def test_a_digest_is_the_same_with_and_without_its_algorithm():
    assert judge(word("A" * 64))[1] == []


def test_the_same_tag_over_another_digest_is_urgent():
    _, [found] = judge(word(WRONG))
    assert told([found]) == [("model.mismatch/llama/bbbbbbbbbbbb", True, 1)]
    assert found.kind == "model.mismatch"
    assert found.node is None
    assert found.summary == (
        "Model llama runs digest bbbbbbbbbbbb on node-a, desired aaaaaaaaaaaa: "
        "same tag, other digest (version 1.2)"
    )


def test_another_version_is_high():
    _, [found] = judge(word(OLD, version="1.1"))
    assert told([found]) == [("model.mismatch/llama/cccccccccccc", True, 2)]


def test_one_difference_is_one_finding_with_its_nodes():
    names = ["node-a", "node-b", "node-c", "node-d", "node-e"]
    words = [word(OLD, version="1.1", node=node) for node in names]
    _, detections = judge(*words, word(WRONG, node="node-f"))
    assert [found.evidence["nodes"] for found in detections] == [["node-f"], names]
    assert "on node-a, node-b, node-c and 2 more" in detections[1].summary


def test_what_is_not_reported_is_no_finding():
    assert judge()[1] == []
    assert judge(word(""), word(name="other"))[1] == []


def test_what_nobody_desires_is_no_finding():
    assert judge(word(WRONG), desired=())[1] == []
    assert judge(word(WRONG), desired=[Desired("llama", "1.2", "", is_pinned=True)])[1] == []


def test_a_pinned_model_that_failed_or_is_absent_is_failing():
    _, [found] = judge(word(state="failed"), word("", node="node-b", state="absent"))
    assert told([found]) == [("model.failing/llama", True, 2)]
    assert found.summary == "Pinned model llama failed on node-a and is not loaded on node-b"


def test_a_model_that_is_not_pinned_may_be_absent():
    assert judge(word(state="absent"), word(state="failed"), desired=[SPARE])[1] == []


def test_a_finding_is_told_again_only_when_it_changed():
    state, _ = judge(word(WRONG))
    state, same = judge(word(WRONG, at=NOON + 60), state=state)
    state, more = judge(word(WRONG), word(WRONG, node="node-b"), state=state)
    assert same == []
    assert [found.evidence["nodes"] for found in more] == [["node-a", "node-b"]]


def test_a_finding_ends_when_no_node_runs_the_digest_any_more():
    state, _ = judge(word(WRONG), word(node="node-b", state="failed"))
    state, detections = judge(word(), word(node="node-b"), state=state)
    assert told(detections) == [
        ("model.failing/llama", False, 2),
        ("model.mismatch/llama/bbbbbbbbbbbb", False, 1),
    ]
    assert state == {}


def test_the_later_word_of_a_node_counts():
    assert judge(word(at=NOON), word(WRONG, at=NOON - 60))[1] == []


def test_a_model_that_fails_over_and_over_is_one_finding():
    state, [began] = judge(word(state="failed"))
    state, loading = judge(word(state="loading"), state=state)
    state, failed = judge(word(state="failed"), state=state)
    _, [over] = judge(word(), state=state)
    assert (loading, failed) == ([], [])
    assert (began.is_firing, over.is_firing) == (True, False)


def test_loading_holds_only_the_findings_that_name_the_node_and_the_model():
    long_name = Desired("llama/70b", "1", RIGHT, is_pinned=True)
    state, _ = judge(
        word(WRONG), word(name="llama/70b", state="failed"), desired=[LLAMA, long_name]
    )
    _, detections = judge(
        word(state="loading"), word(name="llama/70b"), desired=[LLAMA, long_name], state=state
    )
    assert told(detections) == [("model.failing/llama/70b", False, 2)]


def test_a_rollout_allows_both_digests_until_its_deadline():
    rolling = [Rolling("llama", OLD, RIGHT, NOON + 600)]
    words = [word(OLD, version="1.1"), word(node="node-b"), word(node="node-c", state="absent")]
    state, during = judge(*words, rolling=rolling)
    _, after = judge(*words, rolling=rolling, now=NOON + 600, state=state)
    assert during == []
    assert told(after) == [
        ("model.failing/llama", True, 2),
        ("model.mismatch/llama/cccccccccccc", True, 2),
    ]


def test_what_is_desired_stays_right_during_a_rollout_to_something_else():
    assert judge(word(), rolling=[Rolling("llama", OLD, WRONG, NOON + 600)])[1] == []


def test_a_rollout_excuses_neither_a_third_digest_nor_a_failure_nor_another_model():
    rolling = [Rolling("llama", OLD, RIGHT, NOON + 600)]
    _, detections = judge(word(WRONG), word(node="node-b", state="failed"), rolling=rolling)
    assert len(detections) == 2
    elsewhere = [Rolling("other", OLD, RIGHT, NOON + 600)]
    assert len(judge(word(OLD), rolling=elsewhere)[1]) == 1


WORDS = st.lists(
    st.builds(
        word,
        st.sampled_from([RIGHT, WRONG, OLD, ""]),
        node=st.sampled_from(["node-a", "node-b"]),
        version=st.sampled_from(["1.1", "1.2", ""]),
        state=st.sampled_from(["ready", "loading", "absent", "failed"]),
        at=st.floats(NOON - 60, NOON),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(looks=st.lists(WORDS, min_size=1, max_size=5))
def test_what_is_open_always_matches_the_state_and_a_second_look_adds_nothing(looks):
    state: ModelState = {}
    is_open: dict[str, bool] = {}
    for words in looks:
        state, detections = judge(*words, state=json.loads(json.dumps(state)))
        is_open |= {found.fingerprint: found.is_firing for found in detections}
        assert judge(*words, state=state) == (state, [])
    assert {name for name, firing in is_open.items() if firing} == set(state)
