"""Which runbook answers an alert: the one for its kind, else its category's, else `generic`."""

from __future__ import annotations

from django.db.models import F, OuterRef, QuerySet, Subquery

from fleet.models import Site
from runbooks.models import RunbookVersion

FALLBACK = "generic"


class NoRunbook(LookupError):
    """The library has no runbook for an alert, not even the generic one."""

    code = "no_runbook"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"There is no runbook for {kind!r} and no runbook {FALLBACK!r}, so the alert cannot "
            "be opened. Run `manage.py load_runbooks`."
        )


def match_runbook(*, kind: str, site: Site) -> RunbookVersion:
    """Return the edition to pin to an alert of `kind` at `site`; raises NoRunbook.

    Among several the one published last counts. Only the newest edition of a runbook is asked:
    an edition that no longer names a kind gives it up.
    """
    newest = newest_versions()
    category, _, _ = kind.partition(".")
    version = (
        newest.filter(document__matches__contains=[kind]).first()
        # A runbook that names kinds was written for alerts; one that names none is a procedure.
        or newest.filter(runbook__category__startswith=category)
        .exclude(document__matches=[])
        .first()
        or newest.filter(runbook__slug=FALLBACK).first()
    )
    if version is None:
        raise NoRunbook(kind)
    return version


def newest_versions() -> QuerySet[RunbookVersion]:
    """Return the newest edition of every runbook, the one published last first."""
    highest = RunbookVersion.objects.filter(runbook=OuterRef("runbook")).order_by("-number")
    return (
        RunbookVersion.objects.filter(number=Subquery(highest.values("number")[:1]))
        .select_related("runbook")
        .order_by(F("published_at").desc(), "runbook__slug")
    )
