"""When maintenance takes place, on clocks that people live by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.spans import LONGEST, Span, next_span_of, span_at, spans_between


@dataclass
class Window:
    """What a maintenance window says of its times."""

    starts_at: datetime
    ends_at: datetime
    every: str = "once"
    last_day: date | None = None
    time_zone: str = "Europe/Berlin"


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def window(start: str, end: str, **fields: object) -> Window:
    zone = str(fields.get("time_zone", "Europe/Berlin"))
    return Window(local(start, zone), local(end, zone), **fields)  # type: ignore[arg-type]  # test data


def on_local_clocks(spans: list[Span], zone: str = "Europe/Berlin") -> list[tuple[str, str]]:
    return [
        (
            f"{span.starts_at.astimezone(ZoneInfo(zone)):%d.%m. %H:%M}",
            f"{span.ends_at.astimezone(ZoneInfo(zone)):%d.%m. %H:%M}",
        )
        for span in spans
    ]


def between(subject: Window, start: str, end: str) -> list[tuple[str, str]]:
    zone = subject.time_zone
    found = spans_between(subject, start=local(start, zone), end=local(end, zone))
    return on_local_clocks(found, zone)


def test_work_planned_once_takes_place_once() -> None:
    once = window("2030-03-10T22:00", "2030-03-11T02:00")
    assert span_at(once, at=local("2030-03-10T21:59")) is None
    assert span_at(once, at=local("2030-03-10T22:00")) is not None
    assert span_at(once, at=local("2030-03-11T01:59")) is not None
    assert span_at(once, at=local("2030-03-11T02:00")) is None
    assert next_span_of(once, at=local("2030-03-11T02:00")) is None


def test_weekly_work_keeps_its_local_times_over_both_changes_of_the_clocks() -> None:
    weekly = window("2030-03-24T01:00", "2030-03-24T05:00", every="week")
    assert between(weekly, "2030-03-24T00:00", "2030-04-08T00:00") == [
        ("24.03. 01:00", "24.03. 05:00"),
        ("31.03. 01:00", "31.03. 05:00"),
        ("07.04. 01:00", "07.04. 05:00"),
    ]
    spans = spans_between(weekly, start=local("2030-03-31T00:00"), end=local("2030-03-31T23:00"))
    assert [span.ends_at - span.starts_at for span in spans] == [timedelta(hours=3)]
    spans = spans_between(weekly, start=local("2030-10-27T00:00"), end=local("2030-10-27T23:00"))
    assert [span.ends_at - span.starts_at for span in spans] == [timedelta(hours=5)]


def test_a_beginning_that_the_clocks_skip_comes_as_much_later() -> None:
    nightly = window("2030-03-30T02:15", "2030-03-30T02:45", every="day")
    assert between(nightly, "2030-03-31T00:00", "2030-04-01T00:00") == [
        ("31.03. 03:15", "31.03. 03:45")
    ]


def test_an_end_before_a_skipped_beginning_still_leaves_the_work_its_time() -> None:
    nightly = window("2030-03-30T02:45", "2030-03-30T03:15", every="day")
    assert between(nightly, "2030-03-31T00:00", "2030-04-01T00:00") == [
        ("31.03. 03:45", "31.03. 04:15")
    ]


def test_an_hour_that_comes_twice_is_covered_twice() -> None:
    nightly = window("2030-10-26T02:00", "2030-10-26T02:30", every="day")
    (span,) = spans_between(nightly, start=local("2030-10-27T00:00"), end=local("2030-10-27T12:00"))
    assert span.starts_at == datetime(2030, 10, 27, 0, 0, tzinfo=UTC)
    assert span.ends_at == datetime(2030, 10, 27, 1, 30, tzinfo=UTC)


def test_the_same_work_in_tokyo_follows_the_clocks_of_tokyo() -> None:
    nightly = window("2030-03-30T23:00", "2030-03-31T03:00", every="day", time_zone="Asia/Tokyo")
    assert between(nightly, "2030-04-01T00:00", "2030-04-01T12:00") == [
        ("31.03. 23:00", "01.04. 03:00")
    ]


def test_monthly_work_on_the_31st_takes_place_on_the_last_day_of_shorter_months() -> None:
    monthly = window("2030-01-31T08:00", "2030-01-31T09:00", every="month")
    assert between(monthly, "2030-01-01T00:00", "2030-05-01T00:00") == [
        ("31.01. 08:00", "31.01. 09:00"),
        ("28.02. 08:00", "28.02. 09:00"),
        ("31.03. 08:00", "31.03. 09:00"),
        ("30.04. 08:00", "30.04. 09:00"),
    ]


def test_nothing_takes_place_after_the_last_day() -> None:
    weekly = window(
        "2030-01-07T22:00", "2030-01-08T02:00", every="week", last_day=date(2030, 1, 14)
    )
    assert span_at(weekly, at=local("2030-01-15T01:00")) is not None
    assert next_span_of(weekly, at=local("2030-01-15T02:00")) is None


def test_a_recurring_window_says_nothing_of_the_time_before_it() -> None:
    weekly = window("2030-01-07T22:00", "2030-01-08T02:00", every="week")
    assert span_at(weekly, at=local("2029-12-31T23:00")) is None


def test_the_end_of_the_calendar_is_no_fault() -> None:
    late = Window(
        datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 30, 1, tzinfo=UTC), every="day"
    )
    at = datetime(9999, 12, 30, 12, tzinfo=UTC)
    assert len(spans_between(late, start=at, end=datetime.max.replace(tzinfo=UTC))) <= 1


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Cairo"]


@st.composite
def recurring(draw: st.DrawFn) -> Window:
    every = draw(st.sampled_from(["day", "week", "month"]))
    zone = draw(st.sampled_from(ZONES))
    minutes = draw(st.integers(0, 2 * 365 * 24 * 60))
    starts_at = datetime(2029, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    longest = int(LONGEST[every].total_seconds() // 60)
    length = timedelta(minutes=draw(st.integers(1, longest)))
    return Window(starts_at, starts_at + length, every, None, zone)


moments = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minutes: datetime(2029, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(recurring(), moments)
def test_spans_follow_one_another_and_each_has_its_length(subject: Window, at: datetime) -> None:
    spans = spans_between(subject, start=at, end=at + timedelta(days=70))
    length = subject.ends_at - subject.starts_at
    assert all(span.ends_at > max(at, span.starts_at) for span in spans)
    assert all(
        before.starts_at < after.starts_at for before, after in zip(spans, spans[1:], strict=False)
    )
    assert all(abs(span.ends_at - span.starts_at - length) <= timedelta(hours=2) for span in spans)


@given(recurring(), moments)
def test_a_span_begins_at_its_local_time_of_day_unless_the_clocks_skip_it(
    subject: Window, at: datetime
) -> None:
    zone = ZoneInfo(subject.time_zone)
    wanted = subject.starts_at.astimezone(zone).time()
    for span in spans_between(subject, start=at, end=at + timedelta(days=40)):
        begins = span.starts_at.astimezone(zone)
        naive = datetime.combine(begins.date(), wanted)
        is_skipped = (
            naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
            != naive
        )
        assert begins.time() == wanted or is_skipped


@given(recurring(), moments)
def test_a_moment_is_in_maintenance_exactly_when_a_span_holds_it(
    subject: Window, at: datetime
) -> None:
    around = spans_between(subject, start=at - timedelta(days=40), end=at + timedelta(minutes=1))
    assert (span_at(subject, at=at) is not None) is any(span.holds(at) for span in around)


@pytest.mark.parametrize("zone", ZONES)
def test_years_of_nightly_work_miss_no_night(zone: str) -> None:
    nightly = window("2029-01-01T02:30", "2029-01-01T04:30", every="day", time_zone=zone)
    spans = spans_between(
        nightly, start=nightly.starts_at, end=nightly.starts_at + timedelta(days=3 * 365)
    )
    assert len(spans) == 3 * 365
