"""One evaluation: load what is new of a site, judge it, record findings and memory together."""

from __future__ import annotations

from telemetry.jobs.due import evaluate_due, evaluate_each
from telemetry.jobs.evaluation import Evaluation, Outcome, evaluate_site

__all__ = ["Evaluation", "Outcome", "evaluate_due", "evaluate_each", "evaluate_site"]
