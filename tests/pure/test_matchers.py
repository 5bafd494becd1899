"""Conditions on labels: Alertmanager's syntax, and expressions that cannot hang."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.suppression.errors import SuppressionError
from runbooks.suppression.matchers import (
    Matcher,
    MatcherError,
    matches,
    parse_matchers,
    read_matchers,
    write_matchers,
)
from runbooks.suppression.patterns import pattern_of

LABELS = {"kind": "thermal.envelope", "site": "osaka-1", "node": "gw-01", "severity": "urgent"}

names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
values = st.text(max_size=30)
plain_matchers = st.builds(Matcher, names, values, st.just(False), st.booleans())


def fits(text: str) -> bool:
    return matches(parse_matchers(text), LABELS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('kind="thermal.envelope"', True),
        ('kind="thermal"', False),
        ('kind!="thermal"', True),
        ('site=~"osaka-.*"', True),
        ('site=~"osaka"', False),
        ('site!~"osaka-.*"', False),
        ('node=~"(gw|sw)-[0-9]{2}", severity="urgent"', True),
        ('node=~"(gw|sw)-[0-9]{2}"\nseverity="low"', False),
        ('{kind="thermal.envelope", site="osaka-1"}', True),
        ("kind = thermal.envelope , site=osaka-1,", True),
        ('kind=~"(?i)THERMAL\\..*"', True),
        ('kind=~"^thermal.*$"', True),
        ('kind=~"therm\\.al.*"', False),
    ],
)
def test_an_alert_must_fit_every_condition_with_its_whole_value(text: str, expected: bool) -> None:
    assert fits(text) is expected


def test_a_label_an_alert_does_not_carry_is_empty() -> None:
    assert fits('rack=""')
    assert fits('rack!="a"')
    assert fits('rack=~".*"')
    assert not fits('rack!=""')
    assert not fits('rack=~".+"')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('kind=="x"', "bad_matcher"),
        ('kind>"x"', "bad_matcher"),
        ("kind", "bad_matcher"),
        ("kind=", "bad_matcher"),
        ('="x"', "bad_matcher"),
        ('kind="x', "bad_matcher"),
        ('kind="x"site="y"', "bad_matcher"),
        ('1kind="x"', "bad_matcher"),
        ('kind=~"("', "bad_pattern"),
        ('kind=~"a)"', "bad_pattern"),
        ('kind=~"[a"', "bad_pattern"),
        ('kind=~"[z-a]"', "bad_pattern"),
        ('kind=~"*a"', "bad_pattern"),
        ('kind=~"a**"', "bad_pattern"),
        ('kind=~"a{5,2}"', "bad_pattern"),
        ('kind=~"(?=a)a"', "bad_pattern"),
        ('kind=~"(a)\\1"', "bad_pattern"),
        ('kind=~"((a{100}){100}){100}"', "bad_pattern"),
        (f'kind=~"{"a" * 501}"', "value_too_long"),
        (f'kind="{"a" * 501}"', "value_too_long"),
        (",".join(f'l{number}="x"' for number in range(21)), "too_many_matchers"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(MatcherError) as refusal:
        parse_matchers(text)
    assert refusal.value.code == code
    assert refusal.value.sentence.endswith(".")


@pytest.mark.parametrize(
    "value",
    [
        {"name": "kind"},
        [1],
        [{"name": "kind"}],
        [{"name": "kind", "value": 7}],
        [{"name": "kind", "value": "x", "is_regex": "yes"}],
        [{"name": "a-b", "value": "x"}],
        [{"name": "kind", "value": "(", "is_regex": True}],
    ],
)
def test_kept_conditions_that_are_damaged_are_refused_by_name(value: object) -> None:
    with pytest.raises(MatcherError):
        read_matchers(value)


@given(st.lists(plain_matchers, max_size=5))
def test_conditions_are_read_back_as_they_were_written(matchers: list[Matcher]) -> None:
    assert parse_matchers(", ".join(map(str, matchers))) == tuple(matchers)
    assert read_matchers(write_matchers(matchers)) == tuple(matchers)


@given(st.text(max_size=60) | st.text('kind=~!"{}, ()[]*+?|\\^$a1', max_size=60))
def test_any_text_at_all_is_read_or_refused_by_name(text: str) -> None:
    # Any other fault than a refusal fails the test.
    with suppress(SuppressionError):
        matches(parse_matchers(text), LABELS)


characters = st.sampled_from(["a", "b", "c", "-", ".", "1"])
atoms = st.one_of(
    characters.map(re.escape),
    st.sampled_from([".", "[ab]", "[^a]", "[a-c1]", r"\d", r"\w", r"\S", "[]b]", r"[\d-]"]),
)
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])).map(
            lambda part: f"({part[0]}){part[1]}"
        ),
    ),
    max_leaves=6,
)


@given(patterns, st.text("abc-.1", max_size=8))
def test_a_pattern_means_what_it_means_in_python(pattern: str, text: str) -> None:
    assert pattern_of(pattern).matches(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a*)*b", ".*.*.*.*.*.*.*.*b"])
def test_a_pattern_that_hangs_others_takes_one_step_a_character(pattern: str) -> None:
    assert not pattern_of(pattern).matches("a" * 5_000)
    assert pattern_of(pattern).matches("a" * 5_000 + "b")
