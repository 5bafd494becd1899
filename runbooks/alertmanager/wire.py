"""What Alertmanager's API v2 and webhooks say, as plain structures. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbooks.refused import Refused

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: PostgreSQL keeps no NUL, and half a surrogate pair is no character.
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
#: What lies before is no time of any alert, least of all Go's zero time, the year 1.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
#: FNV-1a over names and values, a byte that no text has after each: Prometheus' own hash.
_FNV_OFFSET = 14695981039346656037
_FNV_PRIME = 1099511628211
_SEPARATOR = b"\xff"


class WireError(Refused):
    """Something that cannot be read; `code` is for machines, the text for people."""


@dataclass(frozen=True, slots=True)
class SaidAlert:
    """One alert as another system told it; times are UTC, None where it named none.

    `is_resolved` is what a webhook's `status` says; an alert whose `ends_at` has passed is over
    as well. `index` is its place in what was sent.
    """

    index: int
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime | None
    ends_at: datetime | None
    generator_url: str
    is_resolved: bool = False

    @property
    def name(self) -> str:
        """Its `alertname`, or what else there is to call it by."""
        return self.labels.get("alertname") or ", ".join(
            f"{name}={value}" for name, value in sorted(self.labels.items())
        )

    def is_over(self, now: datetime) -> bool:
        """Tell whether its sender holds it to be over at `now`."""
        return self.is_resolved or (self.ends_at is not None and self.ends_at <= now)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One alert that was not taken, by its place in what was sent, and why."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Said:
    """What one request said: alerts that can be read, those that cannot, those left out.

    `left_out` counts alerts that the sender itself cut off (`truncatedAlerts`).
    """

    alerts: tuple[SaidAlert, ...]
    refused: tuple[Refusal, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class SaidSilence:
    """One silence as `POST /api/v2/silences` says it; `id` is empty for a new one.

    `matchers` is the JSON that the silences keep: name, value, is_regex, is_equal.
    """

    id: str
    matchers: list[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str


def read_alerts(body: bytes) -> Said:
    """Read the body of `POST /api/v2/alerts`; raises `WireError` when it is no array."""
    document = _load(body)
    if not isinstance(document, list):
        raise WireError("not_an_array", "The body is no array of alerts. Send `[{...}, ...]`.")
    return _read_each(document)


def read_webhook(body: bytes) -> Said:
    """Read one webhook request of Alertmanager (version 4), or of whoever speaks like it.

    Each of `alerts` counts by its own `status`: a group that is still firing carries members that
    are over. Raises `WireError` when there is no `alerts` array.
    """
    document = _load(body)
    alerts = document.get("alerts") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(alerts, list):
        raise WireError(
            "not_a_webhook",
            "The body is no Alertmanager webhook: it has no array `alerts`. Send version 4 of it.",
        )
    left_out = document.get("truncatedAlerts", 0)
    said = _read_each(alerts)
    is_count = isinstance(left_out, int) and not isinstance(left_out, bool)
    return Said(said.alerts, said.refused, max(left_out, 0) if is_count else 0)


def read_silence(body: bytes) -> SaidSilence:
    """Read the body of `POST /api/v2/silences`; raises `WireError`."""
    document = _load(body)
    if not isinstance(document, dict):
        raise WireError("not_an_object", "The body is no silence. Send one object.")
    matchers = document.get("matchers")
    if not isinstance(matchers, list) or not matchers:
        raise WireError("matchers_missing", "matchers in body is required")
    starts_at = _time(document.get("startsAt"), "startsAt")
    ends_at = _time(document.get("endsAt"), "endsAt")
    if starts_at is None or ends_at is None:
        missing = "startsAt" if starts_at is None else "endsAt"
        raise WireError("time_missing", f"{missing} in body is required")
    return SaidSilence(
        id=_text(document.get("id"), "id"),
        matchers=[_matcher(matcher) for matcher in matchers],
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=_text(document.get("createdBy"), "createdBy"),
        comment=_text(document.get("comment"), "comment"),
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return Alertmanager's own fingerprint of a label set: 64 bits of FNV-1a in hex."""
    value = _FNV_OFFSET
    for name in sorted(labels):
        text = name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR
        for byte in text:
            value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def write_time(at: datetime) -> str:
    """Return a moment as Alertmanager writes it: UTC, milliseconds, `Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def read_time(text: str) -> datetime | None:
    """Read an RFC 3339 moment as UTC; None for Go's zero time. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no time zone")
    if at.year == 1:
        return None
    at = at.astimezone(UTC)
    return at if at > _EARLIEST else None


def _load(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("not_json", "The body is no JSON. Send JSON in UTF-8.") from None


def _read_each(documents: Sequence[Any]) -> Said:
    alerts, refused = [], []
    for index, document in enumerate(documents):
        try:
            alerts.append(_alert(index, document))
        except WireError as exc:
            refused.append(Refusal(index, exc.code, str(exc)))
    return Said(tuple(alerts), tuple(refused))


def _alert(index: int, document: Any) -> SaidAlert:
    if not isinstance(document, dict):
        raise WireError("not_an_object", 'An alert is no object. Send `{"labels": {...}}`.')
    labels = {name: value for name, value in _pairs(document, "labels").items() if value}
    if not labels:
        # Alertmanager's own words: programs look for them.
        raise WireError("no_labels", "at least one label pair required")
    starts_at = _time(document.get("startsAt"), "startsAt")
    ends_at = _time(document.get("endsAt"), "endsAt")
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        raise WireError("ends_before_start", "start time must be before end time")
    return SaidAlert(
        index=index,
        labels=labels,
        annotations=_pairs(document, "annotations"),
        starts_at=starts_at,
        ends_at=ends_at,
        generator_url=_text(document.get("generatorURL"), "generatorURL"),
        is_resolved=document.get("status") == "resolved",
    )


def _pairs(document: Mapping[str, Any], key: str) -> dict[str, str]:
    pairs = document.get(key) or {}
    if not isinstance(pairs, dict):
        raise WireError("not_an_object", f"{key} in body must be of type object")
    for name in pairs:
        if _LABEL_NAME.fullmatch(name) is None:
            raise WireError(
                "bad_label_name", f"invalid {key[:-1]} set: invalid name {json.dumps(name)}"
            )
    return {name: _text(value, f"{key}.{name}") for name, value in pairs.items()}


def _matcher(matcher: Any) -> dict[str, Any]:
    if not isinstance(matcher, dict):
        raise WireError("not_an_object", "A matcher is no object. Send name, value and isRegex.")
    is_regex, is_equal = matcher.get("isRegex", False), matcher.get("isEqual", True)
    if not isinstance(is_regex, bool) or not isinstance(is_equal, bool):
        raise WireError("not_a_boolean", "isRegex and isEqual in body must be of type boolean")
    return {
        "name": _text(matcher.get("name"), "matchers.name"),
        "value": _text(matcher.get("value"), "matchers.value"),
        "is_regex": is_regex,
        "is_equal": is_equal,
    }


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WireError("not_a_string", f"{where} in body must be of type string")
    return _UNKEEPABLE.sub("�", value)


def _time(value: Any, where: str) -> datetime | None:
    text = _text(value, where)
    if not text:
        return None
    try:
        return read_time(text)
    except (ValueError, OverflowError):
        raise WireError(
            "not_a_time", f"{where} in body must be of type date-time: {json.dumps(text[:40])}"
        ) from None
