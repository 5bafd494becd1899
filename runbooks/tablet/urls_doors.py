"""The addresses at which devices speak about runs."""

from __future__ import annotations

from django.urls import URLPattern, path

from runbooks.tablet import answer_views, claim_views
from runbooks.tablet import run_doors_views as views

_RUN = "api/v1/runs/<int:run_id>"

urlpatterns: list[URLPattern] = [
    path("runs/<int:run_id>/token/", views.run_token, name="run-token"),
    path("runs/<int:run_id>/answers/", answer_views.run_answer, name="run-answer"),
    path("r/<str:claim>", claim_views.run_claim, name="run-claim"),
    path(f"{_RUN}/pack", views.run_pack, name="run-pack"),
    path(f"{_RUN}/changes", views.run_changes, name="run-changes"),
    path(f"{_RUN}/entries", views.run_entries, name="run-entries"),
    path(f"{_RUN}/photos/<str:sha256>", views.run_photo, name="run-photo"),
    path(f"{_RUN}/pictures/<str:sha256>", views.run_picture, name="run-picture"),
]
