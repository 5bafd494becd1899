"""The addresses of the runbook library: reading, editions, drafts.

No word behind `drafts/` is one that a runbook's pages have, and `export.zip` is no slug: so a
runbook may be called Drafts.
"""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import draft_new_views, draft_views, runbook_edition_views, runbook_views

urlpatterns: list[URLPattern] = [
    path("runbooks/", runbook_views.runbooks, name="runbooks"),
    path("runbooks/export.zip", runbook_views.runbooks_export, name="runbooks-export"),
    path("runbooks/drafts/new/", draft_new_views.draft_new, name="runbook-draft-new"),
    path("runbooks/drafts/import/", draft_new_views.draft_import, name="runbook-draft-import"),
    path("runbooks/drafts/<int:draft_id>/", draft_views.draft, name="runbook-draft"),
    path(
        "runbooks/drafts/<int:draft_id>/preview/",
        draft_views.draft_preview,
        name="runbook-draft-preview",
    ),
    path(
        "runbooks/drafts/<int:draft_id>/standing/",
        draft_views.draft_standing,
        name="runbook-draft-standing",
    ),
    path("runbooks/<slug:slug>/", runbook_views.runbook, name="runbook"),
    path(
        "runbooks/<slug:slug>/editions/",
        runbook_edition_views.runbook_editions,
        name="runbook-editions",
    ),
    path("runbooks/<slug:slug>/diff/", runbook_edition_views.runbook_diff, name="runbook-diff"),
    path("runbooks/<slug:slug>/usage/", runbook_edition_views.runbook_usage, name="runbook-usage"),
    path(
        "runbooks/<slug:slug>/translations/",
        runbook_edition_views.runbook_translations,
        name="runbook-translations",
    ),
    path(
        "runbooks/<slug:slug>/export/", runbook_edition_views.runbook_export, name="runbook-export"
    ),
    path("runbooks/<slug:slug>/restore/", draft_new_views.draft_restore, name="runbook-restore"),
    path(
        "runbooks/<slug:slug>/withdraw/",
        runbook_edition_views.runbook_withdraw,
        name="runbook-withdraw",
    ),
]
