"""Escalation policies: publish a new edition, and find the one a site follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from fleet.models import Contact, Owner, Site
from runbooks.escalation.steps import PlanError, Step, check_steps, read_steps, split_word
from runbooks.models import (
    EscalationPolicy,
    EscalationPolicyVersion,
    PagingGroup,
    Schedule,
)

MOST_REPEATS = 20
#: One minute, so that a slip of the hand does not page in a loop, to four days.
LEAST_ACKNOWLEDGEMENT_SECONDS = 60
MOST_ACKNOWLEDGEMENT_SECONDS = 4 * 86_400


class NoPolicy(Exception):
    """A site follows no policy: nobody would be paged."""

    code = "no_policy"

    def __init__(self, site: Site) -> None:
        super().__init__(
            f"{site} follows no escalation policy, so nobody can be paged; choose one in its "
            "settings."
        )


@transaction.atomic
def publish_policy(
    *,
    slug: str,
    name: str,
    steps: list[dict[str, Any]],
    repeat: int,
    by: User | None,
    now: datetime,
    acknowledgement_seconds: int | None = None,
) -> EscalationPolicyVersion:
    """Publish an edition of the policy `slug`, made if it is new; the same again changes nothing.

    Escalations that run keep the edition they began with. `steps` as in `escalation.steps`;
    `repeat` counts the rounds after the first; an acknowledged alert pages anew after
    `acknowledgement_seconds` (None: never). Raises PlanError.
    """
    _check_edition(steps, repeat, acknowledgement_seconds)
    policy, _ = EscalationPolicy.objects.get_or_create(slug=slug, defaults={"name": name})
    # Held until COMMIT, so that two publishers do not give the same number.
    EscalationPolicy.objects.select_for_update(no_key=True).get(pk=policy.pk)
    EscalationPolicy.objects.filter(pk=policy.pk).exclude(name=name).update(name=name)
    newest = policy.versions.order_by("-number").first()
    edition = steps, repeat, acknowledgement_seconds
    if newest is not None and edition == (
        newest.steps,
        newest.repeat,
        newest.acknowledgement_seconds,
    ):
        return newest
    return EscalationPolicyVersion.objects.create(
        policy=policy,
        number=1 if newest is None else newest.number + 1,
        steps=steps,
        repeat=repeat,
        acknowledgement_seconds=acknowledgement_seconds,
        created_at=now,
        created_by=by,
    )


def check_names(steps: Sequence[Step]) -> None:
    """Refuse steps that name an owner, contact, schedule or group that is not there.

    Raises PlanError with `unknown_owner`, `unknown_contact`, `unknown_schedule`, `unknown_group`.
    """
    known: dict[str, set[str]] = {
        "owner": {str(pk) for pk in Owner.objects.values_list("pk", flat=True)},
        "contact": {str(pk) for pk in Contact.objects.values_list("pk", flat=True)},
        "schedule": set(Schedule.objects.values_list("slug", flat=True)),
        "group": _held_groups(steps),
    }
    for number, step in enumerate(steps, start=1):
        for word in step.notify:
            kind, name = split_word(word)
            wanted = str(int(name)) if kind in ("owner", "contact") else name
            if kind in known and wanted not in known[kind]:
                raise PlanError(
                    f"unknown_{kind}",
                    f"Step {number} names {word!r}, but there is no such {kind}; make it first, "
                    "or name another.",
                )


def _held_groups(steps: Sequence[Step]) -> set[str]:
    """Return the groups named that are there; held until COMMIT, so that none is deleted now."""
    named = {split_word(word)[1] for step in steps for word in step.notify}
    groups = PagingGroup.objects.select_for_update(no_key=True).filter(slug__in=named)
    return set(groups.order_by("slug").values_list("slug", flat=True))


def _check_edition(
    steps: list[dict[str, Any]], repeat: int, acknowledgement_seconds: int | None
) -> None:
    read = read_steps(steps)
    check_steps(read)
    check_names(read)
    if not 0 <= repeat <= MOST_REPEATS:
        raise PlanError(
            "bad_repeat", f"A policy is repeated 0 to {MOST_REPEATS} times after the first round."
        )
    shortest, longest = LEAST_ACKNOWLEDGEMENT_SECONDS, MOST_ACKNOWLEDGEMENT_SECONDS
    if acknowledgement_seconds is not None and not shortest <= acknowledgement_seconds <= longest:
        raise PlanError(
            "bad_acknowledgement",
            f"An acknowledgement lasts {shortest} to {longest:,} seconds; leave it empty for one "
            "that never runs out.",
        )


def policy_version_for(site: Site) -> EscalationPolicyVersion:
    """Return the newest edition of the policy that the site follows; raises NoPolicy."""
    version = policy_versions_for([site.pk]).get(site.pk)
    if version is None:
        raise NoPolicy(site)
    return version


def policy_versions_for(site_ids: Collection[int]) -> dict[int, EscalationPolicyVersion]:
    """Return the newest edition of the policy of each site that follows one; one query."""
    versions = (
        EscalationPolicyVersion.objects.filter(policy__sites__site__in=site_ids)
        .annotate(site_id=F("policy__sites__site_id"))
        .select_related("policy")
        .order_by("site_id", "-number")
        .distinct("site_id")
    )
    return {version.site_id: version for version in versions}
