"""What the alert page shows: is it real, who knows, what to do. It reads, it never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from fleet.access import Action, AnyUser, may
from fleet.noc.alert_history import Earlier, earlier_alerts
from fleet.noc.alert_overlays import Choices, Hold, Storm, choices_for, holds_of, storm_of
from fleet.noc.alert_proof import Proof, proof_of
from fleet.noc.alert_words import facts_of, since_words
from fleet.noc.alert_would import Would, would_be_paged
from fleet.noc.chart_cards import Span
from fleet.noc.run_alert_board import AlertRuns, alert_runs
from fleet.noc.runbook_board import RunbookView, runbook_view
from fleet.noc.runbook_editions_board import in_language
from runbooks.alerts.selectors import alerts_visible_to, timeline_of
from runbooks.escalation.services import UpcomingStep, upcoming_steps
from runbooks.library.translations import languages_of, nearest_language
from runbooks.models import Alert, AlertEvent, Escalation, Page, RunbookVersion
from runbooks.runs.values import values_for_alert

_SHOWN_BESIDE: Final = 5
_SHOWN_UPCOMING: Final = 4


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who was paged, what came of it, and who is next."""

    policy: str
    pages: list[Page]
    upcoming: Sequence[UpcomingStep]
    more_upcoming: int
    is_exhausted: bool
    would: Would | None


@dataclass(frozen=True, slots=True)
class Book:
    """The pinned runbook in one of the languages that it can be read in, its own first."""

    view: RunbookView
    language: str
    languages: Sequence[str]


@dataclass(frozen=True, slots=True)
class AlertBoard:
    """One alert with everything a tired person needs to decide."""

    alert: Alert
    span: Span
    since: str
    facts: list[str]
    can_respond: bool
    is_mine: bool
    proof: Proof
    ladder: Ladder
    holds: Sequence[Hold]
    choices: Choices | None
    storm: Storm | None
    timeline: QuerySet[AlertEvent]
    earlier: Earlier
    beside: list[Alert]
    book: Book | None
    newer: RunbookVersion | None
    runs: AlertRuns

    @property
    def where(self) -> str:
        """The site, and the node where the alert's sentence does not name it."""
        node = self.alert.node
        if node is None or node.name in self.alert.summary:
            return self.alert.site.name
        return f"{self.alert.site.name}, {node.name}"

    @property
    def is_open(self) -> bool:
        """Whether anybody may still have to act."""
        return self.alert.response != Alert.Response.CLOSED

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has it yet."""
        return self.alert.response == Alert.Response.UNACKNOWLEDGED

    @property
    def is_held(self) -> bool:
        """Whether somebody has it."""
        return self.alert.response == Alert.Response.ACKNOWLEDGED

    @property
    def main_act(self) -> str:
        """The one dark button: acknowledge, close what is over, else go on with the run."""
        if self.is_waiting and self.can_respond:
            return "acknowledge"
        if self.is_held and self.alert.condition == Alert.Condition.CLEARED and self.can_respond:
            return "close"
        return "run"


def alert_board(
    *,
    user: AnyUser,
    alert: Alert,
    now: datetime,
    wanted: Sequence[str] = (),
    with_runbook: bool = True,
) -> AlertBoard:
    """Return the board of an alert `user` may see, its runbook in a language that is `wanted`.

    Without its runbook for a fragment: that part is pinned and never changes on the page.
    """
    runs = alert_runs(user=user, alert=alert, now=now)
    proof = proof_of(alert=alert, now=now, done=runs.done)
    version = alert.runbook_version
    usable = version.runbook.versions.filter(withdrawal=None)
    newest = usable.order_by("-number").only("number", "runbook_id").first()
    can_respond = may(user, Action.RESPOND, alert.site)
    holds = holds_of(alert)
    return AlertBoard(
        alert=alert,
        span=proof.span,
        since=since_words(alert, proof.span),
        facts=facts_of(alert),
        can_respond=can_respond,
        is_mine=alert.acknowledged_by_id == user.pk,
        proof=proof,
        ladder=_ladder(alert, holds, proof.span, now),
        holds=holds,
        choices=choices_for(alert, user=user, now=now) if can_respond else None,
        storm=storm_of(alert),
        timeline=timeline_of(alert),
        earlier=earlier_alerts(alert, now),
        beside=_beside(user, alert),
        book=_book(alert, wanted, now) if with_runbook else None,
        newer=newest if newest and newest.number > version.number else None,
        runs=runs,
    )


def _book(alert: Alert, wanted: Sequence[str], now: datetime) -> Book:
    languages = languages_of(alert.runbook_version)
    language = nearest_language(languages, wanted)
    version = in_language(alert.runbook_version, language)
    view = runbook_view(version, today=now.date(), values=values_for_alert(alert))
    return Book(view, language, languages)


def _ladder(alert: Alert, holds: Sequence[Hold], span: Span, now: datetime) -> Ladder:
    escalation: Escalation | None = getattr(alert, "escalation", None)
    state = escalation.state if escalation else Escalation.State.STOPPED
    version = alert.policy_version
    upcoming = upcoming_steps(alert=alert, now=now)
    return Ladder(
        policy=f"{version.policy.name} v{version.number}",
        pages=list(_pages(alert)),
        upcoming=upcoming[:_SHOWN_UPCOMING],
        more_upcoming=len(upcoming[_SHOWN_UPCOMING:]),
        is_exhausted=state == Escalation.State.EXHAUSTED,
        would=would_be_paged(alert=alert, holds=holds, span=span, now=now),
    )


def _pages(alert: Alert) -> QuerySet[Page]:
    return alert.pages.select_related("owner", "contact").order_by("created_at", "id")


def _beside(user: AnyUser, alert: Alert) -> list[Alert]:
    """Return what else is open at the site: often the same trouble seen from another side."""
    others = alerts_visible_to(user).filter(site=alert.site).exclude(pk=alert.pk)
    still_open = others.exclude(response=Alert.Response.CLOSED).select_related("node")
    return list(still_open.order_by("severity", "opened_at")[:_SHOWN_BESIDE])
