"""Django's handle on this package."""

from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "fleet"
    verbose_name = "What we own"
    default_auto_field = "django.db.models.BigAutoField"
