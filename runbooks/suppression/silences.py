"""Silences: hold back what matches, for a while, with a reason. Make, change, end, look ahead.

Callers have checked, through `fleet.access`, that the person may act at the site, or everywhere
where there is no site.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import AuditEntry, Site
from runbooks.models import Alert, Silence, Suppression
from runbooks.suppression.causes import open_alerts, subjects_of
from runbooks.suppression.cycle import settle_planned
from runbooks.suppression.errors import SilenceError
from runbooks.suppression.labels import OWN_LABELS
from runbooks.suppression.matchers import (
    Matcher,
    checked_matchers,
    matches,
    read_matchers,
    write_matchers,
)
from telemetry.models import Finding

LONGEST_SILENCE: Final = timedelta(days=90)
LONGEST_REASON: Final = 300
_LONGEST_AUTHOR: Final = 120


@transaction.atomic
def create_silence(
    *,
    matchers: Sequence[Matcher],
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    by: User | None,
    now: datetime,
    site: Site | None = None,
    author_name: str = "",
) -> Silence:
    """Make a silence; when it is on already, pages in flight are cancelled before it returns.

    `author_name` is whom a program asks for; it may then name labels that no alert has had yet.
    Raises SilenceError and MatcherError, which change nothing.
    """
    author_name = author_name.strip()[:_LONGEST_AUTHOR]
    if by is None and not author_name:
        raise SilenceError("author_missing", "A silence needs an author; say who asks for it.")
    silence = Silence(
        matchers=write_matchers(_checked(matchers, is_from_program=bool(author_name))),
        site=site,
        starts_at=max(starts_at, now),
        ends_at=ends_at,
        reason=_checked_reason(reason),
        created_at=now,
        created_by=by,
        author_name=author_name,
    )
    _check_times(silence, now)
    silence.save(force_insert=True)
    _audit("silence.created", silence, by, now)
    if starts_at <= now:
        _apply(silence, now)
    return silence


@transaction.atomic
def change_silence(
    *,
    silence: Silence,
    by: User | None,
    now: datetime,
    matchers: Sequence[Matcher] | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    reason: str | None = None,
    site: Site | None = None,
    author_name: str = "",
) -> Silence:
    """Change what is given; return the silence in force afterwards.

    A new end alone moves the end. Any other change ends this silence and makes another that
    `replaces` it, so that what held when stays on record. One that is over stays over: it is
    replaced. Raises SilenceError and MatcherError, which change nothing.
    """
    current = _locked(silence)
    wanted = Silence(
        matchers=current.matchers if matchers is None else write_matchers(matchers),
        site=current.site if site is None else site,
        starts_at=starts_at or current.starts_at,
        ends_at=ends_at or current.ends_at,
        reason=current.reason if reason is None else _checked_reason(reason),
    )
    if not is_over(current, now=now) and _is_same_but_for_its_end(current, wanted):
        return _move_end(current, wanted.ends_at, by, now)
    wanted.author_name = author_name or ("" if by else current.author_name)
    return _replace(current, wanted, by, now)


@transaction.atomic
def end_silence(*, silence: Silence, by: User | None, now: datetime) -> bool:
    """End it now; what it alone holds back pages again. False when it was over before."""
    current = _locked(silence)
    if is_over(current, now=now):
        return False
    Silence.objects.filter(pk=current.pk, ended_at__isnull=True).update(ended_at=now)
    _audit("silence.ended", current, by, now)
    held = Suppression.objects.filter(silence=current, ended_at__isnull=True)
    settle_planned(alert_ids=list(held.values_list("alert_id", flat=True)), now=now)
    return True


def matched_alerts(*, matchers: Sequence[Matcher], site: Site | None) -> list[Alert]:
    """Return the open alerts that such a silence would hold back, the worst first."""
    fitting = _matching(checked_matchers(matchers), site)
    found = Alert.objects.filter(pk__in=fitting).select_related("site", "node")
    return list(found.order_by("severity", "opened_at", "pk"))


def is_over(silence: Silence, *, now: datetime) -> bool:
    """Tell whether it has ended, by itself or by somebody."""
    return silence.ends_at <= now or silence.ended_at is not None


def _locked(silence: Silence) -> Silence:
    return Silence.objects.select_for_update(no_key=True, of=("self",)).get(pk=silence.pk)


def _is_same_but_for_its_end(current: Silence, wanted: Silence) -> bool:
    names = ("matchers", "site_id", "starts_at", "reason")
    return all(getattr(current, name) == getattr(wanted, name) for name in names)


def _replace(current: Silence, wanted: Silence, by: User | None, now: datetime) -> Silence:
    # The new one first: between the two, nothing is let go.
    made = create_silence(
        matchers=read_matchers(wanted.matchers),
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        reason=wanted.reason,
        by=by,
        now=now,
        site=wanted.site,
        author_name=wanted.author_name,
    )
    made.replaces = current
    made.save(update_fields=["replaces"])
    end_silence(silence=current, by=by, now=now)
    return made


def _move_end(silence: Silence, ends_at: datetime, by: User | None, now: datetime) -> Silence:
    if ends_at == silence.ends_at:
        return silence
    silence.ends_at = ends_at
    silence.warned_at = None
    _check_times(silence, now)
    silence.save(update_fields=["ends_at", "warned_at"])
    _audit("silence.changed", silence, by, now)
    _apply(silence, now)
    return silence


def _apply(silence: Silence, now: datetime) -> None:
    """Let it hold back, in this transaction, what it covers now."""
    held = Suppression.objects.filter(silence=silence, ended_at__isnull=True)
    ids = set(held.values_list("alert_id", flat=True))
    ids.update(_matching(read_matchers(silence.matchers), silence.site))
    settle_planned(alert_ids=ids, now=now)


def _matching(matchers: Sequence[Matcher], site: Site | None) -> list[int]:
    alerts = open_alerts() if site is None else open_alerts().filter(site=site)
    return [s.alert_id for s in subjects_of(alerts) if matches(matchers, s.labels)]


def _check_times(silence: Silence, now: datetime) -> None:
    if silence.ends_at <= now:
        raise SilenceError("already_over", "Its end has passed already; choose a later end.")
    if silence.ends_at <= silence.starts_at:
        raise SilenceError("ends_before_start", "It ends before it starts; choose a later end.")
    if silence.ends_at - max(silence.starts_at, now) > LONGEST_SILENCE:
        raise SilenceError(
            "too_long",
            f"A silence lasts at most {LONGEST_SILENCE.days} days; choose an earlier end, and "
            "make another when it is needed still.",
        )


def _checked_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise SilenceError(
            "reason_missing",
            f"Say why, in 1 to {LONGEST_REASON} characters, for whoever looks next.",
        )
    return reason


def _checked(matchers: Sequence[Matcher], *, is_from_program: bool) -> tuple[Matcher, ...]:
    checked = checked_matchers(matchers)
    if not checked:
        raise SilenceError("matchers_missing", 'Say what to hold back, as in kind="site.dark".')
    if all(matcher.fits({}) for matcher in checked):
        raise SilenceError(
            "matches_everything",
            "At least one condition must name a value that is not empty; these fit every alert.",
        )
    if not is_from_program:
        for matcher in checked:
            _refuse_unknown_label(matcher)
    return checked


def _refuse_unknown_label(matcher: Matcher) -> None:
    """A label that no alert has or had is a slip of the pen: it would hold back nothing."""
    if matcher.name in OWN_LABELS:
        return
    external = Alert.objects.filter(kind=Finding.Kind.EXTERNAL_ALERT)
    if not external.filter(evidence__labels__has_key=matcher.name).exists():
        raise SilenceError(
            "unknown_label",
            f"No alert has a label {matcher.name!r}. Use one of {', '.join(OWN_LABELS)}, or one "
            "that an external alert carries.",
        )


def _audit(action: str, silence: Silence, by: User | None, now: datetime) -> None:
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action=action,
        subject=f"silence {silence.pk}",
        detail={"ends_at": silence.ends_at.isoformat(), "author": silence.author_name},
    )
