"""Who may see and change what of paging. Schedules, groups and policies belong to every site."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from fleet.access import Action, AnyUser, may_everywhere, sites_visible_to, sites_where
from fleet.models import Owner


def may_view(user: AnyUser) -> bool:
    """Tell whether `user` may look at any site, or is an owner."""
    return sites_visible_to(user).exists() or sees_everything(user) or owner_of(user) is not None


def require_view(user: AnyUser) -> None:
    """Raise PermissionDenied for somebody who may look at no site at all and is nobody's owner."""
    if not may_view(user):
        raise PermissionDenied("You have no role at any site yet.")


def may_change_plans(user: AnyUser) -> bool:
    """Tell whether `user` may change schedules, groups and policies, which all sites share."""
    return may_everywhere(user, Action.CHANGE)


def require_change(user: AnyUser) -> None:
    """Raise PermissionDenied for somebody who may not change schedules, groups and policies."""
    if not may_change_plans(user):
        raise PermissionDenied(
            "Schedules, groups and policies page people of every site; changing them takes the "
            "role of engineer or admin everywhere."
        )


def owner_of(user: AnyUser) -> Owner | None:
    """Return the person whom pages to this account's holder go to, None where they get none."""
    return Owner.objects.filter(user_id=user.pk).first() if user.is_authenticated else None


def owners_visible_to(user: AnyUser) -> QuerySet[Owner]:
    """Return the people `user` may read of: oneself, and those who answer for visible sites."""
    if sees_everything(user):
        return Owner.objects.all()
    mine = Q(user_id=user.pk) | Q(is_catch_all=True)
    return Owner.objects.filter(mine | Q(pk__in=sites_visible_to(user).values("owner")))


def owner_for(user: AnyUser, owner_id: int) -> Owner:
    """Return the person, or 404 where they are hidden from `user` or do not exist."""
    owner = owners_visible_to(user).select_related("user").filter(pk=owner_id).first()
    if owner is None:
        raise Http404("There is no such person, or you may not see them.")
    return owner


def may_keep_contacts(user: AnyUser, owner: Owner) -> bool:
    """Tell whether `user` may test and change the contacts of `owner`: their own, or as admin."""
    return is_own(user, owner) or may_everywhere(user, Action.ADMINISTER)


def require_contacts(user: AnyUser, owner: Owner) -> None:
    """Raise PermissionDenied for somebody who may not change the contacts of `owner`."""
    if not may_keep_contacts(user, owner):
        raise PermissionDenied(
            f"Only {owner.name} and administrators may test or change these contacts."
        )


def may_keep_phone(user: AnyUser, owner: Owner) -> bool:
    """Tell whether `user` may say by which number `owner` is called: also who changes their site.

    A number is no way for pages: nothing of paging changes with it.
    """
    if may_keep_contacts(user, owner):
        return True
    return sites_where(user, Action.CHANGE).filter(owner=owner).exists()


def require_phone(user: AnyUser, owner: Owner) -> None:
    """Raise PermissionDenied for somebody who may not change the number of `owner`."""
    if not may_keep_phone(user, owner):
        raise PermissionDenied(
            f"Only {owner.name}, administrators and engineers of their sites may change this "
            "number."
        )


def is_own(user: AnyUser, owner: Owner) -> bool:
    """Tell whether `owner` is the person who holds the account."""
    return user.is_authenticated and owner.user_id == user.pk


def require_own(user: AnyUser, owner: Owner) -> None:
    """Raise PermissionDenied for anybody but `owner`: their browser would get another's pages."""
    if not is_own(user, owner):
        raise PermissionDenied(f"Only {owner.name} can be paged in the browser they are logged in.")


def sees_everything(user: AnyUser) -> bool:
    """Tell whether `user` may look at every site, so that nothing about people is hidden."""
    return may_everywhere(user, Action.VIEW)
