"""The labels of an alert: what matchers see of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runbooks.models import Alert
from telemetry.models import Finding

#: Labels that every alert has, empty where they say nothing of it.
OWN_LABELS: Final = (*("alertname", "kind", "severity", "site", "region", "node", "role"),)
#: What a sender may not say in our place: who is meant is decided here.
_ALWAYS_OURS: Final = ("kind", "site")
_WORDS: Final = {severity.value: severity.label.lower() for severity in Finding.Severity}


def labels_of(alert: Alert) -> dict[str, str]:
    """Return the alert's labels by name, all text.

    An external alert carries its sender's labels too. They go before ours, so that its severity
    reads as the sender wrote it; `kind` and `site` are always ours.
    """
    node = alert.node
    return labels_from(
        kind=alert.kind,
        severity=alert.severity,
        site=alert.site.slug,
        region=alert.site.region,
        node=node.name if node else "",
        role=node.role if node else "",
        said=alert.evidence.get("labels"),
    )


def labels_from(
    *, kind: str, severity: int, site: str, region: str, node: str, role: str, said: object
) -> dict[str, str]:
    """Return the labels from their parts; `said` is what an external alert's sender says."""
    ours = {
        "alertname": kind,
        "kind": kind,
        "severity": _WORDS[severity],
        "site": site,
        "region": region,
        "node": node,
        "role": role,
    }
    if not isinstance(said, Mapping):
        return ours
    theirs = {str(name): str(value) for name, value in said.items()}
    return ours | theirs | {name: ours[name] for name in _ALWAYS_OURS}
