"""The addresses at which programs speak to us as they speak to Alertmanager."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import api_alertmanager_views as views

urlpatterns: list[URLPattern] = [
    path("api/v2/alerts", views.alerts, name="api-alerts"),
    path("api/v2/alerts/groups", views.groups, name="api-alert-groups"),
    path("api/v2/silences", views.silences, name="api-silences"),
    path("api/v2/silence/<str:silence_id>", views.silence, name="api-silence"),
    path("api/v2/status", views.status, name="api-status"),
    path("api/v2/receivers", views.receivers, name="api-receivers"),
    path("api/v1/alertmanager/webhook", views.webhook, name="api-alertmanager-webhook"),
]
