"""The Celery app: background jobs by name, and the beat that finds what a lost hint missed."""

from __future__ import annotations

import os

from celery import Celery

from fleet.asked import AskedOnce

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")

app = Celery("hearthwatch", task_cls=AskedOnce)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["telemetry", "runbooks"])
