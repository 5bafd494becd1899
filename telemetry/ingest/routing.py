"""Where agents connect."""

from __future__ import annotations

from django.urls import path

from telemetry.ingest.consumers import IngestConsumer

websocket_urlpatterns = [path("ws/ingest/", IngestConsumer.as_asgi())]
