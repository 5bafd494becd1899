"""Desired against reported: canonical forms, digests and the verdict on every item; pure."""

from __future__ import annotations
