"""What we own, and the project itself."""

from __future__ import annotations

from fleet.celery import app as celery_app

__all__ = ["celery_app"]
