"""Read the answers of a choice or a branch, and check where they lead. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runbooks.library import values
from runbooks.library.document import END, RunbookError, StepOption
from runbooks.library.values import Value

FEWEST_OPTIONS = 2
MOST_OPTIONS = 8
LONGEST_LABEL = 80


def read_options(value: Value, *, is_branch: bool) -> tuple[StepOption, ...]:
    """Return the answers written `Fan stands -> change-fan | Fan turns -> end`."""
    values.refuse_variables(value, "options")
    options = tuple(
        _option(Value(text.strip(), value.line), is_branch=is_branch)
        for text in value.text.split("|")
    )
    if not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS:
        raise RunbookError(
            "bad_value",
            f"There are {len(options)} options; write {FEWEST_OPTIONS} to {MOST_OPTIONS}, with "
            "'|' between them.",
            value.line,
        )
    labels = [option.label.casefold() for option in options]
    if len(set(labels)) != len(labels):
        raise RunbookError(
            "duplicate_option", "Two options read the same; reword one of them.", value.line
        )
    return options


def check_gotos(
    options: Sequence[StepOption], *, later: Collection[str], known: Collection[str], line: int
) -> None:
    """Refuse an option that leads to no step, or not forward: a run could then go in circles."""
    for option in options:
        goto = option.goto
        if not goto or goto == END or goto in later:
            continue
        fault = "stands before this one" if goto in known else "does not exist"
        raise RunbookError(
            "bad_goto",
            f"{option.label!r} leads to the step {goto[:60]!r}, which {fault}; name a later step "
            f"or '{END}'.",
            line,
        )


def _option(value: Value, *, is_branch: bool) -> StepOption:
    text, arrow, goto = value.text.rpartition("->")
    label = values.phrase(
        Value((text if arrow else goto).strip(), value.line), "an option", LONGEST_LABEL
    )
    if "->" in label:
        raise RunbookError(
            "bad_value", f"{label[:40]!r} holds '->' twice; write it once.", value.line
        )
    if is_branch and not arrow:
        raise RunbookError(
            "bad_goto",
            f"The option {label[:40]!r} leads nowhere; write '{label[:40]} -> id-of-a-later-step' "
            f"or '-> {END}'.",
            value.line,
        )
    if arrow and not is_branch:
        raise RunbookError(
            "bad_goto",
            f"The option {label[:40]!r} leads to a step, which a choice cannot; delete the '->' or "
            "make it a branch.",
            value.line,
        )
    return StepOption(label, values.slug(Value(goto.strip(), value.line), "->") if arrow else "")
