"""Which sites to evaluate when nobody said so: the sweep that finds what a lost hint missed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)

from fleet.models import Node, Site
from fleet.services.engine import EngineMismatch
from telemetry.jobs.evaluation import WATCHED, Evaluation, Outcome, evaluate_site
from telemetry.models import Finding

logger = logging.getLogger(__name__)

#: Every watched site is looked at this often, whatever happens: a change of what is desired, or
#: of what is watched, comes with no window.
LONGEST_REST_SECONDS = 300
#: A node may be overdue at the earliest when it has missed so many of its windows.
_LATE_WINDOWS = 2


def evaluate_due(*, now: datetime, limit: int = 200) -> int:
    """Evaluate the sites that have waited longest; return how many were evaluated.

    Due are sites with a window newer than their evaluation, sites with a node that is late and
    sites that rested long; and sites that left the fleet with findings open, to end those.
    """
    evaluations = evaluate_each(site_ids=_due_site_ids(now, limit), now=now)
    return sum(evaluation.outcome is not Outcome.BUSY for evaluation in evaluations)


def evaluate_each(*, site_ids: Iterable[int], now: datetime) -> list[Evaluation]:
    """Evaluate these sites, each in its own transaction; one that fails is logged, not the rest."""
    evaluations = []
    for site_id in site_ids:
        try:
            evaluations.append(evaluate_site(site_id=site_id, now=now))
        except EngineMismatch:
            raise
        except Exception:
            # The outer loop of a worker: one bad site must not blind the others.
            logger.exception("site.evaluation_failed", extra={"site_id": site_id})
    return evaluations


def _due_site_ids(now: datetime, limit: int) -> list[int]:
    sites = Site.objects.annotate(evaluated_at=F("detectorstate__evaluated_at"))
    nodes = Node.objects.filter(site=OuterRef("pk"), is_watched=True)
    has_news = Exists(nodes.filter(last_received_at__gt=OuterRef("evaluated_at")))
    may_be_overdue = Exists(nodes.filter(last_received_at__lt=_late_before(now)))
    still_open = Exists(Finding.objects.filter(site=OuterRef("pk"), cleared_at__isnull=True))
    rested = Q(evaluated_at__lte=now - timedelta(seconds=settings.HEARTHWATCH_SWEEP_SECONDS))
    rested_long = Q(evaluated_at__lte=now - timedelta(seconds=LONGEST_REST_SECONDS))
    is_watched = Q(status__in=WATCHED)
    due: QuerySet[Site] = sites.filter(
        is_watched
        & (Q(evaluated_at__isnull=True) | Q(has_news) | rested_long | rested & Q(may_be_overdue))
        | ~is_watched & Q(still_open)
    )
    oldest_first = due.order_by(F("evaluated_at").asc(nulls_first=True), "pk")
    return list(oldest_first.values_list("pk", flat=True)[:limit])


def _late_before(now: datetime) -> ExpressionWrapper[Any]:
    """Return for a node the time of receipt before which it has missed windows."""
    missed = ExpressionWrapper(
        Value(timedelta(seconds=_LATE_WINDOWS)) * F("window_seconds"), DurationField()
    )
    return ExpressionWrapper(Value(now) - missed, DateTimeField())
