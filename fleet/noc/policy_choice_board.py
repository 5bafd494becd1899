"""What the page of a site's choice shows: the policies, the one in force, a dry run of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.access import Action, AnyUser, may
from fleet.models import Site
from fleet.noc.oncall_words import form_time
from fleet.noc.policy_board import PolicyRow, Question, policy_rows, try_out
from runbooks.alerts.selectors import open_alerts_for
from runbooks.escalation.steps import SEVERITIES
from runbooks.models import EscalationPolicy, SiteEscalation


@dataclass(frozen=True, slots=True)
class ChoiceBoard:
    """A site's page of policies; `chosen` is the one that is tried out."""

    rows: Sequence[PolicyRow]
    current: EscalationPolicy | None
    chosen: PolicyRow | None
    question: Question
    answer: Mapping[str, object]
    open_count: int
    may_change: bool

    @property
    def is_other(self) -> bool:
        """Whether the policy that is tried out can be chosen and is not the one in force."""
        chosen = self.chosen
        return chosen is not None and chosen.edition is not None and chosen.policy != self.current


def choice_board(
    *, user: AnyUser, site: Site, policy_slug: str, severity: str, at: str, now: datetime
) -> ChoiceBoard:
    """Return the page of a site that `user` may see, trying out the policy asked for."""
    choice = SiteEscalation.objects.filter(site=site).select_related("policy").first()
    current = choice.policy if choice else None
    rows = policy_rows(user)
    chosen = next((row for row in rows if row.policy.slug == policy_slug), None) or next(
        (row for row in rows if row.policy == current), None
    )
    word = severity if severity in SEVERITIES else SEVERITIES[0]
    question = Question(site, word, at or form_time(now, site.time_zone))
    version = chosen.edition.version if chosen and chosen.edition else None
    return ChoiceBoard(
        rows=rows,
        current=current,
        chosen=chosen,
        question=question,
        answer=try_out(version, question),
        open_count=open_alerts_for(user).filter(site=site).count(),
        may_change=may(user, Action.CHANGE, site),
    )
