"""The page of a site's choice: a dry run of any policy, then the choice, never none."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Site
from runbooks.escalation.policies import policy_version_for
from runbooks.models import EscalationPolicy, Page, SiteEscalation
from tests.factories import make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import HTMX, signed_in, stop_clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def site() -> Site:
    """A live site in Osaka that follows Day, which pages its owner, Ken."""
    ken = make_contact(owner=make_owner(name="Ken Mori"), label="phone").owner
    return make_site(
        name="Osaka-3", slug="osaka-3", owner=ken, policy=make_policy(slug="day", name="Day")
    )


@pytest.fixture
def night(site: Site) -> EscalationPolicy:
    """Another policy, which pages Samira at once."""
    samira = make_contact(owner=make_owner(name="Samira Haddad"), label="pager").owner
    steps = [{"notify": [f"owner:{samira.pk}"], "delay_seconds": 60}]
    return make_policy(slug="night", name="Night shift", steps=steps, repeat=0)


def page_of(*, user: Any = None, query: str = "", **headers: str) -> str:
    reader = signed_in(user or make_user("viewer"))
    answer = reader.get(reverse("noc:site-policy", args=["osaka-3"]) + query, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def choose(*, by: Any = None, **said: str) -> Any:
    fields = {"policy": "night", "instead_of": "day"}
    address = reverse("noc:site-policy", args=["osaka-3"])
    return signed_in(by or make_user("engineer")).post(address, fields | said, follow=True)


def test_the_page_says_what_is_in_force_and_whom_it_would_page(
    site: Site, night: EscalationPolicy
) -> None:
    page = page_of(user=make_user("engineer"))
    assert "Osaka-3 follows Day" in page
    assert 'value="day" checked' in page
    assert '<b>Ken Mori</b> <span class="small">by phone</span>' in page
    assert "Osaka-3 follows it already." in page
    assert not Page.objects.exists()


def test_another_policy_is_tried_out_before_it_is_chosen(
    site: Site, night: EscalationPolicy
) -> None:
    engineer = make_user("engineer")
    page = page_of(user=engineer, query="?policy=night&severity=low&at=2030-01-02T21:00", **HTMX)
    assert page.startswith("<p")
    assert "<b>Samira Haddad</b>" in page
    assert "Wed 2 Jan, 21:00 in Tokyo" in page
    assert "Let Osaka-3 follow Night shift</button>" in page
    assert policy_version_for(site).policy.slug == "day"


def test_the_choice_is_made_and_said(site: Site, night: EscalationPolicy) -> None:
    page = choose().content.decode()
    assert "Osaka-3 follows Night shift. Open alerts keep the edition they began with." in page
    assert policy_version_for(site).policy == night


def test_an_engineer_of_the_site_may_choose_and_of_another_may_not_see_it(
    site: Site, night: EscalationPolicy
) -> None:
    assert choose(by=make_user("engineer", site=make_site())).status_code == 404
    assert choose(by=make_user("engineer", site=site)).status_code == 200
    assert policy_version_for(site).policy == night


@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_who_may_only_look_tries_out_and_is_told_who_chooses(
    site: Site, night: EscalationPolicy, role: str
) -> None:
    reader = make_user(role, site=site)
    page = page_of(user=reader, query="?policy=night")
    assert "<b>Samira Haddad</b>" in page
    assert "Choosing takes the role of engineer or admin at Osaka-3." in page
    assert "Let Osaka-3 follow" not in page
    answer = choose(by=reader)
    assert answer.status_code == 403
    assert "takes the role of engineer or admin there" in answer.content.decode()
    assert policy_version_for(site).policy.slug == "day"


@pytest.mark.parametrize("policy", ["", "none", "mars"])
def test_a_site_cannot_be_left_without_a_policy(
    site: Site, night: EscalationPolicy, policy: str
) -> None:
    answer = choose(policy=policy)
    assert answer.status_code == 422
    assert "Choose a policy: without one nobody is paged for Osaka-3." in answer.content.decode()
    assert policy_version_for(site).policy.slug == "day"


def test_a_stale_choice_is_refused_and_the_page_shows_what_is_in_force(
    site: Site, night: EscalationPolicy
) -> None:
    SiteEscalation.objects.filter(site=site).update(policy=make_policy(name="Weekend"))
    answer = choose()
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Somebody chose another policy for Osaka-3 meanwhile." in page
    assert "Osaka-3 follows Weekend" in page


def test_a_policy_without_an_edition_cannot_be_chosen(site: Site) -> None:
    EscalationPolicy.objects.create(slug="night", name="Empty")
    assert "Let Osaka-3 follow" not in page_of(user=make_user("engineer"), query="?policy=night")
    answer = choose()
    assert answer.status_code == 422
    assert "has no edition, so it would page nobody" in answer.content.decode()


def test_a_time_that_is_none_is_refused_in_words(site: Site) -> None:
    assert "The time of the alert is no time" in page_of(query="?at=whenever")
    assert "must lie in the years 2000 to 2200" in page_of(query="?at=9999-12-31T23:59")


def test_a_site_without_a_policy_says_so(site: Site, night: EscalationPolicy) -> None:
    Site.objects.filter(pk=site.pk).update(status="planned")
    SiteEscalation.objects.filter(site=site).delete()
    assert "Osaka-3 follows no policy" in page_of()
    choose(instead_of="")
    assert policy_version_for(site).policy == night


def test_the_site_and_the_policy_lead_to_the_choice(site: Site, night: EscalationPolicy) -> None:
    engineer = signed_in(make_user("engineer"))
    address = reverse("noc:site-policy", args=["osaka-3"])
    site_page = engineer.get(reverse("noc:site", args=["osaka-3"])).content.decode()
    assert f'<a href="{address}">Choose another policy</a>' in site_page
    following = engineer.get(reverse("noc:policy", args=["day"])).content.decode()
    assert "Choose another policy for Osaka-3" in following
    other = engineer.get(reverse("noc:policy", args=["night"])).content.decode()
    assert f'href="{address}?policy=night"' in other
    policies = engineer.get(reverse("noc:policies")).content.decode()
    assert "Followed by 1 site:" in policies


def test_who_may_not_choose_is_offered_no_choice(site: Site, night: EscalationPolicy) -> None:
    reader = signed_in(make_user("viewer"))
    site_page = reader.get(reverse("noc:site", args=["osaka-3"])).content.decode()
    assert "Choose another policy" not in site_page
    assert "Who is paged when</a>" in site_page
    for slug in ("day", "night"):
        page = reader.get(reverse("noc:policy", args=[slug])).content.decode()
        assert "hoose another" not in page
        assert "Let another site follow it" not in page
