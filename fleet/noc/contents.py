"""Models and configuration: what should be on the nodes, against what they say is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fleet.models import DesiredState, Node, ReportedState
from fleet.selectors import ItemKey, desired_states_for, reported_states_of

Standing = Literal["same", "differs", "failed", "absent", "loading", "unreported", "unasked"]

_WORDS: Final[dict[Standing, str]] = {
    "same": "as desired",
    "differs": "differs",
    "failed": "failed",
    "absent": "absent",
    "loading": "loading",
    "unreported": "not reported",
    "unasked": "nothing desired",
}
_SHOWN_DIGEST: Final = 12


@dataclass(frozen=True, slots=True)
class Content:
    """One item on one node; digests are shortened, empty where not known."""

    node: Node
    kind: str
    name: str
    wanted: str
    wanted_version: str
    reported: str
    version: str
    standing: Standing
    detail: str
    observed_at: datetime | None

    @property
    def words(self) -> str:
        """The standing as people say it."""
        return _WORDS[self.standing]

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should look; what is not reported is unknown, not wrong."""
        return self.standing in ("differs", "failed", "absent")


@dataclass(frozen=True, slots=True)
class Item:
    """One item across a site's nodes; `others` are the nodes on which it is not as desired."""

    kind: str
    name: str
    wanted: str
    wanted_version: str
    count: int
    same: int
    others: list[Content]


def contents_of(nodes: Collection[Node]) -> list[Content]:
    """Return every desired or reported item of the nodes, by node and name; two queries."""
    wishes = desired_states_for(nodes=nodes)
    reports: dict[int, dict[ItemKey, ReportedState]] = {}
    for report in reported_states_of(nodes=nodes):
        reports.setdefault(report.node_id, {})[report.kind, report.name] = report
    rows = []
    for node in nodes:
        told = reports.get(node.pk, {})
        for key in sorted(wishes[node.pk].keys() | told.keys()):
            rows.append(_content(node, key, wishes[node.pk].get(key), told.get(key)))
    return rows


def items_of(contents: Collection[Content]) -> list[Item]:
    """Return the contents gathered by item, the wrong ones first, then models, then by name."""
    by_key: dict[tuple[str, str, str], list[Content]] = {}
    for content in contents:
        # Roles may be wished different versions: each is an item of its own.
        by_key.setdefault((content.kind, content.name, content.wanted), []).append(content)
    items = [
        Item(
            kind=kind,
            name=name,
            wanted=wanted,
            wanted_version=rows[0].wanted_version,
            count=len(rows),
            same=sum(row.standing == "same" for row in rows),
            others=[row for row in rows if row.standing not in ("same", "unasked")],
        )
        for (kind, name, wanted), rows in by_key.items()
    ]
    return sorted(
        items,
        key=lambda item: (
            not any(row.is_wrong for row in item.others),
            item.kind != "model",
            item.name,
        ),
    )


def short_digest(digest: str) -> str:
    """Return so much of a digest as tells two contents apart: `4f9a0c21d2e1`."""
    return _bare(digest)[:_SHOWN_DIGEST]


def _content(
    node: Node, key: ItemKey, wish: DesiredState | None, report: ReportedState | None
) -> Content:
    return Content(
        node=node,
        kind=key[0],
        name=key[1],
        wanted=short_digest(wish.digest) if wish else "",
        wanted_version=wish.version if wish else "",
        reported=short_digest(report.digest) if report else "",
        version=report.version if report else "",
        standing=_standing(wish, report),
        detail=report.detail if report else "",
        observed_at=report.observed_at if report else None,
    )


def _standing(wish: DesiredState | None, report: ReportedState | None) -> Standing:
    if report is None:
        return "unreported"
    if wish is None:
        return "unasked"
    if report.state in ("failed", "absent", "loading"):
        return report.state  # type: ignore[return-value]  # narrowed by the test
    return "same" if _bare(report.digest) == _bare(wish.digest) else "differs"


def _bare(digest: str) -> str:
    """Return the digest without what runtimes write differently: case and the algorithm's name."""
    return digest.strip().lower().removeprefix("sha256:")
