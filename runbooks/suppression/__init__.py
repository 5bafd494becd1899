"""What holds alerts back for a while: silences, maintenance, inhibition, the shelf."""

from __future__ import annotations
