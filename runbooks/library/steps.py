"""Read the steps of a runbook: a title, its `- key: value` lines, and the body. Pure."""

from __future__ import annotations

import re
from typing import Any

from runbooks.library import values
from runbooks.library.document import (
    APPROVERS,
    END,
    STEP_KEYS,
    STEP_RULES,
    WHO,
    RunbookError,
    RunbookStep,
)
from runbooks.library.options import check_gotos, read_options
from runbooks.library.outline import Line, Part, text_of
from runbooks.library.values import Value

LONGEST_EXPECT = 240
LONGEST_UNIT = 16
LONGEST_CODE = 200
LONGEST_DEVICE = 80
MOST_STEPS = 100

_ENTRY = re.compile(r"- ([A-Za-z_]+):(?:[ \t]+(.*))?")
_ALL_KEYS = (*STEP_KEYS, *sorted({key for rule in STEP_RULES.values() for key in rule.takes}))


def read_steps(section: Part) -> tuple[RunbookStep, ...]:
    """Return the steps of the section; every branch leads forward."""
    steps: dict[str, RunbookStep] = {}
    option_lines: dict[str, int] = {}
    for number, part in enumerate(_parts(section), start=1):
        entries, body = _entries(part)
        step = _step(part, entries, body, number)
        if step.id in steps:
            raise RunbookError(
                "duplicate_id",
                f"Two steps have the id {step.id!r}; give this one a line '- id: another-name'.",
                part.number,
            )
        steps[step.id] = step
        if step.options:
            option_lines[step.id] = entries["options"].line
    ids = list(steps)
    for step_id, line in option_lines.items():
        step = steps[step_id]
        check_gotos(step.options, later=ids[step.number :], known=ids, line=line)
    return tuple(steps.values())


def _parts(section: Part) -> list[Part]:
    parts: list[Part] = []
    for line in section.lines:
        if line.level == 3:
            parts.append(Part(line.number, line.heading))
        elif parts:
            parts[-1].lines.append(line)
        elif line.text:
            raise RunbookError(
                "text_outside_step",
                "There is text before the first step; put it into a step or under '## Meaning'.",
                line.number,
            )
    if not parts:
        raise RunbookError(
            "no_steps", "There is no step; begin one with '### Check the door'.", section.number
        )
    if len(parts) > MOST_STEPS:
        raise RunbookError(
            "too_many_steps",
            f"There are more than {MOST_STEPS} steps; split the runbook.",
            parts[MOST_STEPS].number,
        )
    return parts


def _step(part: Part, entries: dict[str, Value], body: str, number: int) -> RunbookStep:
    title = values.phrase(Value(part.heading, part.number), "title of the step")
    kind = _kind(part, entries)
    _check_keys(part, entries, kind)
    minimum, maximum = _bounds(entries)
    return RunbookStep(
        id=_step_id(part, entries, number),
        number=number,
        title=title,
        kind=kind,
        body=body,
        expect=_phrase_or_empty(entries, "expect", LONGEST_EXPECT),
        unit=_phrase_or_empty(entries, "unit", LONGEST_UNIT),
        minimum=minimum,
        maximum=maximum,
        is_mandatory=_switch_or_no(entries, "mandatory"),
        is_destructive=_switch_or_no(entries, "destructive"),
        who=values.word(entries["who"], "who", WHO) if "who" in entries else "either",
        metric=values.metric(entries["metric"], "metric") if "metric" in entries else "",
        otherwise=_phrase_or_empty(entries, "otherwise", LONGEST_EXPECT),
        warning=_phrase_or_empty(entries, "warning", LONGEST_EXPECT),
        code=_phrase_or_empty(entries, "code", LONGEST_CODE),
        **_extras(entries, kind),
    )


def _extras(entries: dict[str, Value], kind: str) -> dict[str, Any]:
    """Return the fields that few steps have, by their names in RunbookStep."""
    extras: dict[str, Any] = {}
    if "picture" in entries:
        extras["picture"], extras["picture_alt"] = values.picture(entries["picture"], "picture")
    if "options" in entries:
        extras["options"] = read_options(entries["options"], is_branch=kind == "branch")
    if "approver" in entries:
        extras["approver"] = values.word(entries["approver"], "approver", APPROVERS)
    if "minutes" in entries:
        extras["wait_seconds"] = values.wait_seconds(entries["minutes"], "minutes")
    if "for" in entries:
        extras["for_seconds"] = values.span(entries["for"], "for")
    if "within" in entries:
        extras["within_seconds"] = values.span(entries["within"], "within")
    if "device" in entries:
        extras["device"] = values.phrase(entries["device"], "device", LONGEST_DEVICE)
    if "runbook" in entries:
        extras["runbook"] = values.slug(entries["runbook"], "runbook")
    return extras


def _bounds(entries: dict[str, Value]) -> tuple[float | None, float | None]:
    minimum = values.number(entries["min"], "min") if "min" in entries else None
    maximum = values.number(entries["max"], "max") if "max" in entries else None
    if minimum is not None and maximum is not None and minimum > maximum:
        raise RunbookError(
            "bad_value", "'min' is above 'max'; exchange the two.", entries["min"].line
        )
    return minimum, maximum


def _entries(part: Part) -> tuple[dict[str, Value], str]:
    """Split a step into its `- key: value` lines and its body.

    Formatters put an empty line under a heading, so empty lines before the list are passed over.
    """
    lines = part.lines
    first = 0
    while first < len(lines) and not lines[first].text:
        first += 1
    entries: dict[str, Value] = {}
    end = first
    while end < len(lines) and lines[end].text:
        _take_entry(lines[end], entries)
        end += 1
    return entries, text_of(lines[end:])


def _take_entry(line: Line, entries: dict[str, Value]) -> None:
    found = _ENTRY.fullmatch(line.text)
    if not found:
        raise RunbookError(
            "bad_step_line",
            "This is no '- key: value' line; begin the step with '- type: instruction' or "
            "another type, and leave an empty line before its text.",
            line.number,
        )
    key = found[1]
    if key not in _ALL_KEYS:
        raise RunbookError(
            "unknown_key",
            f"{key[:40]!r} is no key of a step; use {values.listed(_ALL_KEYS)}.",
            line.number,
        )
    if key in entries:
        raise RunbookError("duplicate_key", f"{key!r} is given twice; keep one.", line.number)
    entries[key] = Value((found[2] or "").strip(), line.number)


def _kind(part: Part, entries: dict[str, Value]) -> str:
    if "type" not in entries:
        raise RunbookError(
            "missing_key",
            f"The step has no type; put '- type: ...' under its title, with "
            f"{values.listed(STEP_RULES)}.",
            part.number,
        )
    kind = entries["type"]
    if kind.text not in STEP_RULES:
        raise RunbookError(
            "unknown_type",
            f"There is no step type {kind.text[:40]!r}; use {values.listed(STEP_RULES)}.",
            kind.line,
        )
    return kind.text


def _check_keys(part: Part, entries: dict[str, Value], kind: str) -> None:
    """Refuse keys that the type would not use, and demand those it cannot do without."""
    rule = STEP_RULES[kind]
    for key, value in entries.items():
        if key not in STEP_KEYS and key not in rule.takes:
            raise RunbookError(
                "key_not_for_type",
                f"A step of type {kind} has no use for {key!r}; delete the line or change the "
                "type.",
                value.line,
            )
    for key in rule.demands:
        if key not in entries:
            raise RunbookError(
                "missing_key",
                f"A step of type {kind} needs {key!r}; add a line '- {key}: ...'.",
                part.number,
            )
    if rule.is_bounded and "min" not in entries and "max" not in entries:
        raise RunbookError(
            "missing_key",
            f"A step of type {kind} needs a bound; add a line '- min: ...', '- max: ...' or both.",
            part.number,
        )


def _step_id(part: Part, entries: dict[str, Value], number: int) -> str:
    if "id" in entries:
        if entries["id"].text == END:
            raise RunbookError(
                "bad_value",
                f"No step is called '{END}', which is where a branch ends; name it otherwise.",
                entries["id"].line,
            )
        return values.slug(entries["id"], "id")
    made = re.sub(r"[^a-z0-9]+", "-", part.heading.lower())[:60].strip("-")
    return (made if made != END else "") or f"step-{number}"  # A title without a Latin letter.


def _phrase_or_empty(entries: dict[str, Value], key: str, longest: int) -> str:
    return values.phrase(entries[key], key, longest) if key in entries else ""


def _switch_or_no(entries: dict[str, Value], key: str) -> bool:
    return values.switch(entries[key], key) if key in entries else False
