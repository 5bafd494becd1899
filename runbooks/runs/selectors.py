"""Runs as their pages and doors show them; every one starts at who may see what."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404

from fleet.access import Action, AnyUser, sites_where
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.selectors import document_of
from runbooks.library.translations import document_in
from runbooks.models import Run, RunbookVersion


def runs_where(user: AnyUser, action: Action = Action.VIEW) -> QuerySet[Run]:
    """Return the runs at the sites where `user` may do `action`, the newest first."""
    runs = Run.objects.filter(site__in=sites_where(user, action))
    return runs.select_related(
        "site__owner", "node", "alert", "runbook_version__runbook", "lead", "assigned_to"
    )


def run_for(user: AnyUser, run_id: int, action: Action = Action.VIEW) -> Run:
    """Return the run, or 404 where it does not exist or `user` may not do `action` there."""
    run = runs_where(user, action).filter(pk=run_id).first()
    if run is None:
        raise Http404("There is no such run, or you may not see it.")
    return run


def run_by_token(run_id: int) -> Run | None:
    """Return the run for whoever holds a key to it; that the key fits is checked by the caller."""
    runs = Run.objects.select_related(
        "site__owner", "node", "alert", "runbook_version__runbook", "lead", "assigned_to"
    )
    return runs.filter(pk=run_id).first()


def open_runs(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Narrow runs to those that have not ended."""
    return runs.exclude(state__in=Run.ENDED)


def newer_edition(run: Run) -> RunbookVersion | None:
    """Return the newest edition of the run's runbook where it is newer and not withdrawn."""
    version = run.runbook_version
    newer = version.runbook.versions.filter(number__gt=version.number, withdrawal=None)
    return newer.only("number", "published_at", "runbook_id").order_by("-number").first()


def document_for_run(run: Run, language: str = "") -> RunbookDocument:
    """Return the run's edition in `language`, else the run's, else the nearest there is."""
    try:
        return document_in(run.runbook_version, language or run.language)
    except RunbookError:
        # A translation of an older program: the edition's own words are at hand.
        return document_of(run.runbook_version)
