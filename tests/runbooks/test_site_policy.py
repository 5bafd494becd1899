"""Which policy a site follows: chosen by who saw what it follows, never none, written down."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import AuditEntry, Site
from runbooks.escalation.policies import policy_version_for
from runbooks.escalation.sites import ChoiceError, choose_policy
from runbooks.models import EscalationPolicy, SiteEscalation
from tests.factories import NOON, make_policy, make_site
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db


def choose(site: Site, policy: EscalationPolicy, *, instead_of: EscalationPolicy | None) -> None:
    choose_policy(site=site, policy=policy, instead_of=instead_of, by=None, now=NOON)


def code_of(**arguments: Any) -> str:
    with pytest.raises(ChoiceError) as caught:
        choose(**arguments)
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.fixture
def site() -> Site:
    """A live site that follows the policy called Day."""
    return make_site(policy=make_policy(slug="day", name="Day"))


@pytest.fixture
def day(site: Site) -> EscalationPolicy:
    return EscalationPolicy.objects.get(slug="day")


def test_the_next_alert_follows_the_new_policy_and_an_open_one_the_old(
    site: Site, day: EscalationPolicy
) -> None:
    make_library()
    alert, night = make_alert(site=site), make_policy(slug="night")
    choose(site, night, instead_of=day)
    assert policy_version_for(site).policy == night
    alert.refresh_from_db()
    assert alert.policy_version.policy == day
    entry = AuditEntry.objects.get(action="site.policy_chosen")
    assert (entry.subject, entry.detail) == (
        site.slug,
        {"policy": "night", "policy_before": "day"},
    )


def test_who_saw_another_policy_in_force_changes_nothing(site: Site, day: EscalationPolicy) -> None:
    night, weekend = make_policy(), make_policy()
    choose(site, night, instead_of=day)
    assert code_of(site=site, policy=weekend, instead_of=day) == "choice_changed"
    assert code_of(site=site, policy=weekend, instead_of=None) == "choice_changed"
    assert policy_version_for(site).policy == night


def test_a_policy_without_an_edition_is_refused(site: Site, day: EscalationPolicy) -> None:
    empty = EscalationPolicy.objects.create(slug="empty", name="Empty")
    assert code_of(site=site, policy=empty, instead_of=day) == "no_edition"


def test_choosing_what_is_in_force_writes_nothing(site: Site, day: EscalationPolicy) -> None:
    choose(site, day, instead_of=day)
    assert not AuditEntry.objects.filter(action="site.policy_chosen").exists()


def test_a_planned_site_without_one_can_be_given_one(day: EscalationPolicy) -> None:
    planned = make_site(status=Site.Status.PLANNED)
    SiteEscalation.objects.filter(site=planned).delete()
    choose(planned, day, instead_of=None)
    assert policy_version_for(planned).policy == day
