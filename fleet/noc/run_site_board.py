"""The runs of a site on its page: what is under way, what may be begun, which tablets are ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fleet.access import Action, AnyUser, may
from fleet.models import Site
from fleet.noc.run_line_board import RunLine, run_lines
from runbooks.library.match import newest_versions
from runbooks.models import Tablet
from runbooks.runs.selectors import open_runs


@dataclass(frozen=True, slots=True)
class TabletRow:
    """One tablet that was made ready for the site, as it said of itself."""

    tablet: Tablet

    @property
    def is_ready(self) -> bool:
        """Whether it holds every file of its pack."""
        tablet = self.tablet
        return tablet.file_count > 0 and tablet.ready_count >= tablet.file_count

    @property
    def words(self) -> str:
        """`ready, 14 of 14`, `9 of 14`, `not checked yet`."""
        tablet = self.tablet
        if tablet.checked_at is None or not tablet.file_count:
            return "not checked yet"
        counted = f"{tablet.ready_count} of {tablet.file_count}"
        return f"ready, {counted}" if self.is_ready else f"not ready, {counted}"


@dataclass(frozen=True, slots=True)
class RunbookChoice:
    """One runbook that may be followed, by its slug and what it is called."""

    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class SiteRuns:
    """The runs of one site; `newest` is its newest run, 0 without one."""

    under_way: list[RunLine]
    newest: int
    may_run: bool
    choices: list[RunbookChoice]
    tablets: list[TabletRow]


def site_runs(*, user: AnyUser, site: Site, now: datetime) -> SiteRuns:
    """Return the runs of a site `user` may see; the same few queries for any number of them."""
    runs = site.runs.select_related("site", "runbook_version__runbook", "lead", "assigned_to")
    may_run = may(user, Action.RUN, site)
    return SiteRuns(
        under_way=run_lines(list(open_runs(runs).order_by("-pk")), now=now),
        newest=site.runs.order_by("-pk").values_list("pk", flat=True).first() or 0,
        may_run=may_run,
        choices=_choices() if may_run else [],
        tablets=[TabletRow(tablet) for tablet in site.tablets.select_related("user")],
    )


def _choices() -> list[RunbookChoice]:
    rows = newest_versions().order_by("runbook__title")
    return [RunbookChoice(*row) for row in rows.values_list("runbook__slug", "runbook__title")]
