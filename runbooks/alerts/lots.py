"""What the findings of one storm have in common: their kind, or the rule of another system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Q

from runbooks.paging.timeline import clip
from telemetry.models import Finding

KEY_PREFIX = "storm/"
_LONGEST_KEY = 300


class Lot(NamedTuple):
    """One kind of finding; alerts of other systems are told apart by their rule, `alertname`.

    `external.alert` by itself says nothing: a full disk and a lost link have it in common.
    """

    kind: str
    rule: str = ""

    @property
    def key(self) -> str:
        """The `dedup_key` of the storm of this lot at a site."""
        whole = f"{KEY_PREFIX}{self.kind}/{self.rule}" if self.rule else f"{KEY_PREFIX}{self.kind}"
        return clip(whole, _LONGEST_KEY)

    @property
    def label(self) -> str:
        """The lot in words, in quotation marks."""
        return f"“{self.rule or Finding.Kind(self.kind).label}”"

    @property
    def evidence(self) -> dict[str, object]:
        """What a storm of this lot says by labels, for matchers and the library."""
        return {"labels": {"alertname": self.rule}} if self.rule else {}

    def matching(self) -> Q:
        """Return what findings and alerts of this lot have in common, for a query."""
        if self.kind != Finding.Kind.EXTERNAL_ALERT:
            return Q(kind=self.kind)
        if self.rule:
            return Q(kind=self.kind, evidence__labels__alertname=self.rule)
        return Q(kind=self.kind, evidence__labels__alertname__isnull=True)


def lot_of(*, kind: str, alertname: object) -> Lot:
    """Return the lot of a finding of `kind` whose label `alertname` this is."""
    is_told_apart = kind == Finding.Kind.EXTERNAL_ALERT and isinstance(alertname, str)
    return Lot(kind, str(alertname)) if is_told_apart else Lot(kind)


def lot_of_finding(finding: Finding) -> Lot:
    """Return the lot of a finding."""
    labels = finding.evidence.get("labels")
    alertname = labels.get("alertname") if isinstance(labels, Mapping) else None
    return lot_of(kind=finding.kind, alertname=alertname)
