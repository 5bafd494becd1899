"""The database refuses a live site that nobody answers for."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from fleet.models import Contact, Site
from runbooks.models import SiteEscalation
from tests.factories import NOON, make_owner, make_policy, make_site

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_site_with_owner_contact_and_policy_goes_live() -> None:
    assert make_site().status == Site.Status.ACTIVE


def test_a_site_without_an_owner_is_refused() -> None:
    with pytest.raises(IntegrityError, match="an_active_site_has_an_owner"):
        make_site(owner=None)


def test_a_site_whose_owner_has_no_contact_is_refused() -> None:
    with pytest.raises(IntegrityError, match="its owner has no working contact"):
        make_site(owner=make_owner())


def test_a_site_without_a_policy_is_refused() -> None:
    policy = make_policy()
    site = make_site(policy=policy)
    with pytest.raises(IntegrityError, match="it has no escalation policy"):
        SiteEscalation.objects.filter(site=site).delete()


def test_a_planned_site_needs_nobody_yet() -> None:
    assert make_site(owner=None, status=Site.Status.PLANNED).owner is None


def test_the_last_contact_of_a_live_site_cannot_be_switched_off() -> None:
    site = make_site()
    with pytest.raises(IntegrityError, match="its owner has no working contact"):
        Contact.objects.filter(owner=site.owner).update(is_enabled=False)


def test_the_last_contact_of_a_live_site_cannot_be_deleted() -> None:
    site = make_site()
    with pytest.raises(IntegrityError, match="its owner has no working contact"):
        Contact.objects.filter(owner=site.owner).delete()


def test_contact_and_site_may_come_in_any_order_within_one_transaction() -> None:
    with transaction.atomic():
        site = make_site(owner=make_owner())
        Contact.objects.create(
            owner=site.owner,
            label="late",
            url="http://127.0.0.1:9/",
            secret="whsec_eA==",
            tested_at=NOON,
        )
    assert Site.objects.get().status == Site.Status.ACTIVE
