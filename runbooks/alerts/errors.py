"""Why an action on an alert is refused: a `code` for machines, a sentence for people."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from runbooks.models import Alert


class AlertError(Exception):
    """An action on an alert that is refused."""

    code = "alert_refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class AlertNotWaiting(AlertError):
    """Somebody else has taken the alert already."""

    code = "alert_not_waiting"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is already taken: {name_of(alert.acknowledged_by)} acknowledged it "
            f"{spell_moment(alert.acknowledged_at)}. Reload to see where it stands."
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
        who = f"by {name_of(alert.closed_by)}" if alert.closed_by else "by itself"
        super().__init__(
            f"A-{alert.pk} was closed {who} {spell_moment(alert.closed_at)} and stays closed. "
            "If the trouble comes back, a new alert opens."
        )


class CloseReasonMissing(AlertError):
    """The condition still fires; closing it needs a reason."""

    code = "close_reason_missing"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"A-{alert.pk} is still firing. Say in a few words why it is closed all the same."
        )


class TextRefused(AlertError):
    """A comment, a reason or an action's id that is empty or too long."""

    code = "text_refused"

    def __init__(self, what: str, longest: int) -> None:
        super().__init__(f"The {what} is empty or too long; write 1 to {longest} characters.")


def name_of(user: User | None) -> str:
    """Return what people call this user."""
    if user is None:
        return "somebody who has left"
    return user.get_full_name() or user.get_username()


def spell_moment(at: datetime | None) -> str:
    """Return a moment for a sentence: `on 1 January 2030 at 12:05 UTC`."""
    return f"on {at.day} {at:%B %Y} at {at:%H:%M} UTC" if at else "earlier"
