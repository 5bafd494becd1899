"""Which findings are news: whether one may page at all, and whether it deserves an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

from fleet.models import Site
from runbooks.models import Alert, StormMember
from telemetry.models import Finding


def may_page(finding: Finding) -> bool:
    """Tell whether the finding may page anybody: its site is live, and its data are of now."""
    return finding.site.status == Site.Status.ACTIVE and not is_old_news(finding)


def is_news(finding: Finding) -> bool:
    """Tell whether a finding without an open alert deserves one.

    A finding whose alert a person closed while it fired is settled until it gets worse; so is
    one that a storm stood for.
    """
    if finding.taken_in_revision == 0:
        return True
    if finding.cleared_at is not None:
        return False
    settled = _settled_severity(finding)
    return settled is None or finding.severity < settled


def is_old_news(finding: Finding) -> bool:
    """Tell whether the data were past the paging horizon when the detectors first saw it.

    Judged by when it was detected, not by when it is taken in: replayed data never page, but a
    finding that waited out an outage of ours does.
    """
    horizon = timedelta(seconds=settings.HEARTHWATCH_PAGING_HORIZON_SECONDS)
    newest = max(finding.began_at, _last_evidence(finding))
    return finding.detected_at - newest > horizon


def _settled_severity(finding: Finding) -> int | None:
    """Return the severity of the last alert that spoke of the finding, None when none did."""
    own = Alert.objects.filter(finding=finding).order_by("-pk").first()
    if own is not None:
        return own.severity
    membership = (
        StormMember.objects.filter(finding=finding).select_related("storm").order_by("-pk").first()
    )
    return None if membership is None else membership.storm.severity


def _last_evidence(finding: Finding) -> datetime:
    """Return the event time of the newest data the finding rests on."""
    window_end = finding.evidence.get("window_end")
    if isinstance(window_end, bool) or not isinstance(window_end, int | float):
        return finding.began_at
    try:
        return datetime.fromtimestamp(window_end, UTC)
    except (ValueError, OverflowError, OSError):
        return finding.began_at
