"""Groups of people who are paged together: made, changed, deleted once no policy names them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q

from fleet.models import Owner
from runbooks.models import Escalation, EscalationPolicy, EscalationPolicyVersion, PagingGroup
from runbooks.oncall.audit import write_down
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.schedules import check_slug

LONGEST_NAME = 120


@transaction.atomic
def create_group(
    *, slug: str, name: str, owners: Sequence[Owner], by: User | None, now: datetime
) -> PagingGroup:
    """Make a group; `slug` is what policies call it from then on, whatever its name.

    Raises OnCallError: `bad_name`, `empty_group`, `group_exists`.
    """
    check_slug(slug, name)
    _check(name, owners)
    group, is_new = PagingGroup.objects.get_or_create(slug=slug, defaults={"name": name.strip()})
    if not is_new:
        raise OnCallError(
            "group_exists",
            f"The group {group.name} has the short name {slug!r} already; change that one, or "
            "give another name.",
        )
    group.owners.set(owners)
    write_down("paging_group.created", slug, by=by, now=now, **_detail(name, owners))
    return group


@transaction.atomic
def change_group(
    *,
    group: PagingGroup,
    revision: int,
    name: str,
    owners: Sequence[Owner],
    by: User | None,
    now: datetime,
) -> None:
    """Give the group, as it stood at `revision`, this name and these people.

    Pages that are due from now on go to them. Raises OnCallError: `bad_name`, `empty_group`,
    `group_changed`.
    """
    _check(name, owners)
    as_seen = PagingGroup.objects.filter(pk=group.pk, revision=revision)
    if not as_seen.update(name=name.strip(), revision=F("revision") + 1):
        raise OnCallError(
            "group_changed",
            f"Somebody changed {group.name} meanwhile. It stands below as it is now; change it "
            "again.",
        )
    group.owners.set(owners)
    write_down("paging_group.changed", group.slug, by=by, now=now, **_detail(name, owners))


@transaction.atomic
def delete_group(*, group: PagingGroup, by: User | None, now: datetime) -> None:
    """Take a group away that no policy in force names, and no escalation under way either.

    Raises OnCallError: `group_in_use` with the names of the policies, `group_gone`.
    """
    # Whoever publishes a policy holds the groups it names: theirs is seen here, or ours there.
    found = PagingGroup.objects.select_for_update().filter(pk=group.pk).first()
    if found is None:
        raise OnCallError("group_gone", f"{group.name} was deleted already.")
    names = [policy.name for policy in policies_by_group().get(found.slug, [])]
    if names:
        raise OnCallError(
            "group_in_use",
            f"{found.name} is paged by {', '.join(names)}. Publish an edition without it first; "
            "alerts that began with an older one must be closed.",
        )
    write_down("paging_group.deleted", found.slug, by=by, now=now, name=found.name)
    found.delete()


def policies_by_group() -> dict[str, list[EscalationPolicy]]:
    """Return the policies, by name, that name each group, by its slug.

    Asked are the newest editions, and those of escalations that are not over: one that was
    stopped may begin anew.
    """
    newest = EscalationPolicyVersion.objects.order_by("policy_id", "-number").distinct("policy_id")
    under_way = Escalation.objects.exclude(alert__response="closed").values("policy_version")
    versions = EscalationPolicyVersion.objects.filter(
        Q(pk__in=newest.values("pk")) | Q(pk__in=under_way)
    )
    found: dict[str, set[EscalationPolicy]] = {}
    for version in versions.select_related("policy"):
        for word in (word for step in version.steps for word in step.get("notify", [])):
            kind, _, slug = str(word).partition(":")
            if kind == "group":
                found.setdefault(slug, set()).add(version.policy)
    return {slug: sorted(rows, key=lambda row: row.name) for slug, rows in found.items()}


def _check(name: str, owners: Sequence[Owner]) -> None:
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise OnCallError("bad_name", f"Give the group a name of 1 to {LONGEST_NAME} letters.")
    if not owners:
        raise OnCallError("empty_group", "A group without people reaches nobody; name somebody.")


def _detail(name: str, owners: Sequence[Owner]) -> dict[str, object]:
    return {"name": name.strip(), "owner_ids": sorted(owner.pk for owner in owners)}
