"""Django's handle on this package."""

from __future__ import annotations

from django.apps import AppConfig


class RunbooksConfig(AppConfig):
    name = "runbooks"
    verbose_name = "What we do about it"
    default_auto_field = "django.db.models.BigAutoField"
