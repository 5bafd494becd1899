"""What people are called, spelled one way in every sentence and on every page."""

from __future__ import annotations

from django.contrib.auth.models import User


def name_of(user: User | None) -> str:
    """Return what people call this user."""
    if user is None:
        return "somebody who has left"
    return user.get_full_name() or user.get_username()
