"""Who may write runbooks. They are for every site; everybody who is signed in may read them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from fleet.access import Action, AnyUser, may_everywhere


def may_write(user: AnyUser) -> bool:
    """Tell whether `user` may write, review and withdraw runbooks."""
    return may_everywhere(user, Action.CHANGE)


def require_write(user: AnyUser) -> None:
    """Raise PermissionDenied for somebody who may only read runbooks."""
    if not may_write(user):
        raise PermissionDenied(
            "Runbooks are followed at every site; writing them takes the role of engineer or admin "
            "everywhere."
        )
