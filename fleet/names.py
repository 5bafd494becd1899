"""What people are called, spelled one way in every sentence and on every page."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User


def name_of(user: User | None) -> str:
    """Return what people call this user."""
    if user is None:
        return "somebody who has left"
    return user.get_full_name() or user.get_username()


def listed(names: Sequence[str], *, last: str = "and") -> str:
    """Return every name: `Kim`, `Kim and Ada`, `Kim, Ada and Lin`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
