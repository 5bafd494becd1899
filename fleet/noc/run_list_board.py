"""The list of runs: what is under way first, what has ended below, narrowed by the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.models import Site
from fleet.noc.run_line_board import RunLine, run_lines
from fleet.noc.whole_numbers import read_whole
from runbooks.models import Run, Runbook, RunQuarantine
from runbooks.runs.selectors import open_runs, runs_where

_MOST_OPEN: Final = 200
_SHOWN_ENDED: Final = 50


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What the list is narrowed to; an empty word narrows nothing."""

    site: str = ""
    runbook: str = ""
    state: str = ""

    @property
    def is_on(self) -> bool:
        """Whether anything is left out."""
        return bool(self.site or self.runbook or self.state)

    @property
    def query(self) -> str:
        """The filter as the address spells it."""
        said = {"site": self.site, "runbook": self.runbook, "state": self.state}
        return urlencode({key: word for key, word in said.items() if word})


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs that somebody may see."""

    under_way: list[RunLine]
    ended: list[Run]
    older: str
    asked: RunFilter
    sites: list[Site]
    runbooks: list[Runbook]
    states: list[tuple[str, str]]
    aside: int
    may_run: bool


def run_list(*, user: AnyUser, asked: QueryDict, now: datetime) -> RunList:
    """Return the list that `user` may see, narrowed to what the address asks for."""
    narrow = _filter(asked)
    visible = runs_where(user)
    found = _narrowed(visible, narrow)
    before = read_whole(asked.get("before", ""), digits=18)
    ended = found.filter(state__in=Run.ENDED).defer("runbook_version__document", "values")
    if before is not None:
        ended = ended.filter(pk__lt=before)
    shown = list(ended.order_by("-pk")[: _SHOWN_ENDED + 1])
    under_way = list(open_runs(found).order_by("-pk")[:_MOST_OPEN])
    return RunList(
        under_way=[] if before is not None else run_lines(under_way, now=now),
        ended=shown[:_SHOWN_ENDED],
        older=_older(narrow, shown) if len(shown) > _SHOWN_ENDED else "",
        asked=narrow,
        sites=list(sites_visible_to(user).order_by("name")),
        runbooks=list(Runbook.objects.filter(versions__runs__in=visible).distinct()),
        states=[(state.value, str(state.label)) for state in Run.State],
        aside=RunQuarantine.objects.filter(run__in=visible, settlement="").count(),
        may_run=sites_where(user, Action.RUN).exists(),
    )


def _filter(asked: QueryDict) -> RunFilter:
    state = asked.get("state", "")
    return RunFilter(
        # A NUL is no part of a slug, and the database does not take the question.
        site=asked.get("site", "").replace("\0", ""),
        runbook=asked.get("runbook", "").replace("\0", ""),
        state=state if state in Run.State.values else "",
    )


def _narrowed(runs: QuerySet[Run], narrow: RunFilter) -> QuerySet[Run]:
    if narrow.site:
        runs = runs.filter(site__slug=narrow.site)
    if narrow.runbook:
        runs = runs.filter(runbook_version__runbook__slug=narrow.runbook)
    return runs.filter(state=narrow.state) if narrow.state else runs


def _older(narrow: RunFilter, shown: list[Run]) -> str:
    """Return the address of the runs before the last one shown."""
    last = urlencode({"before": shown[_SHOWN_ENDED - 1].pk})
    return f"{narrow.query}&{last}" if narrow.query else last
