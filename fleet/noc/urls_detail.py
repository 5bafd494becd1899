"""The addresses of the pages about one thing: sites, nodes, alerts."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import (
    alert_more_views,
    alert_views,
    node_views,
    policy_choice_views,
    queue_views,
    site_numbers_views,
    site_views,
)

urlpatterns: list[URLPattern] = [
    path("sites/<slug:slug>/", site_views.site, name="site"),
    path("sites/<slug:slug>/policy/", policy_choice_views.site_policy, name="site-policy"),
    path("sites/<slug:slug>/numbers/", site_numbers_views.site_numbers, name="site-numbers"),
    path("nodes/<int:node_id>/", node_views.node, name="node"),
    path("alerts/", queue_views.alerts, name="alerts"),
    path("alerts/bulk/", queue_views.alerts_bulk, name="alerts-bulk"),
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
    path("alerts/<int:alert_id>/escalate/", alert_more_views.alert_escalate, name="alert-escalate"),
    path("alerts/<int:alert_id>/keep/", alert_more_views.alert_keep, name="alert-keep"),
    path("alerts/<int:alert_id>/pass-on/", alert_more_views.alert_pass_on, name="alert-pass-on"),
    path(
        "alerts/<int:alert_id>/hand-over/",
        alert_more_views.alert_hand_over,
        name="alert-hand-over",
    ),
    path("alerts/<int:alert_id>/shelve/", alert_more_views.alert_shelve, name="alert-shelve"),
    path("alerts/<int:alert_id>/unshelve/", alert_more_views.alert_unshelve, name="alert-unshelve"),
]
