"""Who may see and do what, where."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from fleet.access import (
    ALLOWED,
    Action,
    Role,
    may,
    node_for,
    site_for,
    sites_visible_to,
    sites_where,
)
from tests.factories import make_contact, make_node, make_site, make_user

pytestmark = pytest.mark.django_db


def test_nobody_who_is_not_signed_in_sees_a_site() -> None:
    make_site()
    assert list(sites_visible_to(AnonymousUser())) == []


def test_a_user_without_a_membership_sees_no_site() -> None:
    make_site()
    assert list(sites_visible_to(make_user())) == []


def test_a_membership_without_a_site_holds_everywhere() -> None:
    sites = {make_site(), make_site()}
    assert set(sites_visible_to(make_user(Role.VIEWER))) == sites


def test_a_membership_at_one_site_holds_there_alone() -> None:
    mine, other = make_site(), make_site()
    user = make_user(Role.OPERATOR, site=mine)
    assert list(sites_where(user, Action.RESPOND)) == [mine]
    assert not may(user, Action.VIEW, other)


def test_an_owner_may_respond_at_the_sites_that_name_them_and_nowhere_else() -> None:
    user = make_user()
    owner = make_contact().owner
    owner.user = user
    owner.save(update_fields=["user"])
    mine, _other = make_site(owner=owner), make_site()
    assert list(sites_where(user, Action.RESPOND)) == [mine]
    assert not may(user, Action.CHANGE, mine)


def test_someone_who_left_sees_nothing() -> None:
    make_site()
    assert list(sites_visible_to(make_user(Role.ADMIN, is_active=False))) == []


def test_a_superuser_may_do_everything_everywhere() -> None:
    site = make_site()
    assert may(make_user(is_superuser=True), Action.ADMINISTER, site)


@pytest.mark.parametrize(
    ("role", "action"),
    [
        (Role.VIEWER, Action.RESPOND),
        (Role.REMOTE_HANDS, Action.RESPOND),
        (Role.OWNER, Action.RUN),
        (Role.OPERATOR, Action.CHANGE),
        (Role.ENGINEER, Action.ADMINISTER),
    ],
)
def test_a_role_ends_where_the_next_begins(role: str, action: Action) -> None:
    assert not may(make_user(role), action, make_site())


@pytest.mark.parametrize("role", Role.values)
def test_a_role_may_do_exactly_what_the_table_says(role: str) -> None:
    site, user = make_site(), make_user(role)
    assert {action for action in Action if may(user, action, site)} == ALLOWED[role]


def test_two_roles_add_up() -> None:
    here, there = make_site(), make_site()
    user = make_user(Role.VIEWER)
    user.memberships.create(role=Role.OPERATOR, site=here)
    assert may(user, Action.RESPOND, here)
    assert may(user, Action.VIEW, there)
    assert not may(user, Action.RESPOND, there)


def test_a_hidden_site_and_a_missing_one_look_the_same() -> None:
    hidden, user = make_site(), make_user()
    with pytest.raises(Http404, match="no such site"):
        site_for(user, hidden.slug)
    with pytest.raises(Http404, match="no such site"):
        site_for(user, "nowhere")


def test_a_node_is_reached_through_its_site() -> None:
    node = make_node()
    assert node_for(make_user(Role.VIEWER), node.pk) == node
    with pytest.raises(Http404, match="no such node"):
        node_for(make_user(), node.pk)
