"""One form for documents that mean the same."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.drift.canonical import NotCanonicalError, canonical_json, digest_bytes, digest_json


def test_bytes_get_a_sha256_digest():
    assert digest_bytes(b"abc") == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_line_ends_count_unless_told_otherwise():
    windows, unix, mac = b"a\r\nb\r\n", b"a\nb\n", b"a\rb\r"
    assert len({digest_bytes(windows), digest_bytes(unix), digest_bytes(mac)}) == 3
    assert (
        digest_bytes(windows, normalise_newlines=True)
        == digest_bytes(mac, normalise_newlines=True)
        == digest_bytes(unix)
    )


def test_keys_are_sorted_at_every_depth_and_text_is_utf_8():
    assert canonical_json({"b": [{"d": 1, "c": "é"}], "a": None}) == (
        '{"a":null,"b":[{"c":"é","d":1}]}'.encode()
    )


def test_equal_numbers_have_one_form():
    assert canonical_json([4.0, -0.0, 1e3, 0.5]) == b"[4,0,1000,0.5]"


def test_a_number_its_text_and_a_truth_differ():
    assert len({digest_json(value) for value in (1, "1", True, [1], None, "", {}, [])}) == 8


def test_lists_keep_their_order():
    assert digest_json([1, 2]) != digest_json([2, 1])


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, math.nan]}, "$.a[1]"),
        ([math.inf], "$[0]"),
        ({"a": {1: "x"}}, "$.a"),
        ({"a": b"x"}, "$.a"),
        ("\ud800", "$"),
        ({"\ud800": 1}, "$"),
        ({"a": {1, 2}}, "$.a"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value, path):
    with pytest.raises(NotCanonicalError) as caught:
        canonical_json(value)
    assert caught.value.path == path
    assert caught.value.code == "not_canonical"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(document=DOCUMENTS)
def test_the_form_is_json_that_means_the_same_and_is_its_own_form(document):
    form = canonical_json(document)
    assert json.loads(form) == document
    assert canonical_json(json.loads(form)) == form


@QUICK
@given(entries=st.dictionaries(TEXT, LEAVES, max_size=5), seed=st.randoms(use_true_random=False))
def test_the_order_in_which_keys_were_written_does_not_count(entries, seed):
    shuffled = list(entries.items())
    seed.shuffle(shuffled)
    assert digest_json(dict(shuffled)) == digest_json(entries)
