"""Signs of life that others owe us."""

from __future__ import annotations
