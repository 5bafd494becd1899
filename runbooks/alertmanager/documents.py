"""What Alertmanager's API v2 answers, built from plain values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbooks.alertmanager.wire import write_time

#: The edition of Alertmanager whose API this is; programs choose their dialect by it.
VERSION = "0.25.0"
#: What a group of alerts has in common.
GROUP_BY = ("alertname", "site")
#: Every alert must name an end; one of ours has none, so it ends a little later than now, always.
_LASTS = timedelta(minutes=5)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """One alert that fires, as other programs see it; times are UTC.

    `silenced_by` are ids of silences, `inhibited_by` fingerprints of alerts, `muted_by` says what
    else holds it back: maintenance, or the shelf.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    receiver: str
    starts_at: datetime
    updated_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()

    @property
    def is_suppressed(self) -> bool:
        """Tell whether anything holds it back."""
        return bool(self.silenced_by or self.inhibited_by or self.muted_by)


@dataclass(frozen=True, slots=True)
class ShownSilence:
    """One silence as other programs see it; `matchers` is the JSON that the silences keep."""

    id: str
    matchers: Sequence[Mapping[str, Any]]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    created_by: str
    comment: str
    state: str = field(default="active")


def alert_document(alert: ShownAlert, *, now: datetime) -> Document:
    """Return one alert as `GET /api/v2/alerts` lists it."""
    document: Document = {
        "annotations": dict(alert.annotations),
        "endsAt": write_time(alert.ends_at or now + _LASTS),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": alert.receiver}],
        "startsAt": write_time(alert.starts_at),
        "status": {
            "inhibitedBy": list(alert.inhibited_by),
            # Newer editions want it, older ones pass it over.
            "mutedBy": list(alert.muted_by),
            "silencedBy": list(alert.silenced_by),
            "state": "suppressed" if alert.is_suppressed else "active",
        },
        "updatedAt": write_time(alert.updated_at),
        "labels": dict(alert.labels),
    }
    return document | ({"generatorURL": alert.generator_url} if alert.generator_url else {})


def alert_documents(alerts: Iterable[ShownAlert], *, now: datetime) -> list[Document]:
    """Return alerts in the order in which Alertmanager lists them: by fingerprint."""
    ordered = sorted(alerts, key=lambda alert: alert.fingerprint)
    return [alert_document(alert, now=now) for alert in ordered]


def group_documents(alerts: Iterable[ShownAlert], *, now: datetime) -> list[Document]:
    """Return alerts as `GET /api/v2/alerts/groups` lists them: by what is wrong, and where.

    The members of a group come by job, instance and their other labels.
    """
    groups: dict[tuple[tuple[tuple[str, str], ...], str], list[ShownAlert]] = {}
    for alert in alerts:
        shared = tuple((name, alert.labels[name]) for name in GROUP_BY if name in alert.labels)
        groups.setdefault((shared, alert.receiver), []).append(alert)
    return [
        {
            "alerts": [alert_document(alert, now=now) for alert in sorted(members, key=_by_labels)],
            "labels": dict(shared),
            "receiver": {"name": receiver},
        }
        for (shared, receiver), members in sorted(groups.items(), key=lambda group: group[0])
    ]


def silence_document(silence: ShownSilence) -> Document:
    """Return one silence as `GET /api/v2/silences` lists it."""
    return {
        "id": silence.id,
        "status": {"state": silence.state},
        "updatedAt": write_time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": write_time(silence.ends_at),
        "matchers": [
            {
                "isEqual": matcher.get("is_equal", True),
                "isRegex": matcher.get("is_regex", False),
                "name": matcher["name"],
                "value": matcher["value"],
            }
            for matcher in silence.matchers
        ],
        "startsAt": write_time(silence.starts_at),
    }


def status_document(*, receivers: Sequence[str], started_at: datetime) -> Document:
    """Return what `GET /api/v2/status` says; the configuration is told in Alertmanager's words."""
    listed = "".join(f"- name: {_quoted(name)}\n" for name in receivers)
    original = (
        "# Hearthwatch keeps its escalation policies itself; this tells their names alone.\n"
        f"route:\n  receiver: {_quoted(receivers[0] if receivers else '')}\n"
        f"  group_by: [{', '.join(GROUP_BY)}]\nreceivers:\n{listed}"
    )
    return {
        "cluster": {"name": "", "peers": [], "status": "disabled"},
        "config": {"original": original},
        "uptime": write_time(started_at),
        "versionInfo": {
            "branch": "hearthwatch",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
            "revision": "",
            "version": VERSION,
        },
    }


def _by_labels(alert: ShownAlert) -> tuple[str, str, list[tuple[str, str]], str]:
    labels = alert.labels
    whole = sorted(labels.items())
    return labels.get("job", ""), labels.get("instance", ""), whole, alert.fingerprint


def _quoted(text: str) -> str:
    """Return `text` as YAML's single-quoted style has it."""
    return "'" + text.replace("'", "''") + "'"
