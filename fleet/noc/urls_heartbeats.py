"""The addresses that the things which are watched call themselves."""

from __future__ import annotations

from django.urls import path

from fleet.noc import heartbeat_views

urlpatterns = [
    path("api/v1/heartbeat/<str:key>", heartbeat_views.heartbeat, name="heartbeat"),
    # Curl users add a slash; a redirect would lose the POST.
    path("api/v1/heartbeat/<str:key>/", heartbeat_views.heartbeat),
]
