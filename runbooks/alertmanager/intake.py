"""Alerts of Prometheus and Alertmanager become findings, and end when their sender says so."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.db.models.lookups import LessThanOrEqual

from fleet.models import Site
from fleet.services.engine import Module, engine_transaction
from runbooks.alertmanager.repeats import note_repeats
from runbooks.alertmanager.wire import Refusal, Said, SaidAlert, fingerprint, write_time
from telemetry.detectors.detection import Detection, Json, spell_seconds
from telemetry.findings import record_detections
from telemetry.models import Finding
from telemetry.selectors import unheard_until

logger = logging.getLogger(__name__)

#: Prometheus repeats each alert about every minute and names an end; one that names none is held
#: to be over when it was not repeated for so long, as Alertmanager holds it by default.
REPEATED_WITHIN = timedelta(minutes=5)
#: Alertmanager's webhooks repeat every `repeat_interval` (4 h unless changed) and say when an
#: alert is over; only when that was lost for a whole day is it taken to be over.
WEBHOOK_REPEATED_WITHIN = timedelta(hours=24)
#: Whoever could not reach us has this long to repeat what it said once we are back, or as long as
#: it gave itself, where that is shorter. Prometheus repeats within a minute, Alertmanager tries
#: again every `group_interval` (5 min unless changed); a whole day for its webhooks would keep an
#: alert open for good where we are restarted daily.
REPEATED_WHEN_BACK = timedelta(hours=1)

_URGENT = frozenset({"critical", "urgent", "page", "emergency", "fatal"})
_HIGH = frozenset({"warning", "high", "error", "major"})
_SUMMARIES = ("summary", "message", "description")


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of one request: how many alerts were taken, and each that was not."""

    taken: int
    refused: tuple[Refusal, ...] = ()


def take_in_alerts(
    *,
    said: Said,
    sites: QuerySet[Site],
    default_site: Site | None,
    now: datetime,
    is_webhook: bool = False,
) -> Intake:
    """Write down as findings what another system said; alerts that cannot be placed are refused.

    An alert belongs to the site of `sites` that its label `site` names, else to `default_site`.
    One whose sender names no end lasts `REPEATED_WITHIN` after its last repeat, or where
    Alertmanager's webhook told it, `WEBHOOK_REPEATED_WITHIN`.
    """
    placed, homeless = _place(said.alerts, sites, default_site)
    for site, alerts in placed.items():
        detections = (
            _with_lost_ends(site, alerts, now)
            if is_webhook
            else [_detection(alert, now, REPEATED_WITHIN) for alert in alerts]
        )
        record_detections(
            site=site,
            detections=note_repeats(site=site, detections=detections, now=now),
            now=now,
            source=Finding.Source.ALERTMANAGER,
        )
    refused = sorted((*said.refused, *homeless), key=lambda refusal: refusal.index)
    if refused or said.left_out:
        logger.warning(
            "external_alerts.refused", extra={"refused": len(refused), "left_out": said.left_out}
        )
    return Intake(len(said.alerts) - len(homeless), tuple(refused))


def expire_external(*, now: datetime, limit: int = 500) -> int:
    """Clear the external alerts that were not repeated until their end; return how many.

    While no door of ours is open nothing is repeated, so nothing is over; what was last said
    before we were away has its time anew once we are back, up to REPEATED_WHEN_BACK. Safe beside
    the door that takes repeats in: what is being repeated just now is passed over.
    """
    back_at = unheard_until(now=now)
    with engine_transaction(module=Module.INTAKE):
        overdue = list(
            # The condition is asked again once the row is locked, so a repeat that came first wins.
            Finding.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                source=Finding.Source.ALERTMANAGER,
                cleared_at__isnull=True,
                # Every end is written by `write_time`, so text sorts as time does.
                evidence__ends_at__lte=write_time(now),
            )
            .filter(_had_time_to_repeat(back_at, now))
            .select_related("site", "node")
            .order_by("site_id", "pk")[:limit]
        )
        for site, findings in groupby(overdue, key=lambda finding: finding.site):
            record_detections(
                site=site,
                detections=[_expiry(finding, now) for finding in findings],
                now=now,
                source=Finding.Source.ALERTMANAGER,
            )
    return len(overdue)


def _had_time_to_repeat(back_at: datetime | None, now: datetime) -> Q:
    """Return what holds for alerts whose sender could reach us for the time it gave itself."""
    if back_at is None or now - back_at >= REPEATED_WHEN_BACK:
        return Q()
    ends_at = Cast(KeyTextTransform("ends_at", "evidence"), DateTimeField())
    given = ExpressionWrapper(ends_at - F("updated_at"), output_field=DurationField())
    return Q(LessThanOrEqual(given, now - back_at))


def _place(
    alerts: Iterable[SaidAlert], sites: QuerySet[Site], default_site: Site | None
) -> tuple[dict[Site, list[SaidAlert]], list[Refusal]]:
    said = list(alerts)
    slugs = {alert.labels["site"] for alert in said if "site" in alert.labels}
    by_slug = {site.slug: site for site in sites.filter(slug__in=slugs)} if slugs else {}
    fallback = sites.filter(pk=default_site.pk).first() if default_site is not None else None
    placed: dict[Site, list[SaidAlert]] = defaultdict(list)
    homeless = []
    for alert in said:
        # A label that names no site of ours must not lose the alert where the token has a site.
        site = by_slug.get(alert.labels.get("site", ""), fallback)
        if site is None:
            homeless.append(_homeless(alert))
        else:
            placed[site].append(alert)
    return placed, homeless


def _homeless(alert: SaidAlert) -> Refusal:
    named = alert.labels.get("site")
    message = (
        f"alert {alert.name!r} names the site {named!r}, which does not exist or is hidden from "
        "this token; correct the label `site`"
        if named
        else f"alert {alert.name!r} names no site; give it a label `site`, or the token a site"
    )
    return Refusal(alert.index, "unknown_site" if named else "no_site", message)


def _with_lost_ends(site: Site, alerts: Sequence[SaidAlert], now: datetime) -> list[Detection]:
    """Return the detections, with the end of an earlier firing where its news was lost.

    A webhook's alert that begins later than the firing we know of begins anew: the word that the
    first was over never came. Prometheus itself may shift a beginning when it restarts, so what
    it sends is not judged so.
    """
    known = _known_starts(site, alerts)
    detections = []
    for alert in alerts:
        detection = _detection(alert, now, WEBHOOK_REPEATED_WITHIN)
        begun, begins = known.get(detection.fingerprint), detection.evidence["starts_at"]
        if detection.is_firing and isinstance(begins, str) and begun and begun < begins:
            lost = f"{alert.name} was over and began anew; the word of its end was lost."
            detections.append(replace(detection, is_firing=False, summary=lost, evidence={}))
        detections.append(detection)
    return detections


def _known_starts(site: Site, alerts: Sequence[SaidAlert]) -> Mapping[str, str]:
    rows = Finding.objects.filter(
        site=site,
        cleared_at__isnull=True,
        fingerprint__in={_fingerprint(alert) for alert in alerts},
    )
    return dict(rows.values_list("fingerprint", "evidence__starts_at"))


def _detection(alert: SaidAlert, now: datetime, repeated_within: timedelta) -> Detection:
    is_over = alert.is_over(now)
    ends_at = alert.ends_at or (now if is_over else now + repeated_within)
    starts_at = min(alert.starts_at or now, now)
    return Detection(
        kind=Finding.Kind.EXTERNAL_ALERT,
        fingerprint=_fingerprint(alert),
        is_firing=not is_over,
        severity=_severity(alert.labels.get("severity", "")),
        at=starts_at.timestamp(),
        node=_node_name(alert.labels),
        summary=f"{alert.name} is over, its sender says." if is_over else _summary(alert),
        evidence=_evidence(alert, ends_at, now),
    )


def _evidence(alert: SaidAlert, ends_at: datetime, now: datetime) -> dict[str, Json]:
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "generator_url": alert.generator_url,
        "starts_at": write_time(alert.starts_at) if alert.starts_at else None,
        "ends_at": write_time(ends_at),
        # Its sender says now that it holds, however long ago it began: this is no old news.
        "window_end": now.timestamp(),
    }


def _expiry(finding: Finding, now: datetime) -> Detection:
    labels = finding.evidence.get("labels", {})
    silent = spell_seconds((now - finding.updated_at).total_seconds())
    return Detection(
        kind=finding.kind,
        fingerprint=finding.fingerprint,
        is_firing=False,
        severity=finding.severity,
        at=finding.began_at.timestamp(),
        node=finding.node.name if finding.node else None,
        summary=f"{labels.get('alertname') or 'The alert'} was not repeated for {silent}, so it "
        "is taken to be over.",
        evidence={},
    )


def _fingerprint(alert: SaidAlert) -> str:
    return f"am/{fingerprint(alert.labels)}"


def _severity(label: str) -> int:
    word = label.strip().lower()
    if word in _URGENT:
        return Finding.Severity.URGENT
    return Finding.Severity.HIGH if word in _HIGH else Finding.Severity.LOW


def _node_name(labels: Mapping[str, str]) -> str | None:
    """Return the node an alert is about: its `node`, else the host of its `instance`."""
    return labels.get("node") or labels.get("instance", "").partition(":")[0] or None


def _summary(alert: SaidAlert) -> str:
    for key in _SUMMARIES:
        text = " ".join(alert.annotations.get(key, "").split())
        if text:
            return text
    where = alert.labels.get("instance") or alert.labels.get("node")
    return f"{alert.name} on {where}." if where else f"{alert.name}."
