"""The list of runs: what is under way first, what has ended below, narrowed by the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.db.models import Count, QuerySet
from django.http import QueryDict

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.models import Site
from fleet.noc.run_line_board import SHARED, RunLine, run_lines
from fleet.noc.whole_numbers import read_whole
from runbooks.models import Run, Runbook, RunQuarantine
from runbooks.runs.latecomers import late_entries
from runbooks.runs.selectors import open_runs, runs_where

_SHOWN: Final = 50
_SHOWN_LATE: Final = 10


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
class LateRun:
    """One run that the reader leads, and how many unread entries came after its end."""

    run_id: int
    count: int


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs that somebody may see; `count` are all of those under way that fit.

    `older_open` and `older` are the addresses of those further back, empty where there are none.
    """

    count: int
    under_way: list[RunLine]
    older_open: str
    ended: list[Run]
    older: str
    asked: RunFilter
    sites: list[Site]
    runbooks: list[Runbook]
    states: list[tuple[str, str]]
    aside: int
    late: list[LateRun]
    may_run: bool


@dataclass(frozen=True, slots=True)
class _Page:
    """Some runs, and the address of those further back."""

    runs: list[Run]
    older: str


def run_list(*, user: AnyUser, asked: QueryDict, now: datetime) -> RunList:
    """Return the list that `user` may see, narrowed to what the address asks for.

    Fifty runs of each kind at most; `open_before` and `before` ask for those further back.
    """
    narrow = _filter(asked)
    visible = runs_where(user).defer(*SHARED)
    found = _narrowed(visible, narrow)
    under_way, ended = open_runs(found), found.filter(state__in=Run.ENDED).defer("values")
    open_before = read_whole(asked.get("open_before", ""), digits=18)
    before = read_whole(asked.get("before", ""), digits=18)
    open_page = _page(under_way if before is None else None, "open_before", open_before, narrow)
    ended_page = _page(ended if open_before is None else None, "before", before, narrow)
    return RunList(
        count=under_way.count(),
        under_way=run_lines(open_page.runs, now=now),
        older_open=open_page.older,
        ended=ended_page.runs,
        older=ended_page.older,
        asked=narrow,
        sites=list(sites_visible_to(user).order_by("name")),
        runbooks=list(Runbook.objects.filter(versions__runs__in=visible).distinct()),
        states=[(state.value, str(state.label)) for state in Run.State],
        aside=RunQuarantine.objects.filter(run__in=visible, settlement="").count(),
        late=_late(user, visible),
        may_run=sites_where(user, Action.RUN).exists(),
    )


def _late(user: AnyUser, visible: QuerySet[Run]) -> list[LateRun]:
    """Return the runs that `user` leads and after whose end something came, newest first."""
    mine = late_entries().filter(run__in=visible, run__lead=user.pk).order_by()
    counts = mine.values_list("run").annotate(count=Count("pk")).order_by("-run")
    return [LateRun(run_id, count) for run_id, count in counts[:_SHOWN_LATE]]


def _page(runs: QuerySet[Run] | None, key: str, before: int | None, narrow: RunFilter) -> _Page:
    """Return the newest runs, of those before `before` where it is given; none for None."""
    if runs is None:
        return _Page([], "")
    if before is not None:
        runs = runs.filter(pk__lt=before)
    found = list(runs.order_by("-pk")[: _SHOWN + 1])
    shown = found[:_SHOWN]
    if len(found) == len(shown):
        return _Page(shown, "")
    last = urlencode({key: shown[-1].pk})
    return _Page(shown, f"{narrow.query}&{last}" if narrow.query else last)


def _filter(asked: QueryDict) -> RunFilter:
    state = asked.get("state", "")
    return RunFilter(
        site=asked.get("site", ""),
        runbook=asked.get("runbook", ""),
        state=state if state in Run.State.values else "",
    )


def _narrowed(runs: QuerySet[Run], narrow: RunFilter) -> QuerySet[Run]:
    if narrow.site:
        runs = runs.filter(site__slug=narrow.site)
    if narrow.runbook:
        runs = runs.filter(runbook_version__runbook__slug=narrow.runbook)
    return runs.filter(state=narrow.state) if narrow.state else runs
