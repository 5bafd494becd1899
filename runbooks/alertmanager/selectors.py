"""Our alerts and silences in Alertmanager's terms; everything begins at what a user may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from fleet.access import AnyUser, sites_visible_to
from runbooks.alertmanager.documents import ShownAlert, ShownSilence
from runbooks.alertmanager.wire import fingerprint, read_time
from runbooks.alerts.selectors import alerts_visible_to
from runbooks.models import Alert, EscalationPolicy, Silence, Suppression
from runbooks.suppression.labels import labels_of
from runbooks.suppression.matchers import Matcher, matches
from telemetry.models import Finding

#: How long an ended silence is still listed, as in Alertmanager.
_ENDED_ARE_KEPT = timedelta(hours=120)
_STATES = ("active", "pending", "expired")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a program asks for; `receiver` is a condition on the policy's name."""

    matchers: tuple[Matcher, ...] = ()
    receiver: tuple[Matcher, ...] = ()
    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    muted: bool = True

    def includes(self, alert: ShownAlert) -> bool:
        """Tell whether one alert is asked for."""
        is_hidden = (
            (not self.active and not alert.is_suppressed)
            or (not self.silenced and bool(alert.silenced_by))
            or (not self.inhibited and bool(alert.inhibited_by))
            or (not self.muted and bool(alert.muted_by))
        )
        return (
            not is_hidden
            and matches(self.matchers, alert.labels)
            and matches(self.receiver, {"receiver": alert.receiver})
        )


def shown_alerts(*, user: AnyUser, wanted: Wanted) -> list[ShownAlert]:
    """Return the alerts that fire and that nobody has closed, as far as `user` may see them."""
    alerts = list(
        alerts_visible_to(user)
        .exclude(response=Alert.Response.CLOSED)
        .filter(condition=Alert.Condition.FIRING)
        .select_related(
            "site",
            "node",
            "runbook_version__runbook",
            "policy_version__policy",
            "acknowledged_by",
            "acknowledged_owner",
        )
        # Some 40 kB an edition, of which nothing is shown here.
        .defer("runbook_version__source", "runbook_version__document")
    )
    held = _held(alert.pk for alert in alerts if alert.is_suppressed)
    shown = (_shown_alert(alert, held.get(alert.pk, [])) for alert in alerts)
    return [alert for alert in shown if wanted.includes(alert)]


def receivers_for(user: AnyUser) -> list[str]:
    """Return the names of the escalation policies that the sites of `user` follow."""
    policies = EscalationPolicy.objects.filter(sites__site__in=sites_visible_to(user))
    return list(policies.order_by("name").values_list("name", flat=True).distinct())


def silences_visible_to(user: AnyUser) -> QuerySet[Silence]:
    """Return the silences that can hold back an alert which `user` may see."""
    everywhere = Q(site__isnull=True) if sites_visible_to(user).exists() else Q(pk__in=[])
    return Silence.objects.filter(everywhere | Q(site__in=sites_visible_to(user)))


def shown_silences(
    *, user: AnyUser, matchers: Sequence[Matcher], now: datetime
) -> list[ShownSilence]:
    """Return the silences in force, to come and lately ended: those that end first, first.

    `matchers` are asked of what a silence's own matchers say, as Alertmanager asks them.
    """
    since = now - _ENDED_ARE_KEPT
    lately = Q(ended_at__isnull=True) | Q(ended_at__gt=since)
    recent = silences_visible_to(user).filter(lately, ends_at__gt=since)
    shown = [
        shown_silence(silence, now=now) for silence in recent.select_related("created_by", "site")
    ]
    wanted = [
        silence
        for silence in shown
        if matches(
            tuple(matchers), {matcher["name"]: matcher["value"] for matcher in silence.matchers}
        )
    ]
    return sorted(wanted, key=lambda one: (_STATES.index(one.state), one.ends_at, one.id))


def silence_with(*, user: AnyUser, silence_id: UUID) -> Silence | None:
    """Return one silence, or None where it is hidden from `user` or does not exist."""
    silences = silences_visible_to(user).select_related("site", "created_by")
    return silences.filter(pk=silence_id).first()


def shown_silence(silence: Silence, *, now: datetime) -> ShownSilence:
    """Return a silence as other programs see it at `now`."""
    ends_at = min(silence.ended_at or silence.ends_at, silence.ends_at)
    standing = "pending" if silence.starts_at > now else "active"
    state = "expired" if ends_at <= now else standing
    matchers = list(silence.matchers)
    scope = silence.site
    if scope is not None and not any(matcher["name"] == "site" for matcher in matchers):
        # It holds back alerts of this site alone, so whoever reads it must be told.
        matchers.append({"name": "site", "value": scope.slug, "is_regex": False, "is_equal": True})
    return ShownSilence(
        id=str(silence.pk),
        matchers=matchers,
        starts_at=silence.starts_at,
        ends_at=ends_at,
        updated_at=silence.ended_at or silence.created_at,
        created_by=silence.author_name or str(silence.created_by or ""),
        comment=silence.reason,
        state=state,
    )


def alert_fingerprint(alert: Alert) -> str:
    """Return what other programs know an alert by.

    Another system's alert keeps the fingerprint it has there. One of ours may share its labels
    with others, such as two full disks of one node, so its own key counts instead.
    """
    if alert.kind == Finding.Kind.EXTERNAL_ALERT and alert.dedup_key.startswith("am/"):
        return alert.dedup_key.removeprefix("am/")
    return fingerprint({"site": alert.site.slug, "dedup_key": alert.dedup_key})


def _held(alert_ids: Iterable[int]) -> Mapping[int, list[Suppression]]:
    """Return what holds back each of these alerts just now, the longest in force first."""
    rows = Suppression.objects.filter(alert__in=list(alert_ids), ended_at__isnull=True)
    held = defaultdict(list)
    for row in rows.select_related("inhibited_by__site", "inhibited_by__node"):
        held[row.alert_id].append(row)
    return held


def _shown_alert(alert: Alert, held: list[Suppression]) -> ShownAlert:
    causes = [row.inhibited_by for row in held if row.inhibited_by is not None]
    is_external = alert.kind == Finding.Kind.EXTERNAL_ALERT
    page = f"{settings.HEARTHWATCH_BASE_URL}/alerts/{alert.pk}/"
    return ShownAlert(
        fingerprint=alert_fingerprint(alert),
        # An empty label is no label to Alertmanager, and matchers see no difference.
        labels={name: value for name, value in labels_of(alert).items() if value},
        annotations=_annotations(alert, page),
        receiver=alert.policy_version.policy.name,
        starts_at=alert.began_at,
        updated_at=alert.last_seen_at,
        ends_at=_external_end(alert) if is_external else None,
        generator_url=str(alert.evidence.get("generator_url") or page) if is_external else page,
        silenced_by=tuple(str(row.silence_id) for row in held if row.silence_id is not None),
        inhibited_by=tuple(alert_fingerprint(cause) for cause in causes),
        muted_by=tuple(
            row.source for row in held if row.silence_id is None and row.inhibited_by_id is None
        ),
    )


def _annotations(alert: Alert, page: str) -> dict[str, str]:
    said = alert.evidence.get("annotations")
    annotations = dict(said) if isinstance(said, dict) else {}
    version = alert.runbook_version
    runbook = f"{settings.HEARTHWATCH_BASE_URL}/runbooks/{version.runbook.slug}/"
    annotations |= {
        "summary": alert.summary,
        "runbook": f"{version.runbook.title} v{version.number}",
        "hearthwatch_url": page,
    }
    annotations.setdefault("runbook_url", runbook)
    if alert.response == Alert.Response.ACKNOWLEDGED:
        annotations["acknowledged_by"] = str(alert.acknowledged_by or alert.acknowledged_owner)
    return annotations


def _external_end(alert: Alert) -> datetime | None:
    try:
        return read_time(str(alert.evidence.get("ends_at", "")))
    except ValueError:
        return None
