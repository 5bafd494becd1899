"""The fleet page's sentences: numbers in, words for tired people out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """How many sites stand how; `total` counts those in service."""

    total: int = 0
    well: int = 0
    #: Nobody has answered an urgent or high alert of theirs.
    need: int = 0
    dark: int = 0
    #: Nothing has ever come from them.
    unheard: int = 0
    #: Heard of, but not every node within its last two windows.
    partly: int = 0


def headline(tally: Tally) -> str:
    """Return the page's answer in one sentence."""
    if tally.need:
        return f"{_sites(tally.need)} {'needs' if tally.need == 1 else 'need'} someone now"
    if not tally.total:
        return "No sites yet"
    if tally.well == tally.total:
        return "The one site is well" if tally.total == 1 else f"All {tally.total} sites are well"
    return "Nobody is needed now"


def standing(tally: Tally) -> str:
    """Return how many sites are well, and what is not known of the others."""
    if not tally.total or tally.well == tally.total:
        return ""
    parts = [f"{tally.well} of {_sites(tally.total)} {_are(tally.well)} well"]
    if not tally.well:
        parts = ["No site is well"]
    if tally.dark:
        parts.append(f"{tally.dark} {_are(tally.dark)} out of contact")
    if tally.unheard:
        parts.append(f"{tally.unheard} {_have(tally.unheard)} never reported")
    if tally.partly:
        parts.append(f"{tally.partly} {_are(tally.partly)} only partly heard from")
    return ", ".join(parts) + "."


def details(parts: Sequence[tuple[int, str, str]], *, none: str) -> str:
    """Return `4 degraded, 5 out of contact` from `(number, one, many)`; `none` for all zeros."""
    said = [f"{number} {one if number == 1 else many}" for number, one, many in parts if number]
    return ", ".join(said) or none


def _sites(number: int) -> str:
    return f"{number} {'site' if number == 1 else 'sites'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
