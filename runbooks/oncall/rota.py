"""Whose turn it is: rotations, exceptions and holidays over any span, on local clocks. Pure."""

from __future__ import annotations
