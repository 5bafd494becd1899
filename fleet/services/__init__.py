"""Changes to what we own; each is one verb, written to the audit log."""

from __future__ import annotations
