"""When maintenance takes place, once or recurring, on local clocks. Pure."""

from __future__ import annotations
