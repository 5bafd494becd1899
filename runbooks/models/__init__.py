"""What we do about it: runbooks, alerts, escalations, pages."""

from __future__ import annotations

from runbooks.models.alert import Alert, AlertEvent
from runbooks.models.escalation import (
    Escalation,
    EscalationPolicy,
    EscalationPolicyVersion,
    SiteEscalation,
)
from runbooks.models.page import Page, PageAttempt
from runbooks.models.promise import BrokenPromise
from runbooks.models.runbook import Runbook, RunbookVersion

__all__ = [
    "Alert",
    "AlertEvent",
    "BrokenPromise",
    "Escalation",
    "EscalationPolicy",
    "EscalationPolicyVersion",
    "Page",
    "PageAttempt",
    "Runbook",
    "RunbookVersion",
    "SiteEscalation",
]
