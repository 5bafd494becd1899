"""Rules that turn what the fleet says into detections; pure, deterministic, safe to run twice."""

from __future__ import annotations
