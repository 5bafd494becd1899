"""Which policy a site follows: chosen by name, never left open."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import AuditEntry, Site
from runbooks.models import EscalationPolicy, SiteEscalation
from runbooks.refused import Refused


class ChoiceError(Refused):
    """A site cannot follow that policy: a `code` for machines, a sentence for people."""


@transaction.atomic
def choose_policy(
    *,
    site: Site,
    policy: EscalationPolicy,
    instead_of: EscalationPolicy | None,
    by: User | None,
    now: datetime,
) -> None:
    """Let the site's next alerts follow `policy` instead of the one it was seen to follow.

    Alerts that are open keep the edition they began with. A site that follows a policy follows
    one from then on: there is no way back to none. Raises ChoiceError: `no_edition`,
    `choice_changed` where somebody else chose meanwhile.
    """
    if not policy.versions.exists():
        raise ChoiceError(
            "no_edition", f"{policy.name} has no edition, so it would page nobody. Publish one."
        )
    if instead_of == policy:
        return
    if not _replace(site, policy, instead_of):
        raise ChoiceError(
            "choice_changed",
            f"Somebody chose another policy for {site.name} meanwhile. Look at what it follows "
            "now, then choose again.",
        )
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action="site.policy_chosen",
        subject=site.slug,
        detail={"policy": policy.slug, "policy_before": instead_of.slug if instead_of else None},
    )
    publish_on_commit(LiveEvent.SITE_CHANGED, site_id=site.pk, id=site.pk)


def _replace(site: Site, policy: EscalationPolicy, instead_of: EscalationPolicy | None) -> bool:
    """Tell whether the site follows `policy` now, because it was as the caller saw it."""
    if instead_of is not None:
        as_seen = SiteEscalation.objects.filter(site=site, policy=instead_of)
        return bool(as_seen.update(policy=policy))
    try:
        with transaction.atomic():
            SiteEscalation.objects.create(site=site, policy=policy)
    except IntegrityError:
        return False
    return True
