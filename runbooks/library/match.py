"""Which runbook answers an alert: a named one, its kind's, its category's, or `generic`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from fleet.models import Site
from runbooks.models import RunbookVersion

FALLBACK = "generic"
#: Where words of a name like `KubePodOOMKilled` begin.
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


class NoRunbook(LookupError):
    """The library has no runbook for an alert, not even the generic one."""

    code = "no_runbook"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"There is no runbook for {kind!r} and no runbook {FALLBACK!r}, so the alert cannot "
            "be opened. Run `manage.py load_runbooks`."
        )


def match_runbook(
    *, kind: str, site: Site, evidence: Mapping[str, Any] | None = None
) -> RunbookVersion:
    """Return the edition to pin to an alert of `kind` at `site`; raises NoRunbook.

    An alert of another system may name its runbook: `evidence["labels"]["runbook"]` is a slug,
    and a runbook called like its `alertname` (`GpuTooHot`: `gpu-too-hot`) was written for it.
    A name that no runbook has is passed over. Among several of a kind the one published last
    counts. Only the newest edition of a runbook is asked: an edition that no longer names a kind
    gives it up.
    """
    # An alert pins the edition; what it says is read by those who show it.
    newest = newest_versions().defer("source", "document")
    category, _, _ = kind.partition(".")
    version = (
        _named(newest, evidence or {})
        or newest.filter(document__matches__contains=[kind]).first()
        # A runbook that names kinds was written for alerts; one that names none is a procedure.
        or newest.filter(runbook__category__startswith=category)
        .exclude(document__matches=[])
        .first()
        or newest.filter(runbook__slug=FALLBACK).first()
    )
    if version is None:
        raise NoRunbook(kind)
    return version


def names_in(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the slugs of runbooks that the labels of another system's alert name."""
    labels = evidence.get("labels")
    if not isinstance(labels, Mapping):
        return ()
    slugs = (str(labels.get("runbook", "")), _slug_of(str(labels.get("alertname", ""))))
    return tuple(slug for slug in slugs if slug)


def newest_versions() -> QuerySet[RunbookVersion]:
    """Return the newest edition of every runbook, the one published last first."""
    highest = RunbookVersion.objects.filter(runbook=OuterRef("runbook")).order_by("-number")
    return (
        RunbookVersion.objects.filter(number=Subquery(highest.values("number")[:1]))
        .select_related("runbook")
        .order_by(F("published_at").desc(), "runbook__slug")
    )


def _named(newest: QuerySet[RunbookVersion], evidence: Mapping[str, Any]) -> RunbookVersion | None:
    """Return the runbook that the labels of another system's alert name, if it exists."""
    for slug in names_in(evidence):
        named = newest.filter(runbook__slug=slug).first()
        if named is not None:
            return named
    return None


def _slug_of(name: str) -> str:
    return "-".join(word for word in _WORD_STARTS.split(name) if word).lower()
