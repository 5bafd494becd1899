"""What the flows happen in: one live site, its people, its real agent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection
from standardwebhooks import Webhook

from fleet.models import DesiredState, Node, Site
from fleet.models.desired import ItemKind
from fleet.services.tokens import create_agent_token
from telemetry.drift.canonical import digest_bytes
from telemetry.models import Finding
from tests.factories import (
    NOON,
    make_contact,
    make_node,
    make_owner,
    make_policy,
    make_site,
    secret_from,
)
from tests.processes import Processes, wait_until
from tests.receiver import Receiver, Request

STANDARD = b"password_login = false\n"
CHANGED = b"password_login = true\n"


@dataclass
class FlowWorld:
    """The site under test and whatever a flow needs to reach."""

    processes: Processes
    receiver: Receiver
    site: Site
    node: Node
    #: The configuration file that the real agent watches.
    watched: Path
    agent_toml: Path

    @classmethod
    def make(cls, processes: Processes, receiver: Receiver, folder: Path) -> FlowWorld:
        """Make the rows and the agent's files; nothing is started."""
        first, second = make_owner(name="Kenji Mori"), make_owner(name="Mei Tanaka")
        make_contact(owner=first, url=receiver.url + "/kenji", secret=secret_from("kenji"))
        make_contact(owner=second, url=receiver.url + "/mei", secret=secret_from("mei"))
        policy = make_policy(
            steps=[
                {"notify": ["site_owner"], "delay_seconds": 5},
                {"notify": [f"owner:{second.pk}"], "delay_seconds": 600},
            ],
            repeat=0,
        )
        site = make_site(owner=first, policy=policy)
        node = make_node(site=site, name="node-1")
        watched = folder / "sshd_config"
        watched.write_bytes(STANDARD)
        DesiredState.objects.create(
            site=site,
            kind=ItemKind.CONFIG,
            name="sshd_config",
            number=1,
            digest=digest_bytes(STANDARD),
            created_at=NOON,
        )
        token = create_agent_token(site=site, label="flow", now=NOON)[1]
        agent_toml = folder / "agent.toml"
        agent_toml.write_text(_agent_settings(processes, token, folder, watched))
        return cls(processes, receiver, site, node, watched, agent_toml)

    def start_agent(self) -> None:
        """Start the real agent and wait until windows are committed."""
        self.processes.start_agent(self.agent_toml)
        wait_until(lambda: self.windows() >= 2, what="two windows are stored")

    def windows(self) -> int:
        """Return how many windows of the node are stored."""
        return self._number("select count(*) from telemetry_window where node_id = %s")

    def distinct_windows(self) -> int:
        """Return how many different windows of the node are stored."""
        return self._number("select count(distinct start) from telemetry_window where node_id = %s")

    def seconds_covered(self) -> int:
        """Return the seconds from the first window's start to the last one's end."""
        return self._number(
            "select round(extract(epoch from max(start + seconds * interval '1 s') - min(start)))"
            " from telemetry_window where node_id = %s"
        )

    def pages_to(self, whom: str) -> list[Request]:
        """Return the pages that reached one person's pager, each with a signature that holds."""
        pages = [request for request in self.receiver.requests if request.path.endswith(whom)]
        for page in pages:
            Webhook(secret_from(whom)).verify(page.body, page.headers)
        return pages

    def report_trouble(self, number: int) -> Finding:
        """Write one finding as a detector would."""
        at = datetime.now(UTC)
        return Finding.objects.create(
            site=self.site,
            node=self.node,
            kind=Finding.Kind.METRIC_THRESHOLD,
            fingerprint=f"flow/{number}",
            severity=Finding.Severity.HIGH,
            summary=f"Trouble number {number}",
            began_at=at,
            detected_at=at,
            updated_at=at,
        )

    def paged_troubles(self) -> set[str]:
        """Return the summaries of the alerts whose page has reached the site's owner."""
        return {page.json["data"]["alert"]["summary"] for page in self.pages_to("kenji")}

    def _number(self, query: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute(query, [self.node.pk])
            return int(cursor.fetchone()[0] or 0)


def _agent_settings(processes: Processes, token: str, folder: Path, watched: Path) -> str:
    url = processes.url.replace("http", "ws") + "/ws/ingest/"
    return f"""server = {json.dumps(url)}
token = {json.dumps(token)}
node = "node-1"
window_seconds = 1
sample_seconds = 0.25
reconnect_spread_seconds = 0

[spool]
path = {json.dumps(str(folder / "spool.sqlite3"))}

[[files]]
name = "sshd_config"
path = {json.dumps(str(watched))}
"""
