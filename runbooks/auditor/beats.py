"""The beats of our own engine: which of its parts went round lately, and which fell silent."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from fleet.services.engine import Module, engine_transaction
from runbooks.models import EngineBeat

Part = EngineBeat.Part

#: A lane in a backlog may be busy for a minute before it goes round again; what is owed meanwhile
#: is found by other checks within seconds.
SILENT_AFTER = timedelta(seconds=120)

#: A beat that lies so far beyond the time it was expected since is of a clock that was set back.
LARGEST_LEAD = timedelta(minutes=5)

SWEEP = (Part.DETECT, Part.DECIDE, Part.DELIVER, Part.ASK)


@engine_transaction(module=Module.AUDIT)
def note_beat(*, part: EngineBeat.Part, now: datetime) -> None:
    """Write down that this part of the engine has gone round; an old program's round is none."""
    if not EngineBeat.objects.filter(part=part).update(at=now):
        EngineBeat.objects.bulk_create([EngineBeat(part=part, at=now)], ignore_conflicts=True)


def expect_beats(*, now: datetime) -> None:
    """Expect every part from now on, so that one that was never started is missed, too."""
    EngineBeat.objects.bulk_create(
        [EngineBeat(part=part, at=now) for part in Part], ignore_conflicts=True
    )


def silent_parts(parts: tuple[EngineBeat.Part, ...], *, since: datetime) -> list[EngineBeat]:
    """Return those of `parts` that were expected and have not gone round after `since`.

    A beat of the time to come proves nothing either: a part that goes round replaces it.
    """
    is_silent = Q(at__lte=since) | Q(at__gt=since + LARGEST_LEAD)
    return list(EngineBeat.objects.filter(is_silent, part__in=parts))
