"""Whose turn it is: rotations, exceptions, holidays, hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runbooks.oncall.rota import Holiday, Layer, Override, Rota, Turn, moment_of, turn_span, turns

ANA, BEN, CHLOE = 1, 2, 3
PARIS = ZoneInfo("Europe/Paris")
#: A Monday.
MONDAY = date(2030, 1, 7)
WEEKLY = Layer(name="Weeks", members=(ANA, BEN), starts_on=MONDAY, hands_over_at=time(9))
ROTA = Rota(time_zone="Europe/Paris", layers=(WEEKLY,))
DAY = timedelta(days=1)


def local(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), PARIS).astimezone(UTC)


def who(rota: Rota, *, start: datetime, end: datetime) -> list[tuple[int | None, str]]:
    return [
        (turn.owner_id, f"{turn.starts_at.astimezone(PARIS):%a %d %H:%M}")
        for turn in turns(rota, start=start, end=end)
    ]


def week_of(layer: Layer, **others: object) -> list[tuple[int | None, str]]:
    rota = replace(ROTA, layers=(layer,), **others)  # type: ignore[arg-type]  # fields of Rota
    return who(rota, start=local(MONDAY, 0), end=local(MONDAY + 7 * DAY, 0))


def test_people_take_turns_in_their_order_from_hand_over_to_hand_over() -> None:
    found = who(ROTA, start=local(MONDAY, 9), end=local(MONDAY + 28 * DAY, 9))
    assert found == [
        (ANA, "Mon 07 09:00"),
        (BEN, "Mon 14 09:00"),
        (ANA, "Mon 21 09:00"),
        (BEN, "Mon 28 09:00"),
    ]


def test_before_the_first_hand_over_nobody_is_on_call() -> None:
    found = who(ROTA, start=local(MONDAY, 8), end=local(MONDAY, 10))
    assert found == [(None, "Mon 07 08:00"), (ANA, "Mon 07 09:00")]


def test_a_rotation_ends_at_the_hand_over_of_its_last_day() -> None:
    layer = replace(WEEKLY, ends_on=MONDAY + 2 * DAY)
    assert week_of(layer)[-1] == (None, "Wed 09 09:00")


def test_the_rotation_that_follows_it_leaves_no_hole() -> None:
    before = replace(WEEKLY, ends_on=MONDAY + 2 * DAY)
    after = replace(WEEKLY, name="New", members=(CHLOE,), starts_on=MONDAY + 2 * DAY)
    rota = replace(ROTA, layers=(before, after))
    found = who(rota, start=local(MONDAY, 9), end=local(MONDAY + 7 * DAY, 9))
    assert found == [(ANA, "Mon 07 09:00"), (CHLOE, "Wed 09 09:00")]


def test_the_first_layer_that_covers_counts_and_the_next_fills_its_holes() -> None:
    nights = replace(
        WEEKLY, name="Nights", members=(CHLOE,), covers_from=time(22), covers_until=time(6)
    )
    rota = replace(ROTA, layers=(nights, WEEKLY))
    found = who(rota, start=local(MONDAY, 12), end=local(MONDAY + DAY, 12))
    assert found == [(ANA, "Mon 07 12:00"), (CHLOE, "Mon 07 22:00"), (ANA, "Tue 08 06:00")]


def test_hours_across_midnight_belong_to_the_weekday_on_which_they_begin() -> None:
    layer = replace(WEEKLY, weekdays=frozenset({4}), covers_from=time(22), covers_until=time(6))
    assert week_of(layer) == [
        (None, "Mon 07 00:00"),
        (ANA, "Fri 11 22:00"),
        (None, "Sat 12 06:00"),
    ]


def test_weekdays_without_hours_are_whole_local_days() -> None:
    layer = replace(WEEKLY, weekdays=frozenset({5, 6}))
    assert week_of(layer) == [(None, "Mon 07 00:00"), (ANA, "Sat 12 00:00")]


def test_a_rotation_that_rests_on_holidays_leaves_a_gap_on_them() -> None:
    layer = replace(WEEKLY, rests_on_holidays=True)
    found = week_of(layer, holidays=(Holiday(MONDAY + 2 * DAY),))
    assert found[2:] == [(None, "Wed 09 00:00"), (ANA, "Thu 10 00:00")]


def test_a_holiday_counts_from_when_it_was_named_until_it_was_taken_back() -> None:
    layer = replace(WEEKLY, rests_on_holidays=True)
    wednesday = MONDAY + 2 * DAY
    late = Holiday(wednesday, counts_from=local(wednesday, 14))
    assert week_of(layer, holidays=(late,))[2:] == [
        (None, "Wed 09 14:00"),
        (ANA, "Thu 10 00:00"),
    ]
    short = replace(late, counts_until=local(wednesday, 17))
    assert week_of(layer, holidays=(short,))[2:] == [
        (None, "Wed 09 14:00"),
        (ANA, "Wed 09 17:00"),
    ]
    named_after = Holiday(wednesday, counts_from=local(wednesday + DAY, 0))
    assert week_of(layer, holidays=(named_after,)) == week_of(layer)


def test_a_rotation_that_does_not_rest_covers_holidays_too() -> None:
    holidays = (Holiday(MONDAY + 2 * DAY),)
    assert week_of(WEEKLY, holidays=holidays) == week_of(WEEKLY)


def test_an_override_stands_before_every_layer_and_the_last_one_made_before_the_others() -> None:
    long = Override(BEN, local(MONDAY, 10), local(MONDAY, 20), 7)
    short = Override(CHLOE, local(MONDAY, 12), local(MONDAY, 14), 8)
    rota = replace(ROTA, overrides=(long, short))
    found = turns(rota, start=local(MONDAY, 9), end=local(MONDAY, 22))
    assert found == [
        Turn(ANA, local(MONDAY, 9), local(MONDAY, 10), "Weeks"),
        Turn(BEN, local(MONDAY, 10), local(MONDAY, 12), override_id=7),
        Turn(CHLOE, local(MONDAY, 12), local(MONDAY, 14), override_id=8),
        Turn(BEN, local(MONDAY, 14), local(MONDAY, 20), override_id=7),
        Turn(ANA, local(MONDAY, 20), local(MONDAY, 22), "Weeks"),
    ]


def test_without_layers_or_people_the_whole_span_is_one_gap() -> None:
    start, end = local(MONDAY, 0), local(MONDAY + DAY, 0)
    gap = [Turn(None, start, end)]
    assert turns(replace(ROTA, layers=()), start=start, end=end) == gap
    assert turns(replace(ROTA, layers=(replace(WEEKLY, members=()),)), start=start, end=end) == gap


def test_an_empty_span_has_no_turns() -> None:
    assert turns(ROTA, start=local(MONDAY, 9), end=local(MONDAY, 9)) == []


def test_a_local_time_that_never_comes_counts_when_the_clocks_jump() -> None:
    jump = datetime(2030, 3, 31, 1, tzinfo=UTC)
    assert moment_of(date(2030, 3, 31), time(2, 30), PARIS) == jump
    assert moment_of(date(2030, 3, 31), time(2), PARIS) == jump


def test_a_local_time_that_comes_twice_counts_the_first_time() -> None:
    assert moment_of(date(2030, 10, 27), time(2, 30), PARIS) == datetime(
        2030, 10, 27, 0, 30, tzinfo=UTC
    )


def test_a_whole_day_that_was_left_out_is_passed_over() -> None:
    apia = ZoneInfo("Pacific/Apia")
    jump = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert moment_of(date(2011, 12, 30), time(12), apia) == jump


def test_the_weekly_hand_over_stays_at_nine_on_the_clock_when_clocks_change() -> None:
    start, end = local(date(2030, 3, 18), 9), local(date(2030, 4, 15), 9)
    hours = [text[-5:] for _, text in who(ROTA, start=start, end=end)]
    assert hours == ["09:00"] * 4


def test_a_turn_is_known_by_any_moment_in_it() -> None:
    span = local(MONDAY + 7 * DAY, 9), local(MONDAY + 14 * DAY, 9)
    assert turn_span(WEEKLY, time_zone="Europe/Paris", at=local(MONDAY + 10 * DAY, 3)) == span
    assert turn_span(WEEKLY, time_zone="Europe/Paris", at=local(MONDAY, 8)) is None
