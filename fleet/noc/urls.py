"""The addresses of the dashboard."""

from __future__ import annotations

from django.urls import path

from fleet.noc import demo_views, fleet_views, health_views, login_views
from fleet.noc.urls_detail import urlpatterns as detail_urlpatterns
from fleet.noc.urls_heartbeats import urlpatterns as heartbeats_urlpatterns
from fleet.noc.urls_library import urlpatterns as library_urlpatterns
from fleet.noc.urls_oncall import urlpatterns as oncall_urlpatterns
from fleet.noc.urls_pages import urlpatterns as pages_urlpatterns
from fleet.noc.urls_runs import urlpatterns as runs_urlpatterns
from fleet.noc.urls_silences import urlpatterns as silences_urlpatterns

app_name = "noc"
urlpatterns = [
    path("", fleet_views.fleet, name="fleet"),
    path("counts/", fleet_views.counts, name="counts"),
    path("login/", login_views.log_in, name="login"),
    path("logout/", login_views.log_out, name="logout"),
    path("preferences/", login_views.preferences, name="preferences"),
    path("healthz", health_views.healthz, name="healthz"),
    path("readyz", health_views.readyz, name="readyz"),
    path("demo/pager/", demo_views.demo_pager, name="demo-pager"),
    *detail_urlpatterns,
    *runs_urlpatterns,
    *silences_urlpatterns,
    *pages_urlpatterns,
    *oncall_urlpatterns,
    *heartbeats_urlpatterns,
    *library_urlpatterns,
]
