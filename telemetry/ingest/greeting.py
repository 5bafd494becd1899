"""What a hello does in the database: the spool it comes from, the site's nodes, their boots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from fleet.models import Node
from telemetry import store
from telemetry.ingest.arrival import Greeting
from telemetry.ingest.auth import Identity, note_use
from telemetry.models import AgentSource, BootRecord
from telemetry.protocol import Hello


@transaction.atomic
def greet_agent(*, identity: Identity, hello: Hello, now: datetime) -> Greeting:
    """Write down who said hello at `now` and return what the session must know."""
    source = _source(identity, hello, now)
    nodes = nodes_of_sites(site_ids=[identity.site_id])[identity.site_id]
    _note_nodes(hello, nodes, now)
    note_use(token_ids=[identity.token_id], now=now)
    return Greeting(
        site_id=identity.site_id,
        source_id=source.pk,
        nodes=nodes,
        unknown=tuple(node.name for node in hello.nodes if node.name not in nodes),
    )


def nodes_of_sites(*, site_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return the ids of each site's nodes by their names."""
    found: dict[int, dict[str, int]] = {site_id: {} for site_id in site_ids}
    rows = Node.objects.filter(site_id__in=site_ids).order_by()
    for site_id, name, node_id in rows.values_list("site_id", "name", "pk"):
        found[site_id][name] = node_id
    return found


def _source(identity: Identity, hello: Hello, now: datetime) -> AgentSource:
    source = AgentSource(
        site_id=identity.site_id,
        agent=hello.agent,
        epoch=hello.epoch,
        agent_version=hello.agent_version,
        first_hello_at=now,
        last_hello_at=now,
        clock_offset_seconds=hello.wall_ms / 1000 - now.timestamp(),
    )
    # One statement: two connections of one agent may say hello at the same moment.
    AgentSource.objects.bulk_create(
        [source],
        update_conflicts=True,
        unique_fields=["site", "agent", "epoch"],
        update_fields=["agent_version", "last_hello_at", "clock_offset_seconds"],
    )
    return source


def _note_nodes(hello: Hello, nodes: dict[str, int], now: datetime) -> None:
    known = {nodes[node.name]: node for node in hello.nodes if node.name in nodes}
    booted = {node_id: node.boot_id for node_id, node in sorted(known.items()) if node.boot_id}
    BootRecord.objects.bulk_create(
        [
            BootRecord(
                node_id=node_id,
                boot_id=boot_id,
                reported_at=now,
                uptime_seconds=known[node_id].uptime_seconds,
            )
            for node_id, boot_id in booted.items()
        ],
        ignore_conflicts=True,
    )
    # How long silence may last depends on this, before the first window of the new length.
    changed = Node.objects.filter(pk__in=known).exclude(window_seconds=hello.window_seconds)
    changed.update(window_seconds=hello.window_seconds)
    if booted:
        with connection.cursor() as cursor:
            store.note_boots(cursor, booted)
