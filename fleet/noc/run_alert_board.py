"""The alert's runbook as it is followed: the run under way, those before, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from fleet.access import Action, AnyUser, may, users_who_may
from fleet.noc.run_line_board import SHARED, DoneStep, RunLine, run_lines
from fleet.noc.run_step_board import StepRow
from fleet.noc.run_watch_board import steps_followed
from runbooks.models import Alert, Run, RunbookVersion
from runbooks.runs.selectors import newer_edition

_SHOWN_ENDED: Final = 3


@dataclass(frozen=True, slots=True)
class AlertRuns:
    """The runs of one alert; `people` are those who may be sent, empty for who may not send."""

    under_way: RunLine | None
    ended: list[Run]
    newer: RunbookVersion | None
    may_run: bool
    is_alert_open: bool
    people: list[User] = field(default_factory=list)
    done: tuple[DoneStep, ...] = ()
    #: Of the run under way, as it is followed; empty where its edition cannot be read.
    steps: list[StepRow] = field(default_factory=list)

    @property
    def may_start(self) -> bool:
        """Whether the reader may begin one now."""
        return self.may_run and self.is_alert_open and self.under_way is None

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to say."""
        return self.may_start or self.under_way is not None or bool(self.ended)


def alert_runs(*, user: AnyUser, alert: Alert, now: datetime) -> AlertRuns:
    """Return the runs of an alert `user` may see; the same few queries for any number of them."""
    runs = alert.runs.select_related("site", "runbook_version__runbook", "lead", "assigned_to")
    lines = run_lines(list(runs.defer(*SHARED).order_by("-pk")), now=now)
    under_way = next((line for line in lines if line.is_open), None)
    may_run = may(user, Action.RUN, alert.site)
    is_open = alert.response != Alert.Response.CLOSED
    may_send = may_run and is_open and under_way is None
    return AlertRuns(
        under_way=under_way,
        ended=[line.run for line in lines if not line.is_open][:_SHOWN_ENDED],
        newer=newer_edition(under_way.run) if under_way else None,
        may_run=may_run,
        is_alert_open=is_open,
        people=list(users_who_may(Action.RUN, alert.site)) if may_send else [],
        done=tuple(step for line in lines for step in line.done),
        steps=steps_followed(user=user, run=under_way.run, may_run=may_run, now=now)
        if under_way
        else [],
    )
