"""What an alert does when its condition fires, worsens or clears, and how it ends.

`docs/alert-life.md` has the table; T1 to T8 name its rows. Callers hold the alert's row lock, so
the instance they pass is current; every change is a guarded update all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Case, DateTimeField, F, Value, When

from runbooks.alerts.actions import ENGINE, NOBODY, Actor, write_actions
from runbooks.alerts.errors import holder_of
from runbooks.alerts.firings import note_firing
from runbooks.escalation.policies import policy_version_for
from runbooks.escalation.services import (
    begin_escalations,
    go_on_with_escalation,
    hurry_escalation,
    pause_escalations,
    resume_escalation,
    stop_escalations,
)
from runbooks.library.match import match_runbook
from runbooks.models import (
    Alert,
    AlertEvent,
    Escalation,
    EscalationPolicyVersion,
    Page,
    RunbookVersion,
)
from runbooks.paging.notices import queue_notices, queue_notices_of
from runbooks.paging.outbox import hasten_pages
from runbooks.paging.timeline import clip, write_entries, write_entry
from telemetry.models import Finding

logger = logging.getLogger(__name__)

Condition = Alert.Condition
Response = Alert.Response
Kind = AlertEvent.Kind

_ONE_MORE = F("revision") + 1


def open_alert(*, finding: Finding, now: datetime) -> Alert:
    """T1: open the alert of a finding, its runbook and policy pinned, its first step due now.

    Raises NoRunbook, NoPolicy, and IntegrityError when an alert with this key is open already.
    """
    site = finding.site
    version = match_runbook(
        kind=finding.kind, site=site, node=finding.node, evidence=finding.evidence
    )
    earlier = Alert.objects.filter(
        site=site, dedup_key=finding.fingerprint, response=Response.CLOSED
    )
    opening = Opening(
        finding=finding,
        runbook_version=version,
        policy_version=policy_version_for(site),
        previous=earlier.order_by("-closed_at", "-pk").first(),
    )
    [alert] = open_alerts([opening], now=now)
    if alert.previous_id is not None:
        note_firing(alert, now)
    return alert


@dataclass(frozen=True, slots=True)
class Opening:
    """A finding that opens an alert, and what is pinned to the alert."""

    finding: Finding
    runbook_version: RunbookVersion
    policy_version: EscalationPolicyVersion
    previous: Alert | None = None


def open_alerts(openings: Sequence[Opening], *, now: datetime) -> list[Alert]:
    """T1 for many findings, in a few statements; raises IntegrityError as `open_alert` does."""
    alerts = [
        Alert(
            site=opening.finding.site,
            node=opening.finding.node,
            finding=opening.finding,
            dedup_key=opening.finding.fingerprint,
            kind=opening.finding.kind,
            severity=opening.finding.severity,
            summary=opening.finding.summary,
            evidence=opening.finding.evidence,
            began_at=opening.finding.began_at,
            opened_at=now,
            last_seen_at=now,
            runbook_version=opening.runbook_version,
            policy_version=opening.policy_version,
            previous=opening.previous,
        )
        for opening in openings
    ]
    Alert.objects.bulk_create(alerts)
    for alert in alerts:
        logger.info("alert.opened", extra={"alert_id": alert.pk, "site": alert.site.slug})
    write_entries([_opened(alert, now) for alert in alerts])
    begin_escalations(alerts=alerts, now=now)
    return alerts


def _opened(alert: Alert, now: datetime) -> AlertEvent:
    what = f"{word_for(alert.severity)}: {alert.summary.rstrip('.')}"
    sentence = f"Opened as {what}. Runbook: {alert.runbook_version}."
    return AlertEvent(alert=alert, kind=Kind.OPENED, at=now, sentence=sentence)


def fire_again(*, alert: Alert, finding: Finding, now: datetime) -> None:
    """T2: an open alert fires once more; it counts, and pages go on where a clear paused them.

    While it is flapping, paging goes on where it was, and never begins anew.
    """
    _update_facts(alert, finding, now)
    Alert.objects.filter(pk=alert.pk).exclude(response=Response.CLOSED).update(
        finding=finding, fired_count=F("fired_count") + 1
    )
    came_back = (
        Alert.objects.filter(pk=alert.pk, condition=Condition.CLEARED)
        .exclude(response=Response.CLOSED)
        .update(condition=Condition.FIRING, cleared_at=None)
    )
    sentence = f"Fired again, {alert.fired_count + 1} times so far: {finding.summary}"
    write_entry(alert=alert, kind=Kind.FIRED_AGAIN, sentence=sentence, now=now)
    is_flapping = note_firing(alert, now)
    if not came_back or alert.response != Response.UNACKNOWLEDGED:
        return
    if is_flapping:
        go_on_with_escalation(alert=alert, now=now)
    else:
        resume_escalation(alert=alert, now=now)


def worsen(*, alert: Alert, finding: Finding, now: datetime) -> None:
    """T3: the severity rises; an acknowledged alert alarms anew, from the first step."""
    before = word_for(alert.severity)
    _update_facts(alert, finding, now)
    Alert.objects.filter(pk=alert.pk, severity__gt=finding.severity).update(
        severity=finding.severity
    )
    sentence = f"Rose from {before} to {word_for(finding.severity)}: {finding.summary}"
    taken = Alert.objects.filter(pk=alert.pk, response=Response.ACKNOWLEDGED).update(
        response=Response.UNACKNOWLEDGED, **NOBODY
    )
    if taken:
        holder = holder_of(alert)
        sentence = f"{clip(sentence, 250)} {holder} took it when it was milder: paging begins anew."
    exhausted = Escalation.objects.filter(alert=alert, state=Escalation.State.EXHAUSTED)
    if taken or exhausted.exists():
        resume_escalation(alert=alert, now=now)
    elif alert.response == Response.UNACKNOWLEDGED:
        hurry_escalation(alert=alert, now=now)
    hasten_pages(alert=alert, now=now)
    write_entry(alert=alert, kind=Kind.SEVERITY_ROSE, sentence=sentence, now=now)


def change(*, alert: Alert, finding: Finding, now: datetime) -> None:
    """The facts change and get no worse; an alert keeps the worst severity it has had."""
    _update_facts(alert, finding, now)
    sentence = f"Changed: {finding.summary}"
    if finding.severity > alert.severity:
        sentence = f"Eased to {word_for(finding.severity)}: {finding.summary}"
    write_entry(alert=alert, kind=Kind.CHANGED, sentence=sentence, now=now)


def clear_alert(*, alert: Alert, finding: Finding, now: datetime) -> None:
    """T4 and T5: the condition is over; see `clear_alerts`."""
    clear_alerts([(alert, finding)], now=now)


def clear_alerts(clears: Sequence[tuple[Alert, Finding]], *, now: datetime) -> None:
    """T4 and T5 for many alerts, each with the finding that is over, in a few statements.

    What somebody has taken, and what is low, closes. Urgent and high alerts that nobody has taken
    stop paging and stay until a person has seen them. What is flapping stays, whoever has it,
    until it has settled.
    """
    firing = Alert.objects.filter(
        pk__in=[alert.pk for alert, _ in clears], condition=Condition.FIRING
    ).exclude(response=Response.CLOSED)
    ids = set(firing.values_list("pk", flat=True))
    if not ids:
        return
    cleared = [(alert, finding) for alert, finding in clears if alert.pk in ids]
    moments = [When(pk=alert.pk, then=Value(finding.cleared_at)) for alert, finding in cleared]
    firing.update(
        condition=Condition.CLEARED,
        cleared_at=Case(*moments, output_field=DateTimeField()),
        revision=_ONE_MORE,
    )
    write_entries([_cleared(alert, finding, now) for alert, finding in cleared])
    over = [alert for alert, _ in cleared if _closes_by_itself(alert)]
    end_all(alerts=over, reason="The condition cleared.", now=now)
    waiting = {alert.pk for alert, _ in cleared if alert.response != Response.ACKNOWLEDGED}
    pause_escalations(alert_ids=waiting - {alert.pk for alert in over}, now=now)


def _cleared(alert: Alert, finding: Finding, now: datetime) -> AlertEvent:
    sentence = f"Cleared: {finding.summary}"
    return AlertEvent(alert=alert, kind=Kind.CLEARED, at=now, sentence=sentence)


def _closes_by_itself(alert: Alert) -> bool:
    is_taken = alert.response == Response.ACKNOWLEDGED
    return (is_taken or alert.severity == Finding.Severity.LOW) and not alert.is_flapping


def after_acknowledgement(*, alert: Alert, actor: Actor, now: datetime) -> None:
    """Close an alert that was acknowledged after it cleared, unless it is flapping.

    Whichever of clear and acknowledgement comes first, the end is the same. Receivers that keep a
    state of their own are told either way.
    """
    if alert.condition == Condition.CLEARED and not alert.is_flapping:
        # The action's id belongs to the acknowledgement's entry.
        closer = replace(actor, client_action_id=None)
        end(alert=alert, reason="The condition had cleared.", now=now, actor=closer)
    else:
        queue_notices(alert=alert, purpose=Page.Purpose.ACKNOWLEDGED, now=now)


def end(*, alert: Alert, reason: str, now: datetime, actor: Actor = ENGINE) -> bool:
    """T8: close for good, by a person or by itself; False when it was closed before."""
    return bool(end_all(alerts=[alert], reason=reason, now=now, actor=actor))


def end_all(*, alerts: Sequence[Alert], reason: str, now: datetime, actor: Actor = ENGINE) -> int:
    """T8 for many alerts, in a few statements; return how many were open until now."""
    still_open = Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).exclude(
        response=Response.CLOSED
    )
    ids = set(still_open.values_list("pk", flat=True)) if alerts else set()
    if not ids:
        return 0
    still_open.update(
        response=Response.CLOSED,
        closed_at=now,
        closed_by=actor.user,
        closed_owner=None if actor.user else actor.owner,
        close_reason=clip(reason, 300),
        revision=_ONE_MORE,
    )
    stop_escalations(alert_ids=ids)
    queue_notices_of(alert_ids=ids, purpose=Page.Purpose.RESOLVED, now=now)
    sentence = f"Closed: {reason}" if reason else "Closed."
    ended = [alert for alert in alerts if alert.pk in ids]
    write_actions(alerts=ended, kind=Kind.CLOSED, sentence=sentence, now=now, actor=actor)
    for alert in ended:
        logger.info("alert.closed", extra={"alert_id": alert.pk})
    return len(ended)


def word_for(severity: int) -> str:
    """Return the severity as people say it: `urgent`, `high`, `low`."""
    return Finding.Severity(severity).label.lower()


def _update_facts(alert: Alert, finding: Finding, now: datetime) -> None:
    Alert.objects.filter(pk=alert.pk).exclude(response=Response.CLOSED).update(
        summary=finding.summary,
        evidence=finding.evidence,
        last_seen_at=now,
        revision=_ONE_MORE,
    )
