"""The addresses of the pages about one thing: sites, nodes, alerts, runbooks."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import alert_views, node_views, queue_views, runbook_views, site_views

urlpatterns: list[URLPattern] = [
    path("sites/<slug:slug>/", site_views.site, name="site"),
    path("nodes/<int:node_id>/", node_views.node, name="node"),
    path("alerts/", queue_views.alerts, name="alerts"),
    path("alerts/<int:alert_id>/", alert_views.alert, name="alert"),
    path("alerts/<int:alert_id>/row/", queue_views.alert_row, name="alert-row"),
    path(
        "alerts/<int:alert_id>/acknowledge/",
        alert_views.alert_acknowledge,
        name="alert-acknowledge",
    ),
    path("alerts/<int:alert_id>/release/", alert_views.alert_release, name="alert-release"),
    path("alerts/<int:alert_id>/close/", alert_views.alert_close, name="alert-close"),
    path("alerts/<int:alert_id>/comment/", alert_views.alert_comment, name="alert-comment"),
    path("runbooks/", runbook_views.runbooks, name="runbooks"),
    path("runbooks/<slug:slug>/", runbook_views.runbook, name="runbook"),
]
