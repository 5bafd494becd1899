"""The addresses of runs for those who watch; the tablet's own are in `runbooks.tablet`."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import (
    run_act_views,
    run_dispatch_views,
    run_quarantine_views,
    run_sheet_views,
    run_start_views,
    run_step_views,
    run_views,
    runbook_views,
)

_RUN = "runs/<int:run_id>"

urlpatterns: list[URLPattern] = [
    path("runs/", run_views.runs, name="runs"),
    path("runs/quarantine/", run_quarantine_views.run_quarantine, name="run-quarantine"),
    path(
        "runs/quarantine/<int:row_id>/<str:act>/",
        run_quarantine_views.run_quarantine_settle,
        name="run-quarantine-settle",
    ),
    path(f"{_RUN}/watch/", run_views.run_watch, name="run-watch"),
    path(f"{_RUN}/act/<str:act>/", run_act_views.run_act, name="run-act"),
    path(f"{_RUN}/photos/<str:sha256>", run_views.run_photo, name="run-photo"),
    path(f"{_RUN}/dispatch/", run_dispatch_views.run_dispatch, name="run-dispatch"),
    path(f"{_RUN}/sheet/", run_sheet_views.run_sheet, name="run-sheet"),
    path(f"{_RUN}/sheet.<str:form>", run_sheet_views.run_export, name="run-export"),
    path("alerts/<int:alert_id>/run/", run_start_views.alert_run, name="alert-run"),
    path("alerts/<int:alert_id>/run/step/", run_step_views.alert_run_step, name="alert-run-step"),
    path("alerts/<int:alert_id>/run/move/", run_start_views.alert_run_move, name="alert-run-move"),
    path("sites/<slug:slug>/runs/", run_start_views.site_run, name="site-run"),
    path("runbooks/media/<str:sha256>", runbook_views.runbook_media, name="runbook-media"),
]
