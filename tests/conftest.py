"""Fixtures and profiles that more than one folder uses."""

from __future__ import annotations

from hypothesis import settings

# Two shared cores: a slow example is no failure, and the same examples come each time.
settings.register_profile("hearthwatch", deadline=None, derandomize=True)
settings.load_profile("hearthwatch")
