"""Whose turn it is: rotations, exceptions and holidays over any span, on local clocks. Pure.

Days and hours are those of the rota's own time zone. A local time that comes twice (clocks go
back) counts when it comes first; one that never comes (clocks go forward) counts at the moment
the clocks jump. So spans that meet on the clock meet on every day of the year.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MIDNIGHT = time(0)
_INSTANT = timedelta(microseconds=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Layer:
    """One rotation: owners who take turns of `turn_days` local days each, in this order.

    It covers from `hands_over_at` on `starts_on` until that time on `ends_on` (None: for good),
    only on `weekdays` (Monday 0; empty: all) and between the hours given (both None: all day;
    across midnight where `covers_until` is not later). A day's hours belong to the day on which
    they begin. Beside all that it counts only from `counts_from` until `counts_until`, the moments
    at which it was put in its place and replaced there; None is for ever.
    """

    name: str
    members: tuple[int, ...]
    starts_on: date
    hands_over_at: time
    turn_days: int = 7
    ends_on: date | None = None
    weekdays: frozenset[int] = frozenset()
    covers_from: time | None = None
    covers_until: time | None = None
    rests_on_holidays: bool = False
    counts_from: datetime | None = None
    counts_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holiday:
    """A local day on which layers that rest on holidays do not cover.

    It counts only from `counts_from` until `counts_until`, the moments at which it was named and
    taken back; None is for ever. So what was covered before stays covered.
    """

    day: date
    counts_from: datetime | None = None
    counts_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A span in which one owner is on call, whatever the layers say."""

    owner_id: int
    starts_at: datetime
    ends_at: datetime
    override_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rota:
    """A whole schedule: the first layer that covers counts, the last override before all."""

    time_zone: str
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    holidays: tuple[Holiday, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A span with one owner on call; a gap where `owner_id` is None. Times are UTC.

    `layer` is the rotation's name, empty for an override (then `override_id` says which) and
    for a gap.
    """

    owner_id: int | None
    starts_at: datetime
    ends_at: datetime
    layer: str = ""
    override_id: int | None = None


def moment_of(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return, in UTC, when it is `clock` on the local `day`."""
    local = datetime.combine(day, clock)
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == local:
        return late
    return _jump_between(local.replace(tzinfo=zone, fold=1).astimezone(UTC), late, zone)


def turns(rota: Rota, *, start: datetime, end: datetime) -> list[Turn]:
    """Return who is on call from `start` to `end`, whole and without overlap, in order."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    found: list[Turn] = []
    free: list[Span] = [(start, end)] if start < end else []
    for source in _sources(rota, start, end):
        if not free:
            break
        found += [
            replace(turn, starts_at=begins, ends_at=ends)
            for turn in source
            for begins, ends in _common(free, [(turn.starts_at, turn.ends_at)])
        ]
        free = _without(free, [(turn.starts_at, turn.ends_at) for turn in source])
    found += [Turn(None, begins, ends) for begins, ends in free]
    return _joined(sorted(found, key=lambda turn: turn.starts_at))


def turn_span(layer: Layer, *, time_zone: str, at: datetime) -> Span | None:
    """Return the first and the last moment of the layer's turn that is under way at `at`."""
    at = at.astimezone(UTC)
    if not _counted(layer, at, at + _INSTANT):
        return None
    for span, _ in _turns_of(layer, ZoneInfo(time_zone), at, at + _INSTANT):
        if span[0] <= at < span[1]:
            return span
    return None


def _jump_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after `before` at which the clocks have jumped forward."""
    offset = after.astimezone(zone).utcoffset()
    missing = 0
    late = int((after - before).total_seconds())
    while late - missing > 1:
        middle = (late + missing) // 2
        moment = before + timedelta(seconds=middle)
        if moment.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            missing = middle
    return (before + timedelta(seconds=late)).replace(microsecond=0)


def _sources(rota: Rota, start: datetime, end: datetime) -> Iterator[list[Turn]]:
    """Yield what covers, the strongest first: the newest override ... the last layer."""
    for item in reversed(rota.overrides):
        if item.starts_at < end and start < item.ends_at:
            begins, ends = item.starts_at.astimezone(UTC), item.ends_at.astimezone(UTC)
            yield [Turn(item.owner_id, begins, ends, override_id=item.override_id)]
    zone = ZoneInfo(rota.time_zone)
    for layer in rota.layers:
        yield _covered(layer, zone, rota.holidays, start, end)


def _covered(
    layer: Layer, zone: ZoneInfo, holidays: Sequence[Holiday], start: datetime, end: datetime
) -> list[Turn]:
    counted = _counted(layer, start, end)
    if not counted:
        return []
    ((start, end),) = counted
    rests = layer.rests_on_holidays and bool(holidays)
    is_whole = not layer.weekdays and layer.covers_from is None and not rests
    hours = (
        counted if is_whole else _common(counted, list(_hours(layer, zone, holidays, start, end)))
    )
    return [
        Turn(owner_id, begins, ends, layer.name)
        for span, owner_id in _turns_of(layer, zone, start, end)
        for begins, ends in _common(hours, [span])
    ]


def _counted(layer: Layer | Holiday, start: datetime, end: datetime) -> list[Span]:
    """Return the part of the span in which it counts, as one span or none."""
    begins = start if layer.counts_from is None else layer.counts_from.astimezone(UTC)
    ends = end if layer.counts_until is None else layer.counts_until.astimezone(UTC)
    return _common([(start, end)], [(begins, ends)])


def _turns_of(
    layer: Layer, zone: ZoneInfo, start: datetime, end: datetime
) -> Iterator[tuple[Span, int]]:
    if not layer.members:
        return
    last = None
    if layer.ends_on is not None:
        last = moment_of(layer.ends_on, layer.hands_over_at, zone)
    length = timedelta(days=layer.turn_days)
    # One turn early: the first may have begun on the evening before the local day of `start`.
    number = (start.astimezone(zone).date() - layer.starts_on).days // layer.turn_days - 1
    number = max(0, number)
    begins = moment_of(layer.starts_on + number * length, layer.hands_over_at, zone)
    while begins < end and (last is None or begins < last):
        day = layer.starts_on + (number + 1) * length
        ends = moment_of(day, layer.hands_over_at, zone)
        span = (begins, ends if last is None else min(ends, last))
        if start < span[1] and span[0] < span[1]:
            yield span, layer.members[number % len(layer.members)]
        begins, number = ends, number + 1


def _hours(
    layer: Layer, zone: ZoneInfo, holidays: Sequence[Holiday], start: datetime, end: datetime
) -> Iterator[Span]:
    """Yield the spans in which a layer covers, day by day, each within one local day or two."""
    resting: dict[date, list[Holiday]] = {}
    for holiday in holidays if layer.rests_on_holidays else ():
        resting.setdefault(holiday.day, []).append(holiday)
    opens, closes = layer.covers_from or MIDNIGHT, layer.covers_until or MIDNIGHT
    day, last = start.astimezone(zone).date() - DAY, end.astimezone(zone).date()
    while day <= last:
        if not layer.weekdays or day.weekday() in layer.weekdays:
            closing_day = day if opens < closes else day + DAY
            span = moment_of(day, opens, zone), moment_of(closing_day, closes, zone)
            if span[0] < span[1]:
                rests = [free for each in resting.get(day, ()) for free in _counted(each, *span)]
                yield from _without([span], rests)
        day += DAY


def _common(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    shared = [(max(a, c), min(b, d)) for c, d in others for a, b in spans if a < d and c < b]
    return sorted(shared)


def _without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    left = list(spans)
    for begins, ends in taken:
        pieces = ((part, begins, ends) for part in left)
        left = [piece for part, b, e in pieces for piece in _cut(part, b, e)]
    return left


def _cut(part: Span, begins: datetime, ends: datetime) -> list[Span]:
    if ends <= part[0] or part[1] <= begins:
        return [part]
    pieces = [(part[0], begins), (ends, part[1])]
    return [(a, b) for a, b in pieces if a < b]


def _joined(found: Sequence[Turn]) -> list[Turn]:
    """Join neighbours of the same owner and origin, such as a night and the day after it."""
    whole: list[Turn] = []
    for turn in found:
        if whole and _continues(whole[-1], turn):
            whole[-1] = replace(whole[-1], ends_at=turn.ends_at)
        else:
            whole.append(turn)
    return whole


def _continues(first: Turn, second: Turn) -> bool:
    return first.ends_at == second.starts_at and first == replace(
        second, starts_at=first.starts_at, ends_at=first.ends_at
    )
