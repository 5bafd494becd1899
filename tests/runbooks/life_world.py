"""The world of the walk through an alert's life, and what its rules share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import pytest
from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine, initialize

from fleet.models import Membership
from runbooks.alerts.errors import AlertError
from runbooks.alerts.intake import take_in_findings
from runbooks.models import Alert, AlertEvent, Escalation, EscalationPolicyVersion, Page
from telemetry.models import Finding
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user

#: Over an hour after a walk begins.
DAY = {"time_zone": "UTC", "weekdays": list(range(7)), "from": "08:00", "until": "13:00"}
WAITING = [Page.State.PENDING, Page.State.LEASED]


class LifeWorld(RuleBasedStateMachine):
    """One site, two keys, two operators; time moves only when a rule says so.

    The policy has a step that only urgent alerts take, and one that is open by day alone.

    Each walk is one savepoint, rolled back at its end.
    """

    log: ClassVar[pytest.LogCaptureFixture]

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOON
        self.findings: dict[str, Finding] = {}
        self.timelines: dict[int, list[int]] = {}
        self.revisions: dict[int, int] = {}
        self.closed: set[int] = set()
        #: What the last look saw: every alert, the alerts with a page under way, those of which
        #: no page was delivered, the timelines.
        self.alerts: list[Alert] = []
        self.waiting: set[int] = set()
        self.unheard: set[int] = set()
        self.entries: dict[int, list[int]] = {}
        self.world = transaction.atomic()
        self.world.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    @initialize()
    def build(self) -> None:
        ana, ben = (make_contact(owner=make_owner(name=name)).owner for name in ("Ana", "Ben"))
        policy = make_policy()
        EscalationPolicyVersion.objects.create(
            policy=policy,
            number=2,
            steps=[
                {"notify": ["site_owner"], "delay_seconds": 300},
                {"notify": [f"owner:{ben.pk}"], "delay_seconds": 300, "severities": ["urgent"]},
                {"notify": [f"owner:{ben.pk}"], "delay_seconds": 300, "hours": DAY},
            ],
            repeat=1,
            acknowledgement_seconds=1800,
            created_at=NOON,
        )
        self.site = make_site(policy=policy, owner=ana)
        self.ben = ben
        self.operators = [make_user(Membership.Role.OPERATOR, self.site) for _ in range(2)]

    def look(self) -> None:
        """See the rows as they are now."""
        self.alerts = list(Alert.objects.select_related("escalation"))
        waiting = Page.objects.filter(state__in=WAITING)
        self.waiting = set(waiting.values_list("alert_id", flat=True))
        sent = Page.objects.filter(purpose=Page.Purpose.PAGE, state=Page.State.SENT)
        newest = dict(sent.order_by("sequence").values_list("alert_id", "sequence"))
        self.unheard = {
            alert.pk
            for alert in self.alerts
            if newest.get(alert.pk, 0) <= alert.escalation.start_sequence
        }
        self.entries = defaultdict(list)
        for alert_id, entry in AlertEvent.objects.order_by("pk").values_list("alert_id", "pk"):
            self.entries[alert_id].append(entry)

    def take_in(self) -> None:
        take_in_findings(now=self.now)
        for finding in self.findings.values():
            finding.refresh_from_db()

    def open_alert(self, key: str) -> Alert | None:
        return Alert.objects.exclude(response=Alert.Response.CLOSED).filter(dedup_key=key).first()

    def newest(self, key: str) -> Any:
        alerts = Alert.objects.filter(dedup_key=key).select_related("escalation")
        return alerts.order_by("-pk").first()

    def act(self, service: Callable[..., None], alert: Alert, who: int, **said: Any) -> bool:
        """Do it as one of the operators; a refusal must leave everything as it was."""
        before = self.picture(alert)
        try:
            service(alert=alert, by=self.operators[who], now=self.now, **said)
        except AlertError:
            is_done = False
        else:
            is_done = True
        assert is_done or self.picture(alert) == before
        return is_done

    def picture(self, alert: Alert) -> Any:
        return (
            Alert.objects.filter(pk=alert.pk).values().get(),
            Escalation.objects.filter(alert=alert).values().get(),
            list(Page.objects.filter(alert=alert).order_by("pk").values()),
            AlertEvent.objects.filter(alert=alert).count(),
        )
