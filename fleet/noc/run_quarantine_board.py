"""Entries that were kept aside: as they came, and why, for whoever settles them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import Http404

from fleet.access import Action, AnyUser, may_everywhere, sites_where
from fleet.noc.run_entry_board import Photo
from runbooks.library.document import RunbookError, fill
from runbooks.library.selectors import document_of
from runbooks.models import Run, RunEntry, RunPhoto, RunQuarantine
from runbooks.runs.checks import MOST_PHOTOS, moment_of
from runbooks.runs.errors import RunError
from runbooks.runs.late_photos import photos_named_by
from runbooks.runs.log import name_of

_SHOWN: Final = 200
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class AsideView:
    """One entry that was kept aside, in words as far as it can be read."""

    row: RunQuarantine
    by: str
    words: str
    at: str
    may_settle: bool
    photos: tuple[Photo, ...]

    @property
    def key(self) -> str:
        """What a refusal that stands beside this entry is called."""
        return f"aside-{self.row.pk}"

    @property
    def device(self) -> str:
        """The beginning of the device's id."""
        return self.row.device_id[:8]


def aside_of_run(run: Run, *, may_run: bool) -> list[AsideView]:
    """Return what waits beside one run."""
    rows = run.quarantine.filter(settlement="").select_related("token__user")
    return _views(rows[:_SHOWN], lambda row: may_run)


def aside_for(user: AnyUser) -> list[AsideView]:
    """Return every entry that waits for somebody, as far as `user` may see it.

    One that belongs to no run can only be read, by who sees every site.
    """
    mine = set(sites_where(user, Action.RUN).values_list("pk", flat=True))
    rows = _visible_to(user).filter(settlement="")
    rows = rows.select_related("run__site", "token__user").defer("run__values")
    return _views(rows[:_SHOWN], lambda row: row.run is not None and row.run.site_id in mine)


def aside_row_for(user: AnyUser, row_id: int) -> RunQuarantine:
    """Return an entry that `user` may see, or 404."""
    row = _visible_to(user).select_related("run__site").filter(pk=row_id, run__isnull=False).first()
    if row is None:
        raise Http404("There is no such entry, or you may not see it.")
    return row


def _visible_to(user: AnyUser) -> QuerySet[RunQuarantine]:
    seen = Q(run__site__in=sites_where(user, Action.VIEW))
    if may_everywhere(user, Action.VIEW):
        seen |= Q(run__isnull=True)
    return RunQuarantine.objects.filter(seen)


def _views(rows: Iterable[RunQuarantine], may_settle: Any) -> list[AsideView]:
    found = list(rows)
    here = _photos_here(found)
    # Each runbook is read once, not with every entry of its run.
    runs = Run.objects.filter(pk__in={row.run_id for row in found if row.run_id})
    titles = {run.pk: _titles(run) for run in runs.select_related("runbook_version")}
    return [
        _view(
            row,
            may_settle=may_settle(row),
            here=here,
            titles=titles.get(row.run_id or 0, {}),
        )
        for row in found
    ]


def _titles(run: Run) -> dict[str, str]:
    """Return what each step of a run is called by its id; none for a form that nobody can read."""
    try:
        steps = document_of(run.runbook_version).steps
    except RunbookError:
        return {}
    return {step.id: f"Step {step.number}, {fill(step.title, run.values)}" for step in steps}


def _photos_here(rows: Iterable[RunQuarantine]) -> set[tuple[int | None, str]]:
    """Return the photos of these entries that arrived, by run; one query, none without photos."""
    named = {(row.run_id, sha256) for row in rows for sha256 in _photos_of(row)}
    if not named:
        return set()
    runs, hashes = zip(*named, strict=True)
    kept = RunPhoto.objects.filter(run__in=runs, sha256__in=hashes)
    return set(kept.values_list("run_id", "sha256"))


def _photos_of(row: RunQuarantine) -> list[str]:
    """Return the photos of an entry, as many as an entry takes; none where it has no run."""
    return photos_named_by(row)[:MOST_PHOTOS] if row.run_id is not None else []


def _view(
    row: RunQuarantine,
    *,
    may_settle: bool,
    here: Collection[tuple[int | None, str]],
    titles: Mapping[str, str],
) -> AsideView:
    body = _body(row)
    holder = row.token.user if row.token else None
    return AsideView(
        row=row,
        by=name_of(holder) or _plain(body.get("by"), 60) or "somebody",
        words=_plain(_words(body, titles), _LONGEST) or "nothing that can be read",
        at=_clock(body.get("at")),
        may_settle=may_settle,
        photos=tuple(Photo(sha256, (row.run_id, sha256) in here) for sha256 in _photos_of(row)),
    )


def _body(row: RunQuarantine) -> dict[str, Any]:
    """Return the entry as it came, empty for what is none."""
    try:
        body = json.loads(row.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(body: dict[str, Any], titles: Mapping[str, str]) -> str:
    """Return what the entry would say: its step, its kind and what was entered, as it came."""
    kind = str(body.get("kind") or "")
    label = dict(RunEntry.Kind.choices).get(kind, kind)
    step = str(body.get("step") or "")
    said = body.get("input")
    parts = [str(label).lower(), json.dumps(said, ensure_ascii=False) if said else ""]
    words = ", ".join(part for part in parts if part)
    return f"{titles.get(step, f'Step “{step}”')}: {words}" if step else words


def _clock(at: object) -> str:
    """Return what the device's clock said, in words where it is a moment."""
    try:
        return f"{moment_of(at, 'at').astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except RunError:
        return _plain(at, 40)


def _plain(value: object, longest: int) -> str:
    """Return what a device sent as text that a page can hold: no half of a surrogate pair."""
    return str(value or "")[:longest].encode("utf-8", "replace").decode()
