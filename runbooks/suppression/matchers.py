"""Conditions on labels: read, written and applied. Pure."""

from __future__ import annotations
