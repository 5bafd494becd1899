"""The readiness page: what is lacking, whose it is, what to do, where to go."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Contact, Owner, Site
from tests.factories import make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import NOW, signed_in, stop_clock
from tests.noc.paging_world import make_europe, unreachable_site

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def page_for(user: Any) -> str:
    answer = signed_in(user).get(reverse("noc:readiness"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def catch_all() -> Owner:
    return make_contact(owner=make_owner(name="Samira Haddad", is_catch_all=True)).owner


def test_when_nothing_is_lacking_it_says_that_all_is_ready() -> None:
    catch_all()
    make_site()
    page = page_for(make_user("viewer"))
    assert "All is ready" in page
    assert "Every live site reaches at least two people." in page


def test_a_person_without_a_working_contact_is_named_with_a_way_to_mend_it() -> None:
    catch_all()
    ken = unreachable_site("Kobe-1").owner
    assert ken is not None
    page = page_for(make_user("viewer"))
    people = page[page.index("People and contacts") :]
    assert "Owner of Kobe-1 has no working contact" in people
    assert f'href="{reverse("noc:contact", args=[ken.pk])}"' in people


def test_a_gap_leads_to_its_schedule() -> None:
    anne = make_contact(owner=make_owner(name="Anne Roux")).owner
    europe = make_europe(anne, now=NOW, covers_from=time(9), covers_until=time(17))
    catch_all()
    steps = [{"notify": ["schedule:europe", "site_owner"], "delay_seconds": 300}]
    make_site(policy=make_policy(steps=steps))
    page = page_for(make_user("viewer"))
    schedules = page[page.index('id="lacks-schedules"') :]
    assert "Nobody is on call in Europe from" in schedules
    assert f'href="{reverse("noc:schedule", args=[europe.slug])}"' in schedules


def test_what_may_reach_nobody_is_the_headline_and_comes_first() -> None:
    unreachable_site("Kobe-1")
    page = page_for(make_user("viewer"))
    assert "Pages may reach nobody:" in page
    assert page.index("Sites and policies") < page.index("People and contacts")
    assert "No owner is the catch-all" in page


def test_what_is_lacking_elsewhere_is_not_told_to_somebody_of_one_site() -> None:
    catch_all()
    unreachable_site("Hidden-1")
    mine = unreachable_site("Mine-1")
    page = page_for(make_user("viewer", site=mine))
    assert "Owner of Mine-1 has no working contact" in page
    assert "Hidden-1" not in page


def test_the_other_sites_of_the_same_person_are_not_told_either() -> None:
    catch_all()
    mine = unreachable_site("Mine-1")
    Site.objects.filter(pk=make_site(name="Hidden-1").pk).update(owner=mine.owner)
    page = page_for(make_user("viewer", site=mine))
    assert "Owner of Mine-1 has no working contact" in page
    assert "Hidden-1" not in page
    Site.objects.filter(name="Hidden-1").update(status=Site.Status.PLANNED)
    Site.objects.filter(pk=mine.pk).update(status=Site.Status.PLANNED)


def test_a_lack_goes_by_itself_once_it_is_mended() -> None:
    catch_all()
    site = make_site()
    Contact.objects.filter(owner=site.owner).update(tested_at=None)
    viewer = make_user("viewer")
    assert "was never tested" in page_for(viewer)
    Contact.objects.filter(owner=site.owner).update(tested_at=NOW)
    assert "All is ready" in page_for(viewer)
