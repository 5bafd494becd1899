"""The addresses of what holds alerts back."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import maintenance_views, rule_views, silence_views

urlpatterns: list[URLPattern] = [
    path("silences/", silence_views.silences, name="silences"),
    path("silences/preview/", silence_views.silence_preview, name="silence-preview"),
    path("silences/<uuid:silence_id>/end/", silence_views.silence_end, name="silence-end"),
    path(
        "silences/<uuid:silence_id>/lengthen/",
        silence_views.silence_lengthen,
        name="silence-lengthen",
    ),
    path("silences/rules/", rule_views.rules, name="rules"),
    path("silences/rules/<int:rule_id>/", rule_views.rule_change, name="rule-change"),
    path("maintenance/", maintenance_views.maintenance, name="maintenance"),
    path(
        "maintenance/<int:window_id>/cancel/",
        maintenance_views.maintenance_cancel,
        name="maintenance-cancel",
    ),
]
