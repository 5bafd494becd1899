"""From findings to alerts: every finding that changed is taken in once, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Subquery

from fleet.models import Site
from runbooks.alerts import lifecycle
from runbooks.models import Alert
from runbooks.paging.worklist import work_through
from telemetry.models import Finding


def take_in_findings(*, now: datetime, limit: int = 500) -> int:
    """Take in the findings that the alerts have not heard of, oldest first; return how many.

    Safe beside other workers and after a crash: a finding is taken in with its alert, its
    escalation and its timeline entry, or not at all.
    """
    owed = (
        # The site is locked too: one worker at a time per site, so that the findings of one key
        # are taken in in their order and two of them never open two alerts.
        Finding.objects.select_for_update(skip_locked=True, no_key=True, of=("self", "site"))
        .filter(revision__gt=F("taken_in_revision"))
        .select_related("site", "node")
        .order_by("pk")
    )
    return work_through(owed, partial(_take_in, now=now), limit=limit, event="intake.failed")


def follow_findings(*, now: datetime) -> int:
    """Let open alerts say what their firing finding says by now; return how many changed.

    Facts only, in one statement: no page, no timeline entry. Whatever needs either has raised
    the finding's revision and is taken in.
    """
    finding = Finding.objects.filter(
        pk=OuterRef("finding_id"), cleared_at__isnull=True, revision=F("taken_in_revision")
    )
    stale = Alert.objects.exclude(response=Alert.Response.CLOSED).filter(
        Exists(finding.filter(updated_at__gt=OuterRef("last_seen_at"))),
        condition=Alert.Condition.FIRING,
    )
    return stale.update(
        summary=Subquery(finding.values("summary")),
        evidence=Subquery(finding.values("evidence")),
        last_seen_at=now,
    )


def is_old_news(finding: Finding) -> bool:
    """Tell whether the data were past the paging horizon when the detectors first saw it.

    Judged by when it was detected, not by when it is taken in: replayed data never page, but a
    finding that waited out an outage of ours does.
    """
    horizon = timedelta(seconds=settings.HEARTHWATCH_PAGING_HORIZON_SECONDS)
    newest = max(finding.began_at, _last_evidence(finding))
    return finding.detected_at - newest > horizon


def _take_in(finding: Finding, *, now: datetime) -> None:
    alert = _open_alert_of(finding)
    if alert is None:
        alert = _open_if_due(finding, now)
    elif finding.cleared_at is None:
        _refresh(alert, finding, now)
    # A clear belongs to the firing it ends: when a newer finding holds the alert, it fires on.
    if alert is not None and finding.cleared_at is not None and alert.finding_id == finding.pk:
        lifecycle.clear_alert(alert=alert, finding=finding, now=now)
    Finding.objects.filter(pk=finding.pk).update(taken_in_revision=finding.revision)


def _open_alert_of(finding: Finding) -> Alert | None:
    return (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site", "acknowledged_by", "policy_version")
        .filter(site=finding.site_id, dedup_key=finding.fingerprint)
        .exclude(response=Alert.Response.CLOSED)
        .first()
    )


def _open_if_due(finding: Finding, now: datetime) -> Alert | None:
    if not _may_page(finding) or not _is_news(finding):
        return None
    return lifecycle.open_alert(finding=finding, now=now)


def _may_page(finding: Finding) -> bool:
    return finding.site.status == Site.Status.ACTIVE and not is_old_news(finding)


def _is_news(finding: Finding) -> bool:
    """Tell whether a finding without an open alert deserves one.

    A finding whose alert a person closed while it fired is settled until it gets worse.
    """
    if finding.taken_in_revision == 0:
        return True
    if finding.cleared_at is not None:
        return False
    settled = Alert.objects.filter(finding=finding).order_by("-pk").first()
    return settled is None or finding.severity < settled.severity


def _refresh(alert: Alert, finding: Finding, now: datetime) -> None:
    if not _may_page(finding):
        return
    fires_again = alert.finding_id != finding.pk or alert.condition == Alert.Condition.CLEARED
    is_worse = finding.severity < alert.severity
    if fires_again:
        lifecycle.fire_again(alert=alert, finding=finding, now=now)
    if is_worse:
        lifecycle.worsen(alert=alert, finding=finding, now=now)
    if not fires_again and not is_worse:
        lifecycle.change(alert=alert, finding=finding, now=now)


def _last_evidence(finding: Finding) -> datetime:
    """Return the event time of the newest data the finding rests on."""
    window_end = finding.evidence.get("window_end")
    if isinstance(window_end, bool) or not isinstance(window_end, int | float):
        return finding.began_at
    try:
        return datetime.fromtimestamp(window_end, UTC)
    except (ValueError, OverflowError, OSError):
        return finding.began_at
