"""Silences that other programs make, change and end, within what their user may do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from fleet.access import Action, may, may_everywhere, sites_where
from fleet.models import Site
from runbooks.alertmanager.selectors import silence_with
from runbooks.alertmanager.wire import SaidSilence, write_time
from runbooks.models import Silence
from runbooks.refused import Refused
from runbooks.suppression.matchers import read_matchers
from runbooks.suppression.silences import (
    change_silence,
    create_silence,
    end_silence,
    is_over,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SilenceRefused(Refused):
    """A silence that a program may not make, change or end; `code` says why to machines."""


@transaction.atomic
def set_silence(
    *, user: User, said: SaidSilence, default_site: Site | None, now: datetime
) -> Silence:
    """Make a silence, or change the one that `said.id` names; return the one now in force.

    It holds back alerts of the one site its matchers name; without such a matcher those of every
    site where `user` may respond everywhere, else those of `default_site`. Raises
    `SilenceRefused` (`silence_not_found`, `silence_forbidden`, `silence_too_wide`), and what
    `runbooks.suppression` refuses: `SilenceError`, `MatcherError`.
    """
    old = _silence_to_change(user, said.id) if said.id else None
    site = _scope(user, said.matchers, default_site)
    if old is None or old.site != site or is_over(old, now=now):
        return _replace(old, said, site, user, now)
    # Times are told to the millisecond: a start that was read here and sent back is the same.
    is_same_start = write_time(said.starts_at) == write_time(old.starts_at)
    return change_silence(
        silence=old,
        matchers=read_matchers(said.matchers),
        starts_at=old.starts_at if is_same_start else max(said.starts_at, now),
        ends_at=said.ends_at,
        reason=said.comment,
        by=user,
        now=now,
        author_name=_author(said, user),
    )


def expire_silence(*, user: User, silence_id: UUID, now: datetime) -> None:
    """End a silence; ending an ended one changes nothing. Raises `SilenceRefused`."""
    silence = _silence_to_change(user, str(silence_id))
    end_silence(silence=silence, by=user, now=now)


def _replace(
    old: Silence | None, said: SaidSilence, site: Site | None, user: User, now: datetime
) -> Silence:
    """Make a silence; one that it takes the place of ends when this one is in force."""
    made = create_silence(
        matchers=read_matchers(said.matchers),
        # As in Alertmanager, a silence that is asked for from earlier begins now.
        starts_at=max(said.starts_at, now),
        ends_at=said.ends_at,
        reason=said.comment,
        by=user,
        now=now,
        site=site,
        author_name=_author(said, user),
    )
    if old is not None:
        made.replaces = old
        made.save(update_fields=["replaces"])
        end_silence(silence=old, by=user, now=now)
    return made


def _author(said: SaidSilence, user: User) -> str:
    return said.created_by.strip() or user.get_username()


def _silence_to_change(user: User, silence_id: str) -> Silence:
    try:
        silence = silence_with(user=user, silence_id=UUID(silence_id))
    except ValueError:
        silence = None
    if silence is None:
        # Alertmanager's own words: programs look for them.
        raise SilenceRefused("silence_not_found", "silence not found")
    may_change = (
        may_everywhere(user, Action.RESPOND)
        if silence.site is None
        else may(user, Action.RESPOND, silence.site)
    )
    if not may_change:
        raise SilenceRefused(
            "silence_forbidden",
            f"{user} may see this silence but not change it. Ask somebody who may respond "
            f"at {silence.site or 'every site'}.",
        )
    return silence


def _scope(user: User, matchers: list[dict[str, Any]], default_site: Site | None) -> Site | None:
    """Return the site whose alerts the silence may hold back, or None for every site."""
    mine = sites_where(user, Action.RESPOND)
    named = {
        matcher["value"]
        for matcher in matchers
        if matcher["name"] == "site" and matcher["is_equal"] and not matcher["is_regex"]
    }
    site = mine.filter(slug__in=named).first() if len(named) == 1 else None
    if site is not None or may_everywhere(user, Action.RESPOND):
        return site
    fallback = mine.filter(pk=default_site.pk).first() if default_site and not named else None
    if fallback is None:
        raise SilenceRefused(
            "silence_too_wide",
            f"{user} may not silence every site. Add a matcher for one of their sites, such as "
            'site="osaka-1".',
        )
    return fallback
