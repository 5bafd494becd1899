"""What we do about it: runbooks, alerts, escalations, pages."""

from __future__ import annotations

from runbooks.models.alert import Alert, AlertEvent
from runbooks.models.announcement import Announcement
from runbooks.models.calendar_feed import CalendarFeed
from runbooks.models.escalation import (
    Escalation,
    EscalationPolicy,
    EscalationPolicyVersion,
    SiteEscalation,
)
from runbooks.models.heartbeat import EngineBeat, Heartbeat
from runbooks.models.oncall import (
    Holiday,
    PagingGroup,
    Rotation,
    RotationMember,
    Schedule,
    ScheduleOverride,
)
from runbooks.models.page import Page, PageAttempt
from runbooks.models.promise import BrokenPromise
from runbooks.models.run import Run, RunEntry, RunJob, RunPhoto
from runbooks.models.runbook import (
    DraftRemark,
    DraftVisit,
    Runbook,
    RunbookDraft,
    RunbookMedia,
    RunbookTranslation,
    RunbookVersion,
    RunbookWithdrawal,
)
from runbooks.models.storm import StormMember
from runbooks.models.suppression import InhibitionRule, Silence, Suppression
from runbooks.models.tablet import RunPresence, RunQuarantine, RunToken, Tablet

__all__ = [
    "Alert",
    "AlertEvent",
    "Announcement",
    "BrokenPromise",
    "CalendarFeed",
    "DraftRemark",
    "DraftVisit",
    "EngineBeat",
    "Escalation",
    "EscalationPolicy",
    "EscalationPolicyVersion",
    "Heartbeat",
    "Holiday",
    "InhibitionRule",
    "Page",
    "PageAttempt",
    "PagingGroup",
    "Rotation",
    "RotationMember",
    "Run",
    "RunEntry",
    "RunJob",
    "RunPhoto",
    "RunPresence",
    "RunQuarantine",
    "RunToken",
    "Runbook",
    "RunbookDraft",
    "RunbookMedia",
    "RunbookTranslation",
    "RunbookVersion",
    "RunbookWithdrawal",
    "Schedule",
    "ScheduleOverride",
    "Silence",
    "SiteEscalation",
    "StormMember",
    "Suppression",
    "Tablet",
]
