"""Why an action on an alert is refused: a `code` for machines, a sentence for people."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from fleet.models import Owner
from fleet.names import name_of
from runbooks.models import Alert
from runbooks.refused import Refused


class AlertError(Refused):
    """An action on an alert that is refused; each kind has its own code."""

    code = "alert_refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(self.code, sentence)


class AlertNotWaiting(AlertError):
    """Somebody else has taken the alert already."""

    code = "alert_not_waiting"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is already taken: {holder_of(alert)} acknowledged it "
            f"{spell_moment(alert.acknowledged_at)}. Reload to see where it stands."
        )


class BadHold(AlertError):
    """An acknowledgement is to last for too short or too long."""

    code = "bad_acknowledgement_length"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            "An acknowledgement lasts between 5 minutes and 4 days; choose a time between. Nothing "
            f"was done with A-{alert.pk}."
        )


class AlertNotTaken(AlertError):
    """Nobody has taken the alert, so nobody can give it back."""

    code = "alert_not_taken"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is not acknowledged by anybody, so it cannot be released. Reload to see "
            "where it stands."
        )


class AlertClosed(AlertError):
    """The alert is closed, and stays closed."""

    code = "alert_closed"

    def __init__(self, alert: Alert) -> None:
        who = closer_of(alert) or "itself"
        super().__init__(
            f"A-{alert.pk} was closed by {who} {spell_moment(alert.closed_at)} and stays closed. "
            "If the trouble comes back, a new alert opens."
        )


class CloseReasonMissing(AlertError):
    """The condition still fires; closing it needs a reason."""

    code = "close_reason_missing"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is still firing. Say in a few words why it is closed all the same."
        )


class StepsUndone(AlertError):
    """The alert's run has mandatory steps left; closing the alert needs a reason."""

    code = "steps_undone"

    def __init__(self, alert: Alert, steps: str) -> None:
        super().__init__(
            f"A-{alert.pk} has mandatory steps left: {steps}. Finish the run, or say in a few "
            "words why it is closed all the same."
        )


class TextRefused(AlertError):
    """A comment, a reason or an action's id that is empty or too long."""

    code = "text_refused"

    def __init__(self, what: str, longest: int) -> None:
        super().__init__(f"The {what} is empty or too long; write 1 to {longest} characters.")


class AlertCleared(AlertError):
    """The condition is over, so nobody is paged any more."""

    code = "alert_cleared"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} has cleared, so nobody is paged. Close it, or acknowledge it."
        )


class AlertHeldBack(AlertError):
    """A silence, maintenance or the shelf holds the alert back, so no page would go out."""

    code = "alert_held_back"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is held back, so no page would go out. End what holds it back first: "
            "its page says what that is."
        )


class AlertMoved(AlertError):
    """The alert changed in a way that matters since the person looked."""

    code = "alert_moved"

    def __init__(self, alert: Alert, news: str) -> None:
        super().__init__(
            f"A-{alert.pk} changed since you looked: {news.rstrip('.')}. Nothing was done; look "
            "again and decide anew."
        )


class EscalationMovedOn(AlertError):
    """Another step was carried out since the person looked."""

    code = "escalation_moved_on"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} has gone on to another step since you looked. Nothing was done; reload "
            "to see who is paged now."
        )


class NobodyCanBePaged(AlertError):
    """No step of the alert's policy reaches anybody at this moment."""

    code = "nobody_reachable"

    def __init__(self, alert: Alert, policy: str) -> None:
        owner = alert.site.owner
        number = f" ({owner.phone})" if owner and owner.phone else ""
        whom = f"{owner.name}{number}, who answers for {alert.site}" if owner else "somebody"
        super().__init__(
            f"Nobody can be paged now by {policy}; call {whom}. Nothing was done with A-{alert.pk}."
        )


class StepReachesNobody(AlertError):
    """Nobody of the step that somebody chose has a working contact, or there is no such step."""

    code = "step_reaches_nobody"

    def __init__(self, alert: Alert, number: int) -> None:
        super().__init__(
            f"Step {number} reaches nobody now. Choose another step, or page somebody by name. "
            f"Nothing was done with A-{alert.pk}."
        )


class NobodyToPage(AlertError):
    """The chosen person has no working contact."""

    code = "owner_unreachable"

    def __init__(self, owner: Owner) -> None:
        super().__init__(
            f"{owner.name} has no working contact, so nobody would be paged. Choose somebody else, "
            "or give them a contact that passes a test page."
        )


class CannotRespond(AlertError):
    """The chosen person may not act on alerts of this site."""

    code = "cannot_respond"

    def __init__(self, alert: Alert, to: User) -> None:
        super().__init__(
            f"{name_of(to)} may not act on alerts of {alert.site}. Choose somebody else, or give "
            "them a role there."
        )


class TooManyAlerts(AlertError):
    """More alerts at once than one action takes."""

    code = "too_many_alerts"

    def __init__(self, most: int) -> None:
        super().__init__(f"At most {most} alerts at once; choose fewer. Nothing was done.")


def holder_of(alert: Alert) -> str:
    """Return the name of who has acknowledged the alert, with an account or without."""
    if alert.acknowledged_by is None and alert.acknowledged_owner is not None:
        return alert.acknowledged_owner.name
    return name_of(alert.acknowledged_by)


def closer_of(alert: Alert) -> str:
    """Return the name of who closed the alert, with an account or without; empty for nobody."""
    if alert.closed_by is not None:
        return name_of(alert.closed_by)
    return alert.closed_owner.name if alert.closed_owner else ""


def spell_moment(at: datetime | None) -> str:
    """Return a moment for a sentence: `on 1 January 2030 at 12:05 UTC`."""
    return f"on {at.day} {at:%B %Y} at {at:%H:%M} UTC" if at else "earlier"
