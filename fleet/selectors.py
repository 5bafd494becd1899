"""Questions about what we own: what should run on a node, and what it says runs there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Q

from fleet.models import DesiredState, Node, ReportedState

#: Kind and name: what is desired or reported under one digest.
ItemKey = tuple[str, str]
Wishes = dict[ItemKey, DesiredState]


def desired_states_for(*, nodes: Collection[Node]) -> dict[int, Wishes]:
    """Return for each node's id what should be on it, by kind and name; one query.

    The newest version of the most specific scope counts: the site's for the node's role, the
    site's, the fleet's for the role, the fleet's.
    """
    sites = {node.site_id for node in nodes}
    roles = {node.role for node in nodes}
    newest = (
        DesiredState.objects.filter(Q(site_id__in=sites) | Q(site__isnull=True))
        .filter(role__in=["", *roles])
        .order_by("site_id", "role", "kind", "name", "-number")
        .distinct("site_id", "role", "kind", "name")
    )
    by_scope: dict[tuple[int | None, str], list[DesiredState]] = {}
    for state in newest:
        by_scope.setdefault((state.site_id, state.role), []).append(state)
    return {node.pk: _wishes_for(node, by_scope) for node in nodes}


def earlier_digests(*, states: Iterable[DesiredState]) -> dict[int, tuple[str, ...]]:
    """Return for each state's id the digests of the versions before it, newest first; one query.

    Versions of other scopes are no predecessors.
    """
    later = {(state.site_id, state.role, state.kind, state.name): state for state in states}
    condition = Q(pk__in=[])
    for site_id, role, kind, name in later:
        condition |= Q(site_id=site_id, role=role, kind=kind, name=name)
    found: dict[int, list[str]] = {state.pk: [] for state in later.values()}
    for row in DesiredState.objects.filter(condition).order_by("-number"):
        state = later[row.site_id, row.role, row.kind, row.name]
        if row.number < state.number:
            found[state.pk].append(row.digest)
    return {pk: tuple(digests) for pk, digests in found.items()}


def reported_states_of(*, nodes: Collection[Node]) -> list[ReportedState]:
    """Return all that these nodes last reported, in the order of node, kind and name."""
    reports = ReportedState.objects.filter(node_id__in=[node.pk for node in nodes])
    return list(reports.order_by("node_id", "kind", "name"))


def _wishes_for(
    node: Node, by_scope: Mapping[tuple[int | None, str], Sequence[DesiredState]]
) -> Wishes:
    wishes: Wishes = {}
    # From the widest scope to the narrowest: a later one replaces an earlier one.
    for scope in ((None, ""), (None, node.role), (node.site_id, ""), (node.site_id, node.role)):
        for state in by_scope.get(scope, ()):
            wishes[state.kind, state.name] = state
    return wishes
