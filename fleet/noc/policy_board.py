"""What the policies' pages show: every policy, one with its editions, and who is paged when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.lengths import exact_words
from fleet.models import Site
from fleet.names import listed, name_of
from fleet.noc.oncall_rights import may_change_plans
from fleet.noc.oncall_words import form_time, local_time
from fleet.noc.policy_form import PolicyForm, StepForm, form_of
from fleet.noc.policy_words import (
    Spelling,
    StepWords,
    WordGroup,
    spelling_of,
    step_words,
    word_groups,
)
from fleet.noc.schedule_board import WEEKDAYS
from fleet.noc.span_form import FormFault, read_moment
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.escalation.preview import PreviewStep, preview_policy
from runbooks.escalation.steps import SEVERITIES
from runbooks.models import EscalationPolicy, EscalationPolicyVersion
from telemetry.models import Finding


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition in words; `steps` is empty where it cannot be read."""

    version: EscalationPolicyVersion
    steps: Sequence[StepWords]
    rounds: str
    acknowledgement: str
    author: str


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy of the list, with its newest edition."""

    policy: EscalationPolicy
    edition: Edition | None
    sites: Sequence[Site]


@dataclass(frozen=True, slots=True)
class Moment:
    """One move of a preview: who is paged when, on the site's clocks, `after` the alert began."""

    step: PreviewStep
    after: str
    at: SafeString
    people: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Question:
    """What the preview was asked; `at` is as the field wants it, on the site's clocks."""

    site: Site
    severity: str
    at: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Who is paged when, for one site, severity and time."""

    question: Question
    moments: Sequence[Moment]
    left_out: int


@dataclass(frozen=True, slots=True)
class PolicyBoard:
    """One policy's page."""

    policy: EscalationPolicy
    current: Edition | None
    earlier: Sequence[Edition]
    followers: Sequence[Site]
    sites: Sequence[Site]
    #: Sites that may be let follow it by the reader, and do not yet.
    others: Sequence[Site]
    #: Those of the followers for which the reader may choose another.
    movable: frozenset[int]
    may_change: bool


@dataclass(frozen=True, slots=True)
class Editor:
    """The form of a new edition, and what it offers; each step with whom it names in words."""

    form: PolicyForm
    steps: Sequence[tuple[StepForm, str]]
    groups: Sequence[WordGroup]
    severities: Sequence[str] = SEVERITIES
    weekdays: Sequence[tuple[str, str]] = tuple(
        (str(number), name) for number, name in enumerate(WEEKDAYS)
    )


_MOST_SHOWN = 24


def policy_rows(user: AnyUser) -> list[PolicyRow]:
    """Return every policy with its newest edition and the sites `user` may see that follow it."""
    spelling = spelling_of(word_groups())
    seen = set(sites_visible_to(user).values_list("pk", flat=True))
    newest = EscalationPolicyVersion.objects.order_by("policy_id", "-number").distinct("policy_id")
    versions = {row.policy_id: row for row in newest.select_related("policy", "created_by")}
    policies = EscalationPolicy.objects.prefetch_related("sites__site")
    return [
        PolicyRow(
            policy=policy,
            edition=_edition(versions[policy.pk], spelling) if policy.pk in versions else None,
            sites=sorted(
                (row.site for row in policy.sites.all() if row.site_id in seen),
                key=lambda site: site.name,
            ),
        )
        for policy in policies
    ]


def policy_board(*, user: AnyUser, policy: EscalationPolicy) -> PolicyBoard:
    """Return one policy as `user` may see it."""
    spelling = spelling_of(word_groups())
    versions = policy.versions.select_related("policy", "created_by").order_by("-number")
    editions = [_edition(version, spelling) for version in versions]
    visible = sites_visible_to(user)
    mine = sites_where(user, Action.CHANGE)
    followers = list(visible.filter(escalation_choice__policy=policy).order_by("name"))
    movable = list(mine.order_by("name"))
    return PolicyBoard(
        policy=policy,
        current=editions[0] if editions else None,
        earlier=editions[1:],
        followers=followers,
        sites=list(visible.order_by("name")),
        others=[site for site in movable if site not in followers],
        movable=frozenset(site.pk for site in movable),
        may_change=may_change_plans(user),
    )


def editor_for(board: PolicyBoard | None, form: PolicyForm | None) -> Editor:
    """Return the editor with what was typed, else with the newest edition, else empty."""
    if form is None and board is not None and board.current is not None:
        form = form_of(board.current.version)
    form, groups = form or PolicyForm(), word_groups()
    spelling = spelling_of(groups)
    named = [listed([spelling.get(word, word) for word in step.words]) for step in form.steps]
    return Editor(form, list(zip(form.steps, named, strict=True)), groups)


def question_about(
    board: PolicyBoard, *, site_slug: str, severity: str, at: str, now: datetime
) -> Question | None:
    """Return what to preview: what was asked, else the first follower, urgent, now."""
    chosen = [site for site in board.sites if site.slug == site_slug]
    site = next(iter([*chosen, *board.followers, *board.sites]), None)
    if site is None:
        return None
    word = severity if severity in SEVERITIES else SEVERITIES[0]
    return Question(site, word, at or form_time(now, site.time_zone))


def preview_of(version: EscalationPolicyVersion, question: Question, *, at: datetime) -> Preview:
    """Return who would be paged when for an alert opened at `at`; nothing is written."""
    severity = Finding.Severity[question.severity.upper()]
    steps = preview_policy(version=version, site=question.site, severity=severity, at=at)
    zone = question.site.time_zone
    moments = [
        Moment(
            step=step,
            after=_after(step.at, at),
            at=local_time(step.at, zone),
            people=list(zip(step.names, step.contacts, strict=True)),
        )
        for step in steps[:_MOST_SHOWN]
    ]
    return Preview(question, moments, max(0, len(steps) - _MOST_SHOWN))


def try_out(version: EscalationPolicyVersion | None, question: Question) -> dict[str, object]:
    """Return what a page shows of a preview: `preview`, or as `fault` why there is none.

    Neither where there is no edition that can be read.
    """
    if version is None:
        return {}
    try:
        at = read_moment(question.at, zone=question.site.time_zone, what="time of the alert")
        return {"preview": preview_of(version, question, at=at)}
    except PlanError:
        return {}
    except FormFault as refusal:
        return {"fault": refusal.sentence}


def _after(at: datetime, began: datetime) -> str:
    seconds = (at - began).total_seconds()
    return f"after {exact_words(seconds)}" if seconds >= 1 else "at once"


def _edition(version: EscalationPolicyVersion, spelling: Spelling) -> Edition:
    try:
        read = read_steps(version.steps)
    except PlanError:
        read = ()
    seconds = version.acknowledgement_seconds
    rounds = version.repeat + 1
    author = version.created_by
    return Edition(
        version=version,
        steps=[step_words(number, step, spelling) for number, step in enumerate(read, start=1)],
        rounds="Once through, then nobody else" if rounds == 1 else f"Up to {rounds} rounds",
        acknowledgement=(
            "An acknowledgement never runs out"
            if seconds is None
            else f"An acknowledged alert pages anew after {exact_words(seconds)}"
        ),
        author=name_of(author) if author else "the set-up",
    )
