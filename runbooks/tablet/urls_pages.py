"""The addresses of the tablet's program, and of making tablets ready."""

from __future__ import annotations

from django.urls import URLPattern, path

from runbooks.tablet import pages, site_views

app_name = "tablet"
urlpatterns: list[URLPattern] = [
    path("runs/<int:run_id>/", pages.run, name="run"),
    # Before the door of the same address: a browser gets a page of it.
    path("r/<str:claim>", pages.claim, name="claim"),
    path("tablet/", pages.home, name="home"),
    path("tablet/run/", pages.run_shell, name="run-shell"),
    path("tablet/session.json", pages.session, name="session"),
    path("sites/<slug:slug>/pack.json", site_views.site_pack, name="site-pack"),
    path("sites/<slug:slug>/runs/begun/", site_views.site_begun, name="site-begun"),
    path("sites/<slug:slug>/tablets/", site_views.site_tablets, name="site-tablets"),
    path("sw.js", pages.worker, name="worker"),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
]
