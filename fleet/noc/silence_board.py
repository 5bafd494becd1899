"""What the silences page shows: what is held back, by whom, until when, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import Count, Q

from fleet.access import Action, AnyUser, may_everywhere, sites_where
from fleet.models import Site
from fleet.names import name_of
from runbooks.alerts.selectors import alerts_visible_to
from runbooks.models import Alert, Silence
from runbooks.suppression.endings import ends_soon
from runbooks.suppression.labels import labels_of
from runbooks.suppression.matchers import read_matchers
from runbooks.suppression.selectors import held_alerts_for, silences_for

_SHOWN_HELD: Final = 20
#: Hours to choose from; a silence ends by itself.
HOURS: Final = (1, 2, 4, 8, 24, 72, 168)
_LABELS_OF_ONE: Final = ("kind", "site", "node")


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence: its conditions in words, who wants it, and how much it holds back now."""

    silence: Silence
    matchers: tuple[str, ...]
    author: str
    held: int
    may_end: bool
    is_ending: bool = False


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """What stands in the form: typed before, or taken from an alert."""

    matchers: str = ""
    site: str = ""
    hours: str = "2"
    starts: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SilenceBoard:
    """The whole page."""

    active: Sequence[SilenceRow]
    pending: Sequence[SilenceRow]
    ended: Sequence[SilenceRow]
    held: Sequence[Alert]
    held_count: int
    sites: Sequence[Site]
    may_silence_all: bool
    form: SilenceForm = field(default_factory=SilenceForm)
    hours: Sequence[int] = HOURS

    @property
    def may_silence(self) -> bool:
        """Whether the reader may hold anything back at all."""
        return bool(self.sites) or self.may_silence_all

    @property
    def ending(self) -> int:
        """How many of those in force end soon."""
        return sum(row.is_ending for row in self.active)


def silence_board(*, user: AnyUser, now: datetime, form: SilenceForm | None = None) -> SilenceBoard:
    """Return the page as `user` may see it."""
    sites = list(sites_where(user, Action.RESPOND).only("slug", "name").order_by("name"))
    everywhere = may_everywhere(user, Action.RESPOND)
    mine = {site.pk for site in sites}
    holds = Count("suppression", filter=Q(suppression__ended_at__isnull=True))
    silences = list(
        silences_for(user, now).select_related("created_by", "site").annotate(held=holds)
    )
    rows = [
        SilenceRow(
            silence=silence,
            matchers=tuple(str(matcher) for matcher in read_matchers(silence.matchers)),
            author=_author(silence),
            held=silence.held,
            may_end=everywhere if silence.site_id is None else silence.site_id in mine,
            is_ending=_is_active(silence, now) and ends_soon(silence.ends_at, now=now),
        )
        for silence in silences
    ]
    held = held_alerts_for(user, now)
    return SilenceBoard(
        active=[row for row in rows if _is_active(row.silence, now)],
        pending=[row for row in rows if row.silence.starts_at > now and not row.silence.ended_at],
        ended=[row for row in rows if _end_of(row.silence) <= now],
        held=list(held[:_SHOWN_HELD]),
        held_count=alerts_visible_to(user)
        .filter(is_suppressed=True)
        .exclude(response=Alert.Response.CLOSED)
        .count(),
        sites=sites,
        may_silence_all=everywhere,
        form=form or SilenceForm(),
    )


def form_like(alert: Alert) -> SilenceForm:
    """Return a form that silences what is like this alert: its kind, at its site and node."""
    labels = labels_of(alert)
    lines = [f'{name}="{labels[name]}"' for name in _LABELS_OF_ONE if labels.get(name)]
    return SilenceForm(matchers="\n".join(lines), site=alert.site.slug)


def _author(silence: Silence) -> str:
    if silence.created_by is None:
        return silence.author_name
    name = name_of(silence.created_by)
    return f"{silence.author_name}, through {name}" if silence.author_name else name


def _end_of(silence: Silence) -> datetime:
    return min(silence.ended_at or silence.ends_at, silence.ends_at)


def _is_active(silence: Silence, now: datetime) -> bool:
    return silence.starts_at <= now < _end_of(silence)
