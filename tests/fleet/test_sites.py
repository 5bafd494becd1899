"""A site goes live only when somebody answers for it, and leaves a trace when it goes."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from fleet.models import AgentToken, AuditEntry, Site
from fleet.services.sites import SiteNotReady, activate_site, retire_site
from runbooks.models import SiteEscalation
from tests.factories import NOON, make_contact, make_owner, make_site, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_site_that_is_answered_for_goes_live_and_the_audit_log_says_by_whom() -> None:
    site = make_site(status=Site.Status.STAGING)
    engineer = make_user()
    activate_site(site=site, by=engineer, now=NOON)
    entry = AuditEntry.objects.get()
    assert Site.objects.get().status == site.status == Site.Status.ACTIVE
    assert (entry.at, entry.actor, entry.action) == (NOON, engineer, "site.activated")
    assert (entry.subject, entry.detail) == (site.slug, {"status_before": "staging"})


def test_everything_a_site_lacks_is_said_at_once() -> None:
    site = make_site(status=Site.Status.PLANNED, owner=None, name="Clinic")
    SiteEscalation.objects.all().delete()
    with pytest.raises(SiteNotReady) as caught:
        activate_site(site=site, by=None, now=NOON)
    assert str(caught.value) == (
        "Clinic cannot go live yet. Nobody answers for it: name an owner. "
        "It follows no escalation policy: choose one."
    )
    assert caught.value.code == "site_not_ready"
    assert len(caught.value.missing) == 2
    assert Site.objects.get().status == Site.Status.PLANNED
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "broken", [{"is_enabled": False}, {"disabled_reason": "answered 410"}, {"tested_at": None}]
)
def test_an_owner_whose_only_contact_does_not_work_is_not_enough(broken: dict[str, object]) -> None:
    owner = make_owner(name="Aiko")
    make_contact(owner=owner, **broken)
    site = make_site(status=Site.Status.STAGING, owner=owner)
    with pytest.raises(SiteNotReady) as caught:
        activate_site(site=site, by=None, now=NOON)
    assert caught.value.missing == (
        "Aiko cannot be paged: give them a contact and send it a test page.",
    )


def test_a_retired_site_does_not_come_back_by_itself() -> None:
    site = make_site(status=Site.Status.RETIRED)
    with pytest.raises(SiteNotReady, match="It is retired: set it back to staging first"):
        activate_site(site=site, by=None, now=NOON)


def test_activating_twice_is_written_down_once() -> None:
    site = make_site(status=Site.Status.STAGING)
    activate_site(site=site, by=None, now=NOON)
    activate_site(site=site, by=None, now=NOON + timedelta(hours=1))
    assert [entry.at for entry in AuditEntry.objects.all()] == [NOON]


def test_a_retired_site_takes_its_agents_tokens_with_it() -> None:
    site, neighbour = make_site(), make_site()
    gone, kept = make_token(site), make_token(neighbour)
    engineer = make_user()
    retire_site(site=site, by=engineer, now=NOON)
    retire_site(site=site, by=engineer, now=NOON + timedelta(hours=1))
    gone.refresh_from_db()
    kept.refresh_from_db()
    assert Site.objects.get(pk=site.pk).status == site.status == Site.Status.RETIRED
    assert (gone.revoked_at, kept.revoked_at) == (NOON, None)
    assert [entry.action for entry in AuditEntry.objects.all()] == ["site.retired"]


def make_token(site: Site) -> AgentToken:
    digest = hashlib.sha256(site.slug.encode()).hexdigest()
    return AgentToken.objects.create(
        site=site, label="rack", prefix="hw_1", token_hash=digest, created_at=NOON
    )
