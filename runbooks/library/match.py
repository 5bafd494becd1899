"""Which runbook answers an alert: a named one, the one closest to where it is, or `generic`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from fleet.models import Node, Site
from runbooks.library.values import slug_of_name
from runbooks.models import RunbookVersion

FALLBACK = "generic"
#: What of an edition decides whom it fits; an older program may have stored none of them.
_DECIDE = ("matches", "sites", "classes")
#: Where the rungs begin: runbooks named by the alert, for its kind, of its category, for all.
_BY_KIND, _BY_CATEGORY, _BY_DEFAULT = 10, 20, 30


class NoRunbook(LookupError):
    """The library has no runbook for an alert, not even the generic one."""

    code = "no_runbook"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"There is no runbook for {kind!r} and no runbook {FALLBACK!r}, so the alert cannot "
            "be opened. Run `manage.py load_runbooks`."
        )


def match_runbook(
    *, kind: str, site: Site, node: Node | None = None, evidence: Mapping[str, Any] | None = None
) -> RunbookVersion:
    """Return the edition to pin to an alert of `kind` at `site`; raises NoRunbook. One query.

    The first that there is of: the runbook that the alert names; one for its kind, at its site
    and for the node's hardware class, then at its site, then for the class, then for all; one of
    its category in the same order; the generic one. Among several the one published last counts.

    An alert of another system may name its runbook: `evidence["labels"]["runbook"]` is a slug,
    and a runbook called like its `alertname` (`GpuTooHot`: `gpu-too-hot`) was written for it. A
    name that no runbook has is passed over. Only the edition in force of a runbook is asked: one
    that no longer names a kind gives it up, and one withdrawn leaves it to the one before.
    """
    return best_of(editions_to_match(), kind=kind, site=site, node=node, evidence=evidence)


def editions_to_match() -> list[RunbookVersion]:
    """Return the editions in force with what decides whom they fit; for `best_of`. One query."""
    # An alert pins the edition; what it says is read by those who show it.
    light = newest_versions().defer("source", "document")
    return list(light.annotate(**{key: F(f"document__{key}") for key in _DECIDE}))


def best_of(
    editions: Sequence[RunbookVersion],
    *,
    kind: str,
    site: Site,
    node: Node | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> RunbookVersion:
    """Return the edition that `match_runbook` means, of `editions_to_match`; raises NoRunbook."""
    hardware = node.hardware_class if node else ""
    names = _names_in(evidence or {})
    best: tuple[int, RunbookVersion] | None = None
    # The one published last comes first, so that among equals it stays.
    for edition in editions:
        rung = _rung(edition, kind=kind, site=site.slug, hardware=hardware, names=names)
        if rung is not None and (best is None or rung < best[0]):
            best = rung, edition
    if best is None:
        raise NoRunbook(kind)
    return best[1]


def newest_versions() -> QuerySet[RunbookVersion]:
    """Return the edition in force of every runbook, the one published last first.

    That is the newest that is not withdrawn; a runbook whose editions all are has none.
    """
    in_force = RunbookVersion.objects.filter(withdrawal__isnull=True)
    highest = in_force.filter(runbook=OuterRef("runbook")).order_by("-number")
    return (
        RunbookVersion.objects.filter(number=Subquery(highest.values("number")[:1]))
        .select_related("runbook")
        .order_by(F("published_at").desc(), "runbook__slug")
    )


def _names_in(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the slugs of runbooks that the labels of another system's alert name."""
    labels = evidence.get("labels")
    if not isinstance(labels, Mapping):
        return ()
    slugs = (str(labels.get("runbook", "")), slug_of_name(str(labels.get("alertname", ""))))
    return tuple(slug for slug in slugs if slug)


def _rung(edition: Any, *, kind: str, site: str, hardware: str, names: Sequence[str]) -> int | None:
    """Return how near an edition is to an alert, 0 the nearest; None where it does not fit."""
    runbook = edition.runbook
    if runbook.slug in names:
        return names.index(runbook.slug)
    scope = _scope(_listed(edition.sites), _listed(edition.classes), site=site, hardware=hardware)
    if scope is not None:
        kinds = _listed(edition.matches)
        if kind in kinds:
            return _BY_KIND + scope
        # A runbook that names kinds was written for alerts; one that names none is a procedure.
        if kinds and runbook.category.startswith(kind.partition(".")[0]):
            return _BY_CATEGORY + scope
    return _BY_DEFAULT if runbook.slug == FALLBACK else None


def _scope(sites: Sequence[str], classes: Sequence[str], *, site: str, hardware: str) -> int | None:
    """Return how narrowly an edition is for a place, 0 the narrowest; None where it is not."""
    if (sites and site not in sites) or (classes and hardware not in classes):
        return None
    return (0 if sites else 2) + (0 if classes else 1)


def _listed(stored: object) -> list[str]:
    return stored if isinstance(stored, list) else []
