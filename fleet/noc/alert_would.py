"""Who would be paged about an alert that pages nobody now, because it is taken or held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fleet.noc.alert_overlays import Hold
from fleet.noc.chart_cards import Span
from runbooks.escalation.choice import severity_name
from runbooks.escalation.plan import PlanError
from runbooks.escalation.preview import PreviewStep, preview_alert
from runbooks.models import Alert

_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """One move and its time on the site's clocks, with the day where it is another one."""

    clock: str
    step: PreviewStep

    @property
    def people(self) -> Sequence[tuple[str, str]]:
        """Each person with the contact that is tried first."""
        return list(zip(self.step.names, self.step.contacts, strict=True))


@dataclass(frozen=True, slots=True)
class Would:
    """Who would be paged; `lead` says when it would begin, and on what condition."""

    lead: str
    moments: Sequence[Moment]
    left_out: int
    #: The word by which the policy's page knows how urgent the alert is.
    severity: str


def would_be_paged(
    *, alert: Alert, holds: Sequence[Hold], span: Span, now: datetime
) -> Would | None:
    """Return what comes when its acknowledgement runs out, or when it is let go.

    None where it pages by itself, never pages again, or has a policy that nobody can read.
    """
    is_taken = alert.response == Alert.Response.ACKNOWLEDGED
    if alert.condition == Alert.Condition.CLEARED or not (is_taken or alert.is_suppressed):
        return None
    if alert.response == Alert.Response.CLOSED:
        return None
    if is_taken and alert.acknowledgement_ends_at is None:
        return None
    let_go_at = _let_go_at(holds, now)
    try:
        moves = preview_alert(alert=alert, at=let_go_at or now)
    except PlanError:
        return None
    return Would(
        lead=_lead(alert, let_go_at, span, now),
        moments=[Moment(_clock(move.at, span), move) for move in moves[:_SHOWN]],
        left_out=len(moves[_SHOWN:]),
        severity=severity_name(alert.severity),
    )


def _let_go_at(holds: Sequence[Hold], now: datetime) -> datetime | None:
    """Return when the last of what holds it back ends; None where nobody knows."""
    ends = [hold.until for hold in holds]
    known = [end for end in ends if end is not None]
    return max([*known, now]) if len(known) == len(ends) else None


def _lead(alert: Alert, let_go_at: datetime | None, span: Span, now: datetime) -> str:
    ends_at = alert.acknowledgement_ends_at
    if alert.response != Alert.Response.ACKNOWLEDGED or ends_at is None:
        if let_go_at is None:
            return "Nobody knows yet when it will be let go. If it were now:"
        return f"When it is let go at {_clock(let_go_at, span)}, if nobody has it by then:"
    if not alert.is_suppressed:
        return f"When the acknowledgement runs out at {_clock(ends_at, span)}:"
    if let_go_at is None:
        return (
            f"When the acknowledgement has run out, at {_clock(max(ends_at, now), span)}, "
            "if nothing holds it back by then:"
        )
    return (
        f"From {_clock(max(ends_at, let_go_at), span)} on, when the acknowledgement has run out "
        "and nothing holds it back:"
    )


def _clock(at: datetime, span: Span) -> str:
    local = span.local(at)
    is_today = local.date() == span.local(span.now).date()
    return f"{local:%H:%M}" if is_today else f"{local.day} {local:%b, %H:%M}"
