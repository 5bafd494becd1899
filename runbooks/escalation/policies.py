"""Escalation policies: publish a new edition, and find the one a site follows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Site
from runbooks.escalation.plan import PlanError, read_steps
from runbooks.models import EscalationPolicy, EscalationPolicyVersion

MOST_REPEATS = 20


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
) -> EscalationPolicyVersion:
    """Publish an edition of the policy `slug`, made if it is new; the same again changes nothing.

    Escalations that run keep the edition they began with. `steps` as in EscalationPolicyVersion;
    `repeat` counts the rounds after the first. Raises PlanError.
    """
    read_steps(steps)
    if not 0 <= repeat <= MOST_REPEATS:
        raise PlanError(
            "bad_repeat", f"A policy is repeated 0 to {MOST_REPEATS} times after the first round."
        )
    policy, _ = EscalationPolicy.objects.get_or_create(slug=slug, defaults={"name": name})
    # Held until COMMIT, so that two publishers do not give the same number.
    EscalationPolicy.objects.select_for_update(no_key=True).get(pk=policy.pk)
    EscalationPolicy.objects.filter(pk=policy.pk).exclude(name=name).update(name=name)
    newest = policy.versions.order_by("-number").first()
    if newest is not None and (newest.steps, newest.repeat) == (steps, repeat):
        return newest
    return EscalationPolicyVersion.objects.create(
        policy=policy,
        number=1 if newest is None else newest.number + 1,
        steps=steps,
        repeat=repeat,
        created_at=now,
        created_by=by,
    )


def policy_version_for(site: Site) -> EscalationPolicyVersion:
    """Return the newest edition of the policy that the site follows; raises NoPolicy."""
    version = (
        EscalationPolicyVersion.objects.filter(policy__sites__site=site)
        .select_related("policy")
        .order_by("-number")
        .first()
    )
    if version is None:
        raise NoPolicy(site)
    return version
