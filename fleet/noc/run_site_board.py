"""The runs of a site on its page: what is under way, what may be begun, which tablets are ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models.fields.json import KT

from fleet.access import Action, AnyUser, may
from fleet.models import Site
from fleet.noc.run_line_board import SHARED, RunLine, run_lines
from runbooks.library.match import newest_versions
from runbooks.library.translations import nearest_language
from runbooks.models import RunbookTranslation, Tablet
from runbooks.runs.selectors import open_runs

#: The list of runs, which the page leads to, has those before.
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class TabletRow:
    """One tablet that was made ready for the site, as it said of itself."""

    tablet: Tablet
    #: When the newest run under way at the site was begun.
    newest_at: datetime | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a run was begun since it was told what it has to hold."""
        checked_at = self.tablet.checked_at
        return bool(checked_at and self.newest_at and checked_at < self.newest_at)

    @property
    def is_ready(self) -> bool:
        """Whether it holds every file of its pack, and the pack is all that the site needs."""
        tablet = self.tablet
        is_whole = tablet.file_count > 0 and tablet.ready_count >= tablet.file_count
        return is_whole and not self.is_behind

    @property
    def words(self) -> str:
        """`ready, 14 of 14`, `not ready, 9 of 14`, `not checked yet`."""
        tablet = self.tablet
        if tablet.checked_at is None or not tablet.file_count:
            return "not checked yet"
        counted = f"{tablet.ready_count} of {tablet.file_count}"
        if self.is_behind:
            return f"not ready, {counted}, and a run was begun since"
        return f"ready, {counted}" if self.is_ready else f"not ready, {counted}"


@dataclass(frozen=True, slots=True)
class RunbookChoice:
    """One runbook that may be followed, by its slug and what it is called in `language`."""

    slug: str
    title: str
    language: str


@dataclass(frozen=True, slots=True)
class SiteRuns:
    """The newest runs under way at one site; `newest` is its newest run, 0 without one."""

    under_way: list[RunLine]
    newest: int
    may_run: bool
    choices: list[RunbookChoice]
    tablets: list[TabletRow]


def site_runs(*, user: AnyUser, site: Site, now: datetime, wanted: Sequence[str] = ()) -> SiteRuns:
    """Return the runs of a site `user` may see; the same few queries for any number of them.

    What may be begun is called as in the first language that is `wanted` and that there is.
    """
    runs = site.runs.select_related(
        "site", "runbook_version__runbook", "lead", "assigned_to"
    ).defer(*SHARED)
    may_run = may(user, Action.RUN, site)
    under_way = list(open_runs(runs).order_by("-pk")[:_SHOWN])
    newest_at = under_way[0].created_at if under_way else None
    return SiteRuns(
        under_way=run_lines(under_way, now=now),
        newest=site.runs.order_by("-pk").values_list("pk", flat=True).first() or 0,
        may_run=may_run,
        choices=_choices(wanted) if may_run else [],
        tablets=[TabletRow(tablet, newest_at) for tablet in site.tablets.select_related("user")],
    )


def _choices(wanted: Sequence[str]) -> list[RunbookChoice]:
    newest = newest_versions().values_list(
        "pk", "runbook__slug", KT("document__language"), "runbook__title"
    )
    versions = list(newest)
    translations = RunbookTranslation.objects.filter(version__in=[pk for pk, *_ in versions])
    titles: dict[int, dict[str, str]] = {}
    for pk, language, title in translations.values_list(
        "version_id", "language", KT("document__title")
    ):
        titles.setdefault(pk, {})[language] = title
    choices = []
    for pk, slug, own, title in versions:
        # The edition's own first: it is shown where nothing nearer is wanted.
        called = {own or "": title, **titles.get(pk, {})}
        language = nearest_language(list(called), wanted)
        choices.append(RunbookChoice(slug, called[language], language))
    return sorted(choices, key=lambda choice: choice.title.casefold())
