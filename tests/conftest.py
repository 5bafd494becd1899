"""Fixtures that more than one folder uses."""

from __future__ import annotations
