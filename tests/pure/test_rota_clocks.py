"""Rotas over every change of the clocks: nothing is lost, nothing counts twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from runbooks.oncall.rota import Holiday, Layer, Override, Rota, moment_of, turns

#: Clocks that jump by an hour, by half an hour, at midnight, in the other half of the year, by
#: negative summer time, over a whole day, and never.
ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Pacific/Apia",
    "Asia/Tokyo",
    "Asia/Kathmandu",
)
zones = st.sampled_from(ZONES)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


#: Where a whole day was left out, so was the turn that would have begun and ended with it.
zones_with_every_day = st.sampled_from([zone for zone in ZONES if zone != "Pacific/Apia"])
days = st.dates(date(2010, 1, 1), date(2035, 12, 31))
clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
moments = st.integers(0, 26 * 365 * 24 * 60).map(
    lambda minutes: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
spans = st.timedeltas(timedelta(hours=1), timedelta(days=40)).map(
    lambda span: timedelta(minutes=span // timedelta(minutes=1))
)
layers = st.builds(
    Layer,
    name=st.sampled_from(["A", "B"]),
    members=st.lists(st.integers(1, 4), max_size=4).map(tuple),
    starts_on=days,
    hands_over_at=clocks,
    turn_days=st.integers(1, 20),
    weekdays=st.frozensets(st.integers(0, 6), max_size=6),
    rests_on_holidays=st.booleans(),
)
limited = st.builds(
    lambda layer, opens, closes: replace(layer, covers_from=opens, covers_until=closes),
    layers,
    clocks,
    clocks,
)
overrides = st.builds(
    lambda owner, start, span: Override(owner, start, start + span),
    st.integers(1, 4),
    moments,
    spans,
)
holidays = st.builds(Holiday, days) | st.builds(
    lambda day, after, span: Holiday(day, midnight(day) + after, midnight(day) + after + span),
    days,
    st.timedeltas(timedelta(hours=-30), timedelta(hours=30)),
    spans,
)
rotas = st.builds(
    Rota,
    time_zone=zones,
    layers=st.lists(layers | limited, max_size=3).map(tuple),
    overrides=st.lists(overrides, max_size=3).map(tuple),
    holidays=st.lists(holidays, max_size=4).map(tuple),
)


@given(rota=rotas, start=moments, span=spans)
def test_every_moment_has_exactly_one_turn(rota: Rota, start: datetime, span: timedelta) -> None:
    found = turns(rota, start=start, end=start + span)
    edges = [(turn.starts_at, turn.ends_at) for turn in found]
    assert edges[0][0] == start
    assert edges[-1][1] == start + span
    assert all(begins < ends for begins, ends in edges)
    assert [ends for _, ends in edges[:-1]] == [begins for begins, _ in edges[1:]]


@given(rota=rotas, start=moments, span=spans, part=st.floats(0.01, 0.99))
def test_it_does_not_matter_where_one_begins_to_look(
    rota: Rota, start: datetime, span: timedelta, part: float
) -> None:
    middle = start + timedelta(minutes=int(span / timedelta(minutes=1) * part))
    instant = timedelta(microseconds=1)
    whole = turns(rota, start=start, end=start + span)
    there = turns(rota, start=middle, end=middle + instant)
    at_middle = [turn for turn in whole if turn.starts_at <= middle < turn.ends_at]
    assert [turn.owner_id for turn in there] == [turn.owner_id for turn in at_middle]


@given(zone=zones, day=days, first=clocks, second=clocks)
def test_a_later_time_on_the_clock_is_never_an_earlier_moment(
    zone: str, day: date, first: time, second: time
) -> None:
    early, late = sorted([first, second])
    clock = ZoneInfo(zone)
    assert moment_of(day, early, clock) <= moment_of(day, late, clock)
    assert moment_of(day, late, clock) <= moment_of(day + timedelta(days=1), early, clock)


@given(zone=zones, day=days, clock=clocks)
def test_a_time_that_comes_is_that_time_on_the_clock(zone: str, day: date, clock: time) -> None:
    local = moment_of(day, clock, ZoneInfo(zone)).astimezone(ZoneInfo(zone))
    exists = datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC).astimezone(
        ZoneInfo(zone)
    ).replace(tzinfo=None) == datetime.combine(day, clock)
    assert exists == (local.replace(tzinfo=None) == datetime.combine(day, clock))
    assert local.replace(tzinfo=None) >= datetime.combine(day, clock)


@given(zone=zones, start=moments, opens=clocks, closes=clocks, hands_over=clocks)
@example("Europe/Paris", datetime(2030, 3, 30, tzinfo=UTC), time(2, 30), time(3), time(9))
@example("Europe/Paris", datetime(2030, 10, 26, tzinfo=UTC), time(2, 30), time(3), time(9))
def test_days_and_nights_that_meet_on_the_clock_leave_no_hole_and_no_overlap(
    zone: str, start: datetime, opens: time, closes: time, hands_over: time
) -> None:
    long_ago = start.date() - timedelta(days=30)
    days_layer = Layer("Days", (1,), long_ago, hands_over, 7, None, frozenset(), opens, closes)
    nights = Layer("Nights", (2,), long_ago, hands_over, 7, None, frozenset(), closes, opens)
    end = start + timedelta(days=4)
    both = turns(Rota(zone, (days_layer, nights)), start=start, end=end)
    turned = turns(Rota(zone, (nights, days_layer)), start=start, end=end)
    assert None not in {turn.owner_id for turn in both}
    # No overlap: which of the two counts first makes no difference, unless each is all day.
    is_all_day = opens == closes
    assert is_all_day or both == turned


@given(zone=zones_with_every_day, start=moments, turn_days=st.integers(1, 14), hands_over=clocks)
def test_turns_last_their_local_days_whatever_the_clocks_do(
    zone: str, start: datetime, turn_days: int, hands_over: time
) -> None:
    first = start.date() - timedelta(days=40)
    layer = Layer("Weeks", (1, 2, 3), first, hands_over, turn_days)
    found = turns(Rota(zone, (layer,)), start=start, end=start + timedelta(days=60))
    whole = found[1:-1]
    clock = ZoneInfo(zone)
    expected = {moment_of(first + timedelta(days=n), hands_over, clock) for n in range(160)}
    assert {turn.starts_at for turn in whole} <= expected
    owners = [turn.owner_id for turn in found]
    following = {1: 2, 2: 3, 3: 1}
    assert owners[1:] == [following[owner or 0] for owner in owners[:-1]]
