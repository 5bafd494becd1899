"""What Alertmanager's API v2 and webhooks say, as plain structures. Pure."""

from __future__ import annotations
