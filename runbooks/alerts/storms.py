"""Storms: many findings of one lot at one site are one alert, and none of them is lost.

Nothing is ever refused for volume. Where more than `STORM_ALERTS` alerts of one lot would have
opened at a site within `STORM_SPAN`, one storm alert stands for all that follow: it pages as one
alert, each finding is a member row, and it clears when the last member has cleared.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Count, F, OuterRef, Q, Subquery

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import Site
from runbooks.alerts import lifecycle
from runbooks.alerts.lots import Lot, lot_of
from runbooks.alerts.news import may_page
from runbooks.escalation.policies import policy_version_for
from runbooks.escalation.services import begin_escalations, resume_escalation
from runbooks.library.match import match_runbook
from runbooks.models import Alert, AlertEvent, StormMember
from runbooks.paging.clock import CLOCKS_APART
from runbooks.paging.timeline import clip, write_entry
from runbooks.suppression.cycle import suppress_at_birth
from telemetry.models import Finding

logger = logging.getLogger(__name__)

Condition, Response, Kind = Alert.Condition, Alert.Response, AlertEvent.Kind

#: More alerts than this of one lot at one site within the span are a storm: EEMUA 191 calls more
#: than ten alarms in ten minutes a flood that one person cannot follow; one minute leaves trouble
#: that spreads slowly its alerts of their own.
STORM_ALERTS = 10
STORM_SPAN = timedelta(seconds=60)
#: A storm is over, and later findings have alerts of their own, when fewer than this joined within
#: the span; the same standard ends a flood at five in ten minutes.
FEWEST_JOINING = 5
QUIET_SPAN = timedelta(minutes=10)
#: Its growth is written into the timeline each time it has grown by so much.
GREW_BY = 2
#: The evidence of a storm names its first members.
FIRST_NAMED = 10


def take_in_together(
    *, site: Site, lot: Lot, findings: Sequence[Finding], now: datetime
) -> set[int]:
    """Take in those of `findings` that belong to the storm of `lot` at `site`; return their ids.

    The caller holds the site's row lock and the findings', and marks them as taken in. Findings
    that belong to no storm, or to an alert of their own, are left to the caller. Raises NoRunbook
    and NoPolicy where a storm cannot be opened.
    """
    storm = _open_storm(site, lot)
    members = _members_among(storm, findings)
    newcomers = [finding for finding in findings if finding.pk not in members]
    joining = _joining(site, newcomers)
    if joining and not _is_storm(site, lot, storm, len(joining), now):
        joining = []
    if not members and not joining:
        return set()
    if storm is None:
        storm = _begin(site, lot, joining, now)
    elif storm.condition == Condition.CLEARED and any(row.cleared_at is None for row in joining):
        _fire_again(storm, now)
    _join(storm, joining, now)
    _clear_members(storm, [row for row in findings if row.pk in members])
    _settle(storm, [row for row in findings if row.pk in members] + joining, now)
    return {*members, *(finding.pk for finding in joining)}


def has_open_storm(*, site_ids: Sequence[int]) -> set[tuple[int, str]]:
    """Return `(site id, key of the lot)` of the storms of these sites that are not closed."""
    storms = Alert.objects.filter(site__in=site_ids, is_storm=True)
    return set(storms.exclude(response=Response.CLOSED).values_list("site_id", "dedup_key"))


def opened_lately(now: datetime) -> Q:
    """Return what the alerts have in common that count towards a storm at `now`.

    One of the time to come opened before the clock was set back: it tells nothing of this minute.
    """
    within = Q(opened_at__gt=now - STORM_SPAN, opened_at__lte=now + CLOCKS_APART)
    return within & Q(is_storm=False)


def _open_storm(site: Site, lot: Lot) -> Alert | None:
    return (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site", "acknowledged_by", "acknowledged_owner", "policy_version")
        .filter(site=site, dedup_key=lot.key, is_storm=True)
        .exclude(response=Response.CLOSED)
        .first()
    )


def _members_among(storm: Alert | None, findings: Sequence[Finding]) -> set[int]:
    if storm is None:
        return set()
    rows = StormMember.objects.filter(storm=storm, finding__in=[row.pk for row in findings])
    return set(rows.values_list("finding_id", flat=True))


def _joining(site: Site, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that would each open an alert of their own."""
    fresh = [row for row in findings if row.taken_in_revision == 0 and may_page(row)]
    keys = [finding.fingerprint for finding in fresh]
    spoken_of = Alert.objects.filter(site=site, dedup_key__in=keys)
    taken = set(spoken_of.exclude(response=Response.CLOSED).values_list("dedup_key", flat=True))
    return [finding for finding in fresh if finding.fingerprint not in taken]


def _is_storm(site: Site, lot: Lot, storm: Alert | None, joining: int, now: datetime) -> bool:
    if storm is not None and storm.condition == Condition.FIRING and _is_raging(storm, now):
        return True
    lately = Alert.objects.filter(lot.matching(), opened_lately(now), site=site)
    # Closed alerts count: a low one may have come and gone. No more are counted than matter.
    return joining + lately[: STORM_ALERTS + 1].count() > STORM_ALERTS


def _is_raging(storm: Alert, now: datetime) -> bool:
    last = StormMember.objects.filter(storm=storm).order_by("-pk")[:FEWEST_JOINING]
    joined = list(last.values_list("joined_at", flat=True))
    return len(joined) == FEWEST_JOINING and min(joined) > now - QUIET_SPAN


def _begin(site: Site, lot: Lot, joining: Sequence[Finding], now: datetime) -> Alert:
    worst = min(joining, key=lambda finding: (finding.severity, finding.began_at, finding.pk))
    earlier = Alert.objects.filter(site=site, dedup_key=lot.key, response=Response.CLOSED)
    storm = Alert.objects.create(
        site=site,
        dedup_key=lot.key,
        kind=lot.kind,
        severity=worst.severity,
        summary=f"Storm of {lot.label} at {site}.",
        evidence={"told": len(joining), **lot.evidence},
        is_storm=True,
        began_at=min(finding.began_at for finding in joining),
        opened_at=now,
        last_seen_at=now,
        runbook_version=match_runbook(kind=lot.kind, site=site, evidence=lot.evidence),
        policy_version=policy_version_for(site),
        previous=earlier.order_by("-closed_at", "-pk").first(),
    )
    logger.warning("storm.opened", extra={"alert_id": storm.pk, "site": site.slug, "key": lot.key})
    write_entry(
        alert=storm,
        kind=Kind.OPENED,
        sentence=(
            f"Opened as {lifecycle.word_for(storm.severity)}, as a storm: more than {STORM_ALERTS} "
            f"alerts of {lot.label} within {STORM_SPAN.seconds} s. What follows joins it and "
            f"pages nobody by itself. Runbook: {storm.runbook_version}."
        ),
        now=now,
    )
    begin_escalations(alerts=[storm], now=now)
    suppress_at_birth(alerts=[storm], now=now)
    return storm


def _fire_again(storm: Alert, now: datetime) -> None:
    """A storm that had cleared rages again; paging goes on where nobody has taken it."""
    Alert.objects.filter(pk=storm.pk).update(
        condition=Condition.FIRING,
        cleared_at=None,
        fired_count=F("fired_count") + 1,
        revision=F("revision") + 1,
    )
    storm.condition = Condition.FIRING
    sentence = f"The storm is back: {_lot_of_storm(storm).label} fires again in numbers."
    write_entry(alert=storm, kind=Kind.FIRED_AGAIN, sentence=sentence, now=now)
    if storm.response == Response.UNACKNOWLEDGED:
        resume_escalation(alert=storm, now=now)


def _join(storm: Alert, joining: Sequence[Finding], now: datetime) -> None:
    StormMember.objects.bulk_create(
        [
            StormMember(storm=storm, finding=finding, joined_at=now, cleared_at=finding.cleared_at)
            for finding in joining
        ],
        batch_size=1000,
    )


def _clear_members(storm: Alert, known: Sequence[Finding]) -> None:
    over = [finding.pk for finding in known if finding.cleared_at is not None]
    if not over:
        return
    ended = Finding.objects.filter(pk=OuterRef("finding_id")).values("cleared_at")
    StormMember.objects.filter(storm=storm, finding__in=over, cleared_at__isnull=True).update(
        cleared_at=Subquery(ended)
    )


def _settle(storm: Alert, touched: Sequence[Finding], now: datetime) -> None:
    """Count the members anew, and let the storm grow, worsen or clear after them."""
    counts = StormMember.objects.filter(storm=storm).aggregate(
        every=Count("pk"), firing=Count("pk", filter=Q(cleared_at__isnull=True))
    )
    every, firing = counts["every"], counts["firing"]
    says = _what_it_says(storm, every, firing, now)
    Alert.objects.filter(pk=storm.pk).exclude(response=Response.CLOSED).update(
        member_count=every,
        firing_member_count=firing,
        summary=says.summary,
        evidence=says.evidence,
        last_seen_at=now,
    )
    publish_on_commit(LiveEvent.ALERT_CHANGED, site_id=storm.site_id, id=storm.pk)
    if says.evidence["told"] != storm.evidence.get("told"):
        sentence = f"The storm holds {every:,} findings by now; {firing:,} of them fire."
        write_entry(alert=storm, kind=Kind.STORM_GREW, sentence=sentence, now=now)
    severities = [finding.severity for finding in touched if finding.cleared_at is None]
    says.severity = min([storm.severity, *severities])
    if says.severity < storm.severity:
        lifecycle.worsen(alert=storm, finding=says, now=now)
    if firing == 0:
        says.cleared_at = now
        lifecycle.clear_alert(alert=storm, finding=says, now=now)


def _what_it_says(storm: Alert, every: int, firing: int, now: datetime) -> Finding:
    """Return what the storm says as a whole, in the shape of a finding that is never saved."""
    first = StormMember.objects.filter(storm=storm).order_by("pk")[:FIRST_NAMED]
    summaries = list(first.values_list("finding__summary", flat=True))
    state = f"{firing:,} still firing" if firing else "none firing any more"
    summary = (
        f"Storm: {every:,} findings of {_lot_of_storm(storm).label}, {state}. First: {summaries[0]}"
    )
    told = storm.evidence.get("told", every)
    return Finding(
        site=storm.site,
        kind=storm.kind,
        severity=storm.severity,
        summary=clip(summary, 300),
        evidence={
            "members": every,
            "firing_members": firing,
            "first": summaries,
            "told": every if every >= GREW_BY * told else told,
            **_lot_of_storm(storm).evidence,
        },
        updated_at=now,
    )


def _lot_of_storm(storm: Alert) -> Lot:
    return lot_of(kind=storm.kind, alertname=storm.evidence.get("labels", {}).get("alertname"))
