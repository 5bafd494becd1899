"""Who is on call when."""

from __future__ import annotations
