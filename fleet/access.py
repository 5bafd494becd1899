"""Who may see and do what. Every selector that serves a request starts here."""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from fleet.models import Membership, Node, Site

AnyUser = AbstractBaseUser | AnonymousUser
Role = Membership.Role


class Action(StrEnum):
    """What somebody may want to do at a site."""

    VIEW = "view"
    RESPOND = "respond"
    """Acknowledge, escalate, comment, close."""
    RUN = "run"
    """Follow a runbook and record readings."""
    CHANGE = "change"
    """Change desired state, runbooks, policies."""
    ADMINISTER = "administer"
    """Change sites, owners, memberships, tokens."""


ALLOWED: dict[str, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action),
    Role.ENGINEER: frozenset({Action.VIEW, Action.RESPOND, Action.RUN, Action.CHANGE}),
    Role.OPERATOR: frozenset({Action.VIEW, Action.RESPOND, Action.RUN}),
    Role.OWNER: frozenset({Action.VIEW, Action.RESPOND}),
    Role.REMOTE_HANDS: frozenset({Action.VIEW, Action.RUN}),
    Role.VIEWER: frozenset({Action.VIEW}),
}


def sites_where(user: AnyUser, action: Action) -> QuerySet[Site]:
    """Return the sites at which `user` may do `action`, most of all none."""
    if not user.is_authenticated or not user.is_active:
        return Site.objects.none()
    if may_everywhere(user, action):
        return Site.objects.all()
    mine = Membership.objects.filter(user_id=user.pk, role__in=_roles_for(action))
    answered_for = Q(owner__user_id=user.pk) if action in ALLOWED[Role.OWNER] else Q(pk__in=[])
    return Site.objects.filter(Q(pk__in=mine.values("site_id")) | answered_for)


def sites_visible_to(user: AnyUser) -> QuerySet[Site]:
    """Return the sites `user` may look at."""
    return sites_where(user, Action.VIEW)


def may(user: AnyUser, action: Action, site: Site) -> bool:
    """Tell whether `user` may do `action` at `site`."""
    return sites_where(user, action).filter(pk=site.pk).exists()


def site_for(user: AnyUser, slug: str) -> Site:
    """Return the site, or 404 where it is hidden from `user` or does not exist."""
    site = sites_visible_to(user).select_related("owner", "parent").filter(slug=slug).first()
    if site is None:
        raise Http404("There is no such site, or you may not see it.")
    return site


def node_for(user: AnyUser, node_id: int) -> Node:
    """Return the node, or 404 where its site is hidden from `user` or it does not exist."""
    nodes = Node.objects.filter(site__in=sites_visible_to(user)).select_related("site")
    node = nodes.filter(pk=node_id).first()
    if node is None:
        raise Http404("There is no such node, or you may not see it.")
    return node


#: Who has the standing a runbook asks of an approver; the owner of the site is one of the last.
STANDING: dict[str, frozenset[str]] = {
    "operator": frozenset({Role.OPERATOR, Role.ENGINEER, Role.ADMIN}),
    "engineer": frozenset({Role.ENGINEER, Role.ADMIN}),
    "owner": frozenset({Role.OWNER, Role.ADMIN}),
}


def has_standing(user: User, standing: str, site: Site) -> bool:
    """Tell whether `user` has a standing of STANDING at `site`; nobody has an unknown one."""
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    is_owner = standing == "owner" and Site.objects.filter(pk=site.pk, owner__user=user).exists()
    at_site = Membership.objects.filter(Q(site=site) | Q(site__isnull=True), user=user)
    return is_owner or at_site.filter(role__in=STANDING.get(standing, frozenset())).exists()


def users_who_may(action: Action, site: Site) -> QuerySet[User]:
    """Return the active people who may do `action` at `site`, by name."""
    at_site = Q(memberships__site=site) | Q(memberships__site__isnull=True)
    # A condition joined with another on the same membership: one row must hold both.
    fits = Q(
        pk__in=User.objects.filter(at_site, memberships__role__in=_roles_for(action)).values("pk")
    )
    fits |= Q(is_superuser=True)
    if action in ALLOWED[Role.OWNER] and site.owner_id is not None:
        fits |= Q(owner=site.owner_id)
    people = User.objects.filter(fits, is_active=True)
    return people.order_by("first_name", "last_name", "username")


def may_everywhere(user: AnyUser, action: Action) -> bool:
    """Tell whether `user` may do `action` at every site, those still to come included."""
    if not user.is_authenticated or not user.is_active:
        return False
    if getattr(user, "is_superuser", False):
        return True
    mine = Membership.objects.filter(user_id=user.pk, role__in=_roles_for(action))
    return mine.filter(site__isnull=True).exists()


def users_who_may_everywhere(action: Action) -> QuerySet[User]:
    """Return the active people who may do `action` at every site, by name."""
    mine = Membership.objects.filter(role__in=_roles_for(action), site__isnull=True)
    fits = Q(pk__in=mine.values("user_id")) | Q(is_superuser=True)
    people = User.objects.filter(fits, is_active=True)
    return people.order_by("first_name", "last_name", "username")


def account_of(user: AnyUser) -> User:
    """Return the account behind a request's user, for a service that names who acted.

    Raises PermissionDenied for nobody, who does not get past the login anyway.
    """
    if isinstance(user, User):
        return user
    raise PermissionDenied("Sign in first.")


def _roles_for(action: Action) -> list[str]:
    return [role for role, actions in ALLOWED.items() if action in actions]
