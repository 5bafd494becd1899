"""A site goes live, and a site leaves the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import AgentToken, AuditEntry, Contact, Site

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_MAY_GO_LIVE = (Site.Status.PLANNED, Site.Status.STAGING)


class SiteNotReady(Exception):
    """A site that cannot go live yet; `missing` says in sentences all that it lacks."""

    code = "site_not_ready"

    def __init__(self, site: Site, missing: Sequence[str]) -> None:
        super().__init__(f"{site.name} cannot go live yet. {' '.join(missing)}")
        self.missing = tuple(missing)


@transaction.atomic
def activate_site(*, site: Site, by: User | None, now: datetime) -> None:
    """Put a site into service: from now on its trouble pages its owner.

    Activating an active site changes nothing. Raises `SiteNotReady` with everything that is
    missing. The database has the last word at COMMIT (`an_active_site_is_answered_for`).
    """
    locked = Site.objects.select_for_update(of=("self",)).select_related("owner").get(pk=site.pk)
    if locked.status != Site.Status.ACTIVE:
        missing = _missing_for_service(locked)
        if missing:
            raise SiteNotReady(locked, missing)
        _move(locked, Site.Status.ACTIVE, action="site.activated", by=by, now=now)
    site.status = Site.Status.ACTIVE


@transaction.atomic
def retire_site(*, site: Site, by: User | None, now: datetime) -> None:
    """Take a site out of the fleet: it is watched no longer and its agents may not sign on.

    Its rows stay. Retiring a retired site changes nothing.
    """
    locked = Site.objects.select_for_update().get(pk=site.pk)
    if locked.status != Site.Status.RETIRED:
        AgentToken.objects.filter(site=locked, revoked_at__isnull=True).update(revoked_at=now)
        _move(locked, Site.Status.RETIRED, action="site.retired", by=by, now=now)
    site.status = Site.Status.RETIRED


def _missing_for_service(site: Site) -> list[str]:
    missing = []
    if site.status not in _MAY_GO_LIVE:
        missing.append(f"It is {site.get_status_display().lower()}: set it back to staging first.")
    if site.owner is None:
        missing.append("Nobody answers for it: name an owner.")
    elif not Contact.objects.filter(
        owner=site.owner, is_enabled=True, disabled_reason="", tested_at__isnull=False
    ).exists():
        missing.append(
            f"{site.owner.name} cannot be paged: give them a contact and send it a test page."
        )
    # By name, not by import: policies live on a floor above this one.
    follows_a_policy = Site.objects.filter(
        pk=site.pk, escalation_choice__policy__versions__isnull=False
    )
    if not follows_a_policy.exists():
        missing.append("It follows no escalation policy: choose one.")
    return missing


def _move(site: Site, status: Site.Status, *, action: str, by: User | None, now: datetime) -> None:
    before = site.status
    site.status = status
    site.save(update_fields=["status"])
    AuditEntry.objects.create(
        at=now, actor=by, action=action, subject=site.slug, detail={"status_before": before}
    )
    publish_on_commit(LiveEvent.SITE_CHANGED, site_id=site.pk, id=site.pk)
