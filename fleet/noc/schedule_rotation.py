"""What stands in the form of a rotation: nothing yet, one that is there, or what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import QueryDict

from runbooks.models import Rotation

#: Empty places offered besides those that are taken, and how many there are at least.
_SPARE_PLACES, _LEAST_PLACES = 2, 6


@dataclass(frozen=True, slots=True)
class RotationForm:
    """The fields as text; `members` are ids of owners in the order of their turns."""

    position: str
    name: str = ""
    members: Sequence[str] = field(default_factory=tuple)
    starts_on: str = ""
    ends_on: str = ""
    hands_over_at: str = "09:00"
    turn_days: str = "7"
    covers_from: str = ""
    covers_until: str = ""
    weekdays: Sequence[str] = field(default_factory=tuple)
    rests: bool = False

    @property
    def places(self) -> list[tuple[int, str]]:
        """Each place of the order with who has it, empty places at the end."""
        count = max(_LEAST_PLACES, len(self.members) + _SPARE_PLACES)
        taken = [*self.members, *[""] * count][:count]
        return list(enumerate(taken, start=1))


def form_like(rotation: Rotation) -> RotationForm:
    """Return the form that says what a rotation says."""
    return RotationForm(
        position=str(rotation.position),
        name=rotation.name,
        members=tuple(str(member.owner_id) for member in rotation.members.all()),
        starts_on=f"{rotation.starts_on:%Y-%m-%d}",
        ends_on=f"{rotation.ends_on:%Y-%m-%d}" if rotation.ends_on else "",
        hands_over_at=f"{rotation.hands_over_at:%H:%M}",
        turn_days=str(rotation.turn_days),
        covers_from=f"{rotation.covers_from:%H:%M}" if rotation.covers_from else "",
        covers_until=f"{rotation.covers_until:%H:%M}" if rotation.covers_until else "",
        weekdays=tuple(str(day) for day in rotation.weekdays),
        rests=rotation.rests_on_holidays,
    )


def form_typed(said: QueryDict) -> RotationForm:
    """Return what was typed, as it was."""
    return RotationForm(
        position=said.get("position", ""),
        name=said.get("name", ""),
        members=tuple(word for word in said.getlist("member") if word),
        starts_on=said.get("starts_on", ""),
        ends_on=said.get("ends_on", ""),
        hands_over_at=said.get("hands_over_at", ""),
        turn_days=said.get("turn_days", ""),
        covers_from=said.get("covers_from", ""),
        covers_until=said.get("covers_until", ""),
        weekdays=tuple(said.getlist("weekday")),
        rests=said.get("rests") == "1",
    )
