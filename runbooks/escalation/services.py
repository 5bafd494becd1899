"""Escalations, for the rooms above: their timers, their steps, what comes next."""

from __future__ import annotations

from runbooks.escalation.running import advance_due_escalations, force_escalation, page_directly
from runbooks.escalation.timers import (
    begin_escalations,
    go_on_with_escalation,
    hurry_escalation,
    lift_suspension,
    lift_suspensions,
    pause_escalation,
    resume_escalation,
    stop_escalation,
    stop_escalations,
    suspend_escalation,
    suspend_escalations,
)
from runbooks.escalation.upcoming import UpcomingStep, next_move, upcoming_steps

__all__ = [
    "UpcomingStep",
    "advance_due_escalations",
    "begin_escalations",
    "force_escalation",
    "go_on_with_escalation",
    "hurry_escalation",
    "lift_suspension",
    "lift_suspensions",
    "next_move",
    "page_directly",
    "pause_escalation",
    "resume_escalation",
    "stop_escalation",
    "stop_escalations",
    "suspend_escalation",
    "suspend_escalations",
    "upcoming_steps",
]
