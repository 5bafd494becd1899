"""From findings to alerts: every finding that changed is taken in once, in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime
from functools import partial

from django.db import InterfaceError, OperationalError
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from fleet.models import Site
from fleet.services.engine import EngineMismatch, Module, engine_transaction
from runbooks.alerts import lifecycle
from runbooks.alerts.clears import take_in_clears
from runbooks.alerts.lots import Lot, lot_of, lot_of_finding
from runbooks.alerts.newcomers import owed_findings, take_in_newcomers
from runbooks.alerts.news import is_news, is_old_news, may_page
from runbooks.alerts.storms import STORM_ALERTS, has_open_storm, take_in_together
from runbooks.models import Alert
from runbooks.paging.worklist import work_through
from runbooks.suppression.cycle import suppress_at_birth
from runbooks.suppression.inhibition import EXPLAINS_OTHERS, KINDS_THAT_EXPLAIN
from telemetry.models import Finding

__all__ = ["follow_findings", "is_old_news", "take_in_findings"]

logger = logging.getLogger(__name__)

#: Findings of one storm in one transaction, and transactions a call: a storm of one kind must not
#: keep the others waiting.
AT_ONCE = 1_000
MOST_TOGETHER = 5


def take_in_findings(*, now: datetime, limit: int = 500, alone: int = 500) -> int:
    """Take in the findings that the alerts have not heard of; return how many.

    What others follow from comes first, so that they are held back as they open; then what is
    plainly new, so that it waits for nothing else, then what is plainly over; of each the oldest
    first. Safe beside other workers and after a crash: a finding is taken in with its alert, its
    escalation and its timeline entry, or not at all. At most `limit` new ones, as many that are
    over, and of those that are taken in one by one at most `alone` that others follow from and
    `alone` others; those of storms go together, thousands a call.
    """
    owed = owed_findings().select_related("site", "node").order_by("pk")
    # The site is locked too: one worker at a time per site, so that the findings of one key are
    # taken in in their order and two of them never open two alerts.
    owed = owed.select_for_update(skip_locked=True, no_key=True, of=("self", "site"))
    is_new, is_over = Q(taken_in_revision=0), Q(cleared_at__isnull=False)
    work = partial(work_through, module=Module.INTAKE, event="intake.failed")
    take_in = partial(_take_in, now=now)
    newcomers = partial(take_in_newcomers, now=now)
    clears = partial(take_in_clears, now=now)

    lots = _owed_lots()
    done = 0
    if any(lot.kind in KINDS_THAT_EXPLAIN for _, lot in lots):
        explaining = owed.filter(EXPLAINS_OTHERS & ~is_over)
        done += work(_again(explaining), take_in, limit=alone)
        done += work(explaining.filter(is_new), None, limit=limit, together=newcomers)
    done += _take_in_storms(lots, now)
    done += work(owed.filter(is_new & ~is_over), None, limit=limit, together=newcomers)
    done += work(owed.filter(is_over & ~is_new), None, limit=limit, together=clears)
    return done + work(owed, take_in, limit=alone, together=newcomers)


def _again(explaining: QuerySet[Finding]) -> QuerySet[Finding]:
    """Return those that an alert has spoken of; a site that others hang on before these."""
    known = Alert.objects.filter(site=OuterRef("site"), dedup_key=OuterRef("fingerprint"))
    hubs_first = F("site__parent").asc(nulls_first=True)
    return explaining.filter(Exists(known)).order_by(hubs_first, "pk")


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
    with engine_transaction(module=Module.INTAKE):
        # Locked by number, as everybody locks who takes many; those in use follow next time.
        locked = stale.select_for_update(no_key=True, skip_locked=True, of=("self",))
        ids = list(locked.order_by("pk").values_list("pk", flat=True))
        return _follow(Alert.objects.filter(pk__in=ids), finding, now) if ids else 0


def _follow(alerts: QuerySet[Alert], finding: QuerySet[Finding], now: datetime) -> int:
    # Asked again: the finding may have changed or cleared since the alerts were locked.
    return alerts.filter(Exists(finding)).update(
        summary=Subquery(finding.values("summary")),
        evidence=Subquery(finding.values("evidence")),
        last_seen_at=now,
    )


def _owed_lots() -> Counter[tuple[int, Lot]]:
    """Count the findings that are owed, by site and lot."""
    alertname = "evidence__labels__alertname"
    rows = owed_findings().order_by().values_list("site_id", "kind", alertname)
    counts: Counter[tuple[int, Lot]] = Counter()
    for site_id, kind, name, count in rows.annotate(count=Count("pk")):
        counts[site_id, lot_of(kind=kind, alertname=name)] += count
    return counts


def _take_in_storms(counts: Counter[tuple[int, Lot]], now: datetime) -> int:
    """Take in what belongs to storms, many at a time; return how many."""
    raging = has_open_storm(site_ids=list({site_id for site_id, _ in counts}))
    done = 0
    for (site_id, lot), count in sorted(counts.items()):
        if count <= STORM_ALERTS and (site_id, lot.key) not in raging:
            continue
        for _ in range(MOST_TOGETHER):
            taken = _take_in_group(site_id, lot, now)
            done += taken
            if taken < AT_ONCE:
                break
    return done


def _take_in_group(site_id: int, lot: Lot, now: datetime) -> int:
    """Take in the first findings of one lot at one site that belong to a storm; return how many.

    What fails is left to be taken in one by one, where one bad finding stops no other.
    """
    try:
        with engine_transaction(module=Module.INTAKE):
            rows = Site.objects.select_for_update(skip_locked=True, no_key=True)
            site = rows.filter(pk=site_id).first()
            if site is None:
                return 0
            owed = owed_findings().filter(lot.matching(), site=site).order_by("pk")
            findings = list(owed.select_for_update(skip_locked=True, no_key=True)[:AT_ONCE])
            for finding in findings:
                finding.site = site
            taken = take_in_together(site=site, lot=lot, findings=findings, now=now)
            Finding.objects.filter(pk__in=taken).update(taken_in_revision=F("revision"))
            return len(taken)
    except (OperationalError, InterfaceError, EngineMismatch):
        raise
    except Exception:
        logger.exception("intake.storm_failed", extra={"site_id": site_id, "key": lot.key})
        return 0


def _take_in(finding: Finding, *, now: datetime) -> None:
    lot = lot_of_finding(finding)
    if not take_in_together(site=finding.site, lot=lot, findings=[finding], now=now):
        _take_in_alone(finding, now)
    Finding.objects.filter(pk=finding.pk).update(taken_in_revision=finding.revision)


def _take_in_alone(finding: Finding, now: datetime) -> None:
    alert = _open_alert_of(finding)
    if alert is None:
        alert = _open_if_due(finding, now)
    elif finding.cleared_at is None:
        _refresh(alert, finding, now)
    # A clear belongs to the firing it ends: when a newer finding holds the alert, it fires on.
    if alert is not None and finding.cleared_at is not None and alert.finding_id == finding.pk:
        lifecycle.clear_alert(alert=alert, finding=finding, now=now)


def _open_alert_of(finding: Finding) -> Alert | None:
    return (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site", "acknowledged_by", "policy_version")
        .filter(site=finding.site_id, dedup_key=finding.fingerprint)
        .exclude(response=Alert.Response.CLOSED)
        .first()
    )


def _open_if_due(finding: Finding, now: datetime) -> Alert | None:
    if not may_page(finding) or not is_news(finding):
        return None
    alert = lifecycle.open_alert(finding=finding, now=now)
    suppress_at_birth(alerts=[alert], now=now)
    return alert


def _refresh(alert: Alert, finding: Finding, now: datetime) -> None:
    if not may_page(finding):
        return
    fires_again = alert.finding_id != finding.pk or alert.condition == Alert.Condition.CLEARED
    is_worse = finding.severity < alert.severity
    if fires_again:
        lifecycle.fire_again(alert=alert, finding=finding, now=now)
    if is_worse:
        lifecycle.worsen(alert=alert, finding=finding, now=now)
    if not fires_again and not is_worse:
        lifecycle.change(alert=alert, finding=finding, now=now)
