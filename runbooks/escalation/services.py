"""Escalations, for the rooms above: their timers, their steps, what comes next."""

from __future__ import annotations

from runbooks.escalation.running import (
    NobodyReached,
    advance_due_escalations,
    force_escalation,
    page_directly,
)
from runbooks.escalation.timers import (
    begin_escalations,
    go_on_with_escalation,
    hurry_escalation,
    lift_suspension,
    lift_suspensions,
    pause_escalations,
    resume_escalation,
    stop_escalation,
    stop_escalations,
    suspend_escalation,
    suspend_escalations,
)
from runbooks.escalation.upcoming import (
    UpcomingStep,
    next_move,
    next_moves,
    people_by_step,
    upcoming_steps,
)

__all__ = [
    "NobodyReached",
    "UpcomingStep",
    "advance_due_escalations",
    "begin_escalations",
    "force_escalation",
    "go_on_with_escalation",
    "hurry_escalation",
    "lift_suspension",
    "lift_suspensions",
    "next_move",
    "next_moves",
    "page_directly",
    "pause_escalations",
    "people_by_step",
    "resume_escalation",
    "stop_escalation",
    "stop_escalations",
    "suspend_escalation",
    "suspend_escalations",
    "upcoming_steps",
]
