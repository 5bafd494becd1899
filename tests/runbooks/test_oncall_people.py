"""Who is meant by a step's words, and what a due step does with their conditions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pytest_django import DjangoAssertNumQueries

from fleet.models import Membership, Owner, Site
from runbooks.escalation.choice import choose
from runbooks.escalation.plan import read_steps
from runbooks.oncall.services import add_override, create_group
from runbooks.paging.people import owners_meant, reachable
from tests.factories import NOON, make_contact, make_owner, make_site, make_user, secret_from
from tests.runbooks.oncall_world import at, make_schedule, owner_of, two_people, weekly
from tests.runbooks.world import HIGH, LOW, URGENT, word

pytestmark = pytest.mark.django_db

OFFICE = {"time_zone": "site", "weekdays": [0, 1, 2, 3, 4], "from": "08:00", "until": "18:00"}


def names(words: Sequence[str], site: Site, day: int = 8) -> list[str]:
    return [owner.name for owner in owners_meant(words, site=site, at=at(day))]


def make_member(name: str, role: str, site: Site | None = None, **user: object) -> Owner:
    return make_owner(name=name, user=make_user(role, site, **user))


def test_a_schedule_means_whoever_is_on_call_at_that_moment() -> None:
    ana, ben = two_people()
    schedule, site = weekly(ana, ben, slug="europe"), make_site()
    assert names(["schedule:europe"], site, day=8) == ["Ana"]
    assert names(["schedule:europe"], site, day=15) == ["Ben"]
    add_override(schedule=schedule, owner=ben, starts_at=at(8), ends_at=at(9), by=None, now=NOON)
    assert names(["schedule:europe"], site, day=8) == ["Ben"]


def test_a_gap_and_a_schedule_that_is_gone_mean_nobody() -> None:
    make_schedule(slug="empty")
    assert names(["schedule:empty", "schedule:gone", "group:gone", "owner:0"], make_site()) == []


def test_a_group_means_all_its_people_by_name() -> None:
    ana, ben = two_people()
    create_group(slug="power", name="Power", owners=[ben, ana], by=None, now=NOON)
    assert names(["group:power"], make_site()) == ["Ana", "Ben"]


def test_a_role_means_those_who_have_it_at_the_site_or_everywhere() -> None:
    site = make_site()
    make_member("Here", "engineer", site)
    make_member("Everywhere", "engineer")
    make_member("Elsewhere", "engineer", make_site())
    make_member("Other", "operator", site)
    make_member("Gone", "engineer", site, is_active=False)
    assert names(["role:engineer"], site) == ["Everywhere", "Here"]


def test_whoever_answers_for_the_site_has_the_role_of_its_owner() -> None:
    site = make_site()
    make_member("Second", Membership.Role.OWNER, site)
    assert names(["role:owner"], site) == [owner_of(site), "Second"]


def test_everybody_is_meant_once_in_the_order_of_the_words() -> None:
    ana, ben = two_people()
    create_group(slug="power", name="Power", owners=[ana, ben], by=None, now=NOON)
    site = make_site(owner=make_contact(owner=ana).owner)
    weekly(ana, slug="europe")
    assert names([word(ben), "group:power", "schedule:europe", "site_owner"], site) == [
        "Ben",
        "Ana",
    ]


def test_a_contact_means_its_owner_through_that_contact_alone() -> None:
    first = make_contact()
    second = make_contact(owner=first.owner, position=2, label="team room")
    people = reachable(owners_meant([f"contact:{second.pk}"], site=make_site(), at=NOON))
    assert [(person.owner, person.contact) for person in people] == [(first.owner, second)]


def test_an_owner_and_a_second_contact_of_theirs_are_both_paged() -> None:
    first = make_contact()
    second = make_contact(owner=first.owner, position=2)
    words = [word(first.owner), f"contact:{second.pk}", f"contact:{first.pk}"]
    people = reachable(owners_meant(words, site=make_site(), at=NOON))
    assert [person.contact for person in people] == [first, second]


def test_a_contact_that_passed_no_test_reaches_nobody() -> None:
    contact = make_contact(tested_at=None)
    words = [word(contact.owner), f"contact:{contact.pk}"]
    found = owners_meant(words, site=make_site(), at=NOON)
    assert [owner.pk for owner in found] == [contact.owner.pk] * 2
    assert reachable(found) == []


def test_the_usual_words_cost_two_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    site = make_site()
    with django_assert_num_queries(2):
        owners_meant(["site_owner", "catch_all", "owner:7"], site=site, at=NOON)


def test_a_step_for_other_severities_is_passed_over_at_once() -> None:
    site, other = make_site(), make_contact(secret=secret_from("other")).owner
    steps = read_steps(
        [
            {"notify": ["site_owner"], "delay_seconds": 300, "severities": ["urgent"]},
            {"notify": [word(other)], "delay_seconds": 600},
        ]
    )
    chosen = {
        severity: choose(steps, step_index=0, rounds_left=0, site=site, now=NOON, severity=severity)
        for severity in (URGENT, HIGH)
    }
    assert {severity: choice and choice.step for severity, choice in chosen.items()} == {
        URGENT: 0,
        HIGH: 1,
    }
    assert [choice and choice.unreachable for choice in chosen.values()] == [(), ()]


def test_outside_all_hours_an_alert_is_held_until_they_begin() -> None:
    site = make_site(time_zone="Asia/Tokyo")
    steps = read_steps([{"notify": ["site_owner"], "delay_seconds": 300, "hours": OFFICE}])
    choice = choose(steps, step_index=0, rounds_left=0, site=site, now=NOON, severity=LOW)
    assert choice is not None
    assert (choice.is_held, list(choice.people), choice.decision.next_step) == (True, [], 0)
    assert choice.ends_at == at(1, 23)
    then = choose(steps, step_index=0, rounds_left=0, site=site, now=choice.ends_at, severity=LOW)
    assert then is not None
    assert [person.owner for person in then.people] == [site.owner]


def test_a_gap_in_the_schedule_pages_the_owner_of_the_site_instead() -> None:
    make_schedule(slug="empty")
    site = make_site()
    steps = read_steps([{"notify": ["schedule:empty"], "delay_seconds": 300}])
    choice = choose(steps, step_index=0, rounds_left=0, site=site, now=NOON, severity=URGENT)
    assert choice is not None
    assert (choice.stand_in, [person.owner for person in choice.people]) == (
        "the site's owner",
        [site.owner],
    )
