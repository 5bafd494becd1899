"""Which runbook answers an alert: a named one, the one closest to where it is, or `generic`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When

from fleet.models import Node, Site
from runbooks.library.values import slug_of_name
from runbooks.models import RunbookVersion

FALLBACK = "generic"
# An edition that an older program stored has no scope at all, which means everywhere.
_ANY_SITE = Q(document__sites__isnull=True) | Q(document__sites=[])
_ANY_CLASS = Q(document__classes__isnull=True) | Q(document__classes=[])


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
    rungs = [*_named(evidence or {}), *_by_kind(kind, site, node), Q(runbook__slug=FALLBACK)]
    rung = Case(
        *[When(condition, then=Value(place)) for place, condition in enumerate(rungs)],
        default=Value(None),
        output_field=IntegerField(),
    )
    # An alert pins the edition; what it says is read by those who show it.
    fitting = newest_versions().defer("source", "document").annotate(rung=rung)
    version = fitting.exclude(rung=None).order_by("rung", "-published_at", "runbook__slug").first()
    if version is None:
        raise NoRunbook(kind)
    return version


def names_in(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the slugs of runbooks that the labels of another system's alert name."""
    labels = evidence.get("labels")
    if not isinstance(labels, Mapping):
        return ()
    slugs = (str(labels.get("runbook", "")), slug_of_name(str(labels.get("alertname", ""))))
    return tuple(slug for slug in slugs if slug)


def is_any_narrowed() -> bool:
    """Tell whether an edition in force is for some sites or classes only: then where matters."""
    return newest_versions().exclude(_ANY_SITE & _ANY_CLASS).exists()


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


def _named(evidence: Mapping[str, Any]) -> list[Q]:
    """Return the runbooks that the labels of another system's alert name, the surest first."""
    return [Q(runbook__slug=slug) for slug in names_in(evidence)]


def _by_kind(kind: str, site: Site, node: Node | None) -> list[Q]:
    """Return the rungs of the kind, then of its category; each from the narrowest to the widest."""
    category, _, _ = kind.partition(".")
    names_kind = Q(document__matches__contains=[kind])
    # A runbook that names kinds was written for alerts; one that names none is a procedure.
    in_category = Q(runbook__category__startswith=category) & ~Q(document__matches=[])
    hardware = node.hardware_class if node else ""
    at_site = Q(document__sites__contains=[site.slug])
    of_class = Q(document__classes__contains=[hardware]) if hardware else Q(pk__in=[])
    scopes = [
        at_site & of_class,
        at_site & _ANY_CLASS,
        _ANY_SITE & of_class,
        _ANY_SITE & _ANY_CLASS,
    ]
    return [answers & scope for answers in (names_kind, in_category) for scope in scopes]
