"""The addresses that pages lead to, and where their receivers answer."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import browser_views, link_views, page_api_views

urlpatterns: list[URLPattern] = [
    path("p/<str:token>/", link_views.link, name="link"),
    path("p/<str:token>/shown/", browser_views.shown, name="page-shown"),
    path("api/v1/push/renew", browser_views.renew, name="push-renew"),
    path(
        "api/v1/pages/<str:webhook_id>/acknowledge",
        page_api_views.acknowledge,
        name="page-api-acknowledge",
    ),
    path(
        "api/v1/pages/<str:webhook_id>/receipt",
        page_api_views.receipt,
        name="page-api-receipt",
    ),
]
