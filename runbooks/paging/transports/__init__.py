"""Ways to get a page to a person, one module each."""

from __future__ import annotations
