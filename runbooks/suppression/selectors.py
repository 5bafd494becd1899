"""What is held back, for the eyes of one user; everything begins at the sites they may see."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Prefetch,
    Q,
    QuerySet,
    Value,
)
from django.http import Http404

from fleet.access import AnyUser, sites_visible_to
from fleet.models import MaintenanceWindow
from runbooks.models import Alert, InhibitionRule, Silence, Suppression
from runbooks.suppression.silences import is_over

#: What is over stays in the lists so long, as in Alertmanager.
KEPT_AFTER_THE_END: Final = timedelta(hours=120)

_WITH_ROW: Final = ("silence", "maintenance", "inhibited_by", "by")


class SilenceState(StrEnum):
    """Where a silence stands, in Alertmanager's words."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


def state_of(silence: Silence, *, now: datetime) -> SilenceState:
    """Return where it stands at `now`."""
    if is_over(silence, now=now):
        return SilenceState.EXPIRED
    return SilenceState.PENDING if silence.starts_at > now else SilenceState.ACTIVE


def silences_for(user: AnyUser, now: datetime) -> QuerySet[Silence]:
    """Return the silences at the sites `user` may see and those of every site, by their end.

    Those that ended within the last five days are among them; `state_of` tells them apart.
    """
    newest = now - KEPT_AFTER_THE_END
    kept = Q(ends_at__gt=newest) & (Q(ended_at__isnull=True) | Q(ended_at__gt=newest))
    return _silences_visible_to(user).filter(kept).order_by("ends_at", "pk")


def silence_for(user: AnyUser, silence_id: UUID) -> Silence:
    """Return the silence, however long over, or 404 where it is hidden or does not exist."""
    silence = _silences_visible_to(user).filter(pk=silence_id).first()
    if silence is None:
        raise Http404("There is no such silence, or you may not see it.")
    return silence


def maintenance_for(user: AnyUser, now: datetime) -> QuerySet[MaintenanceWindow]:
    """Return the maintenance at the sites `user` may see that is on, to come, or just over.

    `spans.next_span_of` says when it takes place. What was called off is left out.
    """
    newest = now - KEPT_AFTER_THE_END
    recurs = ~Q(every=MaintenanceWindow.Every.ONCE)
    goes_on = Q(last_day__isnull=True) | Q(last_day__gte=newest.date())
    return (
        MaintenanceWindow.objects.filter(Q(ends_at__gt=newest) | (recurs & goes_on))
        .filter(site__in=sites_visible_to(user), cancelled_at__isnull=True)
        .select_related("site", "node", "created_by")
        .order_by("starts_at", "pk")
    )


def held_alerts_for(user: AnyUser, now: datetime) -> QuerySet[Alert]:
    """Return the open alerts that are held back, the longest held first: the ageing list.

    Each has `held_since` and `held_for` (from when and how long something has held it back
    without a break), `held_until` (the last end of any, None where only other alerts hold it) and
    `holds`, its suppressions in force.
    """
    open_rows = Q(suppressions__ended_at__isnull=True)
    began_at = Min("suppressions__began_at", filter=open_rows)
    in_force = Suppression.objects.filter(ended_at__isnull=True)
    return (
        Alert.objects.filter(site__in=sites_visible_to(user), is_suppressed=True)
        .exclude(response=Alert.Response.CLOSED)
        .annotate(held_since=began_at, held_until=Max("suppressions__until", filter=open_rows))
        .annotate(
            held_for=ExpressionWrapper(
                Value(now, output_field=DateTimeField()) - F("held_since"),
                output_field=DurationField(),
            )
        )
        .select_related("site", "node")
        .prefetch_related(
            Prefetch("suppressions", in_force.select_related(*_WITH_ROW), to_attr="holds")
        )
        .order_by("held_since", "pk")
    )


def suppressions_of(alert: Alert) -> QuerySet[Suppression]:
    """Return what holds the alert back right now, the first that began first."""
    rows = Suppression.objects.filter(alert=alert, ended_at__isnull=True)
    return rows.select_related(*_WITH_ROW).order_by("began_at", "pk")


def inhibition_rules() -> QuerySet[InhibitionRule]:
    """Return the rules by which alerts hold others back, by name; they count at every site."""
    return InhibitionRule.objects.select_related("created_by").order_by("name")


def _silences_visible_to(user: AnyUser) -> QuerySet[Silence]:
    at_their_sites = Q(site__in=sites_visible_to(user))
    everywhere = Q(site__isnull=True) if user.is_authenticated else Q(pk__in=[])
    silences = Silence.objects.filter(at_their_sites | everywhere)
    return silences.select_related("site", "created_by", "replaces")
