"""Entries that were kept aside: as they came, and why, for whoever settles them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import Http404

from fleet.access import Action, AnyUser, may_everywhere, sites_where
from runbooks.models import Run, RunEntry, RunQuarantine
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
    rows = _visible_to(user).filter(settlement="").select_related("run__site", "token__user")
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
    return [_view(row, may_settle=may_settle(row)) for row in rows]


def _view(row: RunQuarantine, *, may_settle: bool) -> AsideView:
    body = _body(row)
    holder = row.token.user if row.token else None
    return AsideView(
        row=row,
        by=name_of(holder) or _plain(body.get("by"), 60) or "somebody",
        words=_plain(_words(body), _LONGEST) or "nothing that can be read",
        at=_plain(body.get("at"), 40),
        may_settle=may_settle,
    )


def _body(row: RunQuarantine) -> dict[str, Any]:
    """Return the entry as it came, empty for what is none."""
    try:
        body = json.loads(row.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(body: dict[str, Any]) -> str:
    """Return what the entry would say: its kind, its step and what was entered."""
    kind = str(body.get("kind") or "")
    label = dict(RunEntry.Kind.choices).get(kind, kind)
    said = body.get("input")
    parts = [
        str(label).lower(),
        f"step {body['step']}" if body.get("step") else "",
        json.dumps(said, ensure_ascii=False) if said else "",
    ]
    return ", ".join(part for part in parts if part)


def _plain(value: object, longest: int) -> str:
    """Return what a device sent as text that a page can hold: no half of a surrogate pair."""
    return str(value or "")[:longest].encode("utf-8", "replace").decode()
