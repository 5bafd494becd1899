"""Every address, by the room that answers."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("runbooks.tablet.urls_pages")),
    path("", include("fleet.noc.urls")),
    path("", include("fleet.noc.urls_api")),
    path("", include("runbooks.tablet.urls_doors")),
]
