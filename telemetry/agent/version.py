"""The agent's version, as it tells the server; the package may run without being installed."""

from __future__ import annotations

VERSION = "0.1.0"
