"""Findings that simply open an alert of their own, taken in many at once.

What is more than plain, be it that an alert spoke of the same key before, that a storm may be near
or that something about it fails, is left to be taken in by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from runbooks.alerts.lifecycle import Opening, open_alerts
from runbooks.alerts.lots import lot_of_finding
from runbooks.alerts.news import may_page
from runbooks.alerts.storms import STORM_ALERTS, opened_lately
from runbooks.escalation.policies import policy_versions_for
from runbooks.library.match import NoRunbook, best_of, editions_to_match
from runbooks.models import Alert, RunbookVersion
from runbooks.suppression.cycle import suppress_at_birth
from telemetry.models import Finding


def owed_findings() -> QuerySet[Finding]:
    """Return the findings that the alerts have not heard of."""
    return Finding.objects.filter(revision__gt=F("taken_in_revision"))


def take_in_newcomers(findings: Sequence[Finding], *, now: datetime) -> int:
    """Open the alerts of those that are plainly new; return how many, and leave the others.

    The caller holds the locks of the findings and of their sites, in one transaction. The number
    of statements does not grow with the findings.
    """
    openings = _openings(_plainly_new(findings, now))
    if not openings:
        return 0
    suppress_at_birth(alerts=open_alerts(openings, now=now), now=now)
    taken = [opening.finding.pk for opening in openings]
    return Finding.objects.filter(pk__in=taken).update(taken_in_revision=F("revision"))


def _plainly_new(findings: Sequence[Finding], now: datetime) -> list[Finding]:
    """Return those that nothing was ever said of, where no storm can be near."""
    fresh = [
        finding
        for finding in findings
        if finding.taken_in_revision == 0 and finding.cleared_at is None and may_page(finding)
    ]
    site_ids = {finding.site_id for finding in fresh}
    if not fresh:
        return []
    # Of several findings of one key the order counts.
    owed = owed_findings().filter(site__in=site_ids).order_by()
    keys = Counter(owed.values_list("site_id", "fingerprint"))
    spoken_of = _spoken_of(fresh, site_ids)
    counts = _lately(site_ids, now) + Counter((row.site_id, row.kind) for row in fresh)
    return [
        finding
        for finding in fresh
        if keys[finding.site_id, finding.fingerprint] == 1
        and (finding.site_id, finding.fingerprint) not in spoken_of
        and (finding.site_id, lot_of_finding(finding).key) not in spoken_of
        and counts[finding.site_id, finding.kind] <= STORM_ALERTS
    ]


def _spoken_of(findings: Sequence[Finding], site_ids: set[int]) -> set[tuple[int, str]]:
    """Return `(site id, key)` of the alerts there ever were, and of the storms that are open."""
    own = Q(dedup_key__in={finding.fingerprint for finding in findings})
    storms = Q(dedup_key__in={lot_of_finding(finding).key for finding in findings})
    known = Alert.objects.filter(
        own | (storms & ~Q(response=Alert.Response.CLOSED)), site__in=site_ids
    )
    return set(known.order_by().values_list("site_id", "dedup_key"))


def _lately(site_ids: set[int], now: datetime) -> Counter[tuple[int, str]]:
    """Count the alerts that opened within the span of a storm, by site and kind."""
    lately = Alert.objects.filter(opened_lately(now), site__in=site_ids).order_by()
    rows = lately.values_list("site_id", "kind").annotate(count=Count("pk"))
    return Counter({(site_id, kind): count for site_id, kind, count in rows})


def _openings(findings: Sequence[Finding]) -> list[Opening]:
    """Pin a runbook and a policy to each; what has none is left out, to be told of by itself."""
    policies = policy_versions_for({finding.site_id for finding in findings})
    editions = editions_to_match()
    openings = []
    for finding in findings:
        runbook, policy = _runbook_for(finding, editions), policies.get(finding.site_id)
        if runbook is not None and policy is not None:
            openings.append(Opening(finding, runbook, policy))
    return openings


def _runbook_for(finding: Finding, editions: Sequence[RunbookVersion]) -> RunbookVersion | None:
    try:
        return best_of(
            editions,
            kind=finding.kind,
            site=finding.site,
            node=finding.node,
            evidence=finding.evidence,
        )
    except NoRunbook:
        return None
