"""Background work of telemetry: ids in, a sentence out, safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from fleet.queue import Job
from fleet.services.engine import EngineMismatch
from telemetry import store
from telemetry.jobs import Outcome, evaluate_due, evaluate_each


@shared_task(name=Job.EVALUATE_SITES, throws=(EngineMismatch,))
def evaluate_sites(site_ids: list[int]) -> str:
    """Evaluate the sites that windows have just come for."""
    evaluations = evaluate_each(site_ids=site_ids, now=timezone.now())
    busy = sum(evaluation.outcome is Outcome.BUSY for evaluation in evaluations)
    failed = len(site_ids) - len(evaluations)
    windows = sum(evaluation.windows for evaluation in evaluations)
    return (
        f"evaluated {len(evaluations) - busy} of {len(site_ids)} sites, {windows} windows; "
        f"{busy} busy, {failed} failed"
    )


@shared_task(name=Job.EVALUATE_DUE_SITES, throws=(EngineMismatch,))
def evaluate_due_sites() -> str:
    """Evaluate the sites that no hint told us of."""
    return f"evaluated {evaluate_due(now=timezone.now())} sites that were due"


@shared_task(name=Job.MAINTAIN_PARTITIONS)
def maintain_partitions() -> str:
    """Make room for the days to come and drop those that are past keeping."""
    now = timezone.now()
    made = store.ensure_partitions(now=now)
    dropped = store.drop_old_partitions(now=now, keep_days=settings.HEARTHWATCH_RETENTION_DAYS)
    return f"made {len(made)} partitions, dropped {len(dropped)}"
