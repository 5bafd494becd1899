"""What it costs to tell a tablet what it may begin: the same for any number of runbooks."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.models import Site
from tests.factories import NOON, make_node
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_edition
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db


def _asked(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        client.get("/sites/osaka-3/pack.json?language=ja")
    return len(asked)


def test_more_runbooks_alerts_and_nodes_cost_no_more_queries(
    client: Client, hands: Any, site: Site
) -> None:
    make_library()
    make_alert(site=site, node=make_node(site=site, name="node-1"))
    make_edition(make_step("next", "link", runbook="generic"))
    before = _asked(client)
    for number in range(2, 5):
        make_alert(site=site, node=make_node(site=site, name=f"node-{number}"))
        version = make_edition(make_step("next", "link", runbook="thermal-alarm"))
        version.translations.create(
            language="ja", document=version.document, content_hash="ab" * 32, published_at=NOON
        )
    assert _asked(client) == before


def test_the_pack_goes_squeezed_to_whoever_takes_it_so(
    client: Client, hands: Any, site: Site
) -> None:
    make_library()
    plain = client.get("/sites/osaka-3/pack.json")
    answer = client.get("/sites/osaka-3/pack.json", headers={"accept-encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert len(answer.content) < len(plain.content) / 2
    standby = json.loads(gzip.decompress(answer.content))["standby"]
    assert len(standby["offers"]) == len(plain.json()["standby"]["offers"])
