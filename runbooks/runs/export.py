"""A run on paper and for programs: JSON, CSV and Markdown of its sheet. Pure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from runbooks.runs.sheet import Sheet, SheetEntry

#: A spreadsheet takes a cell that begins so for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def sheet_json(sheet: Sheet) -> str:
    """Return the whole sheet as JSON; times are ISO 8601 in UTC."""
    data: dict[str, Any] = {
        field.name: getattr(sheet, field.name)
        for field in fields(sheet)
        if field.name not in ("run", "steps", "entries")
    }
    data |= {
        "run": sheet.run.pk,
        "site": sheet.run.site.slug,
        "alert": sheet.run.alert_id,
        "touchpoints": sheet.touchpoints,
        "steps": [asdict(step) for step in sheet.steps],
        "entries": [asdict(entry) for entry in sheet.entries],
    }
    return json.dumps(data, default=_spell, ensure_ascii=False, indent=2)


def entries_csv(sheet: Sheet) -> str:
    """Return the log as CSV, one line an entry, nothing in it a formula."""
    names = [field.name for field in fields(SheetEntry)]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for entry in sheet.entries:
        writer.writerow(_cell(getattr(entry, name)) for name in names)
    return out.getvalue()


def sheet_markdown(sheet: Sheet) -> str:
    """Return the sheet as Markdown, for a ticket or a mail."""
    run = sheet.run
    lines = [
        f"# R-{run.pk}: {_plain(sheet.title)} v{sheet.edition} at {_plain(run.site.name)}",
        "",
        f"- State: {sheet.state}" + (f" ({_plain(sheet.reason)})" if sheet.reason else ""),
        f"- Lead: {_plain(sheet.lead)}",
        f"- From {_moment(sheet.started_at)} to {_moment(sheet.ended_at)}",
        f"- Restart time: {_span(sheet.restart_seconds)}",
        f"- Touchpoints: {sheet.touchpoints} ({len(sheet.people)} people, "
        f"{len(sheet.devices)} devices)",
        f"- Entries after the end: {sheet.late_count}; kept aside: {sheet.quarantined_count}; "
        f"photos: {sheet.photo_count}",
        "",
        "| step | outcome | by | at | took | entered |",
        "|---|---|---|---|---|---|",
    ]
    for step in sheet.steps:
        outcome = step.outcome + (", outside the bounds" if step.is_outside else "")
        outcome += ", entered twice" if step.is_disputed else ""
        outcome += ", without the answer it waits for" if step.is_unanswered else ""
        cells = [f"{step.number}. {step.title}", outcome, step.by, _moment(step.at)]
        cells += [_span(step.seconds), step.said]
        lines.append("| " + " | ".join(_plain(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _spell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON type")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _plain(text: str) -> str:
    """Return text that neither ends a table's cell nor begins markup."""
    one_line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#" else c for c in one_line)


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
