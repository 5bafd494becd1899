"""Many pages in one request: the worst are named first, and none is left uncounted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runbooks.paging.content import LARGEST_BUNDLE
from runbooks.paging.payload import LARGEST_BODY, render_body
from runbooks.paging.transports.words import message_of
from tests.page_facts import NOON, bundle_facts, page_facts


def test_a_bundle_names_the_worst_first_in_full_and_by_number() -> None:
    others = [
        page_facts(alert_id=number, severity=severity) for number, severity in ((1, 3), (2, 1))
    ]
    facts = page_facts(alert_id=7, severity=2, bundled=tuple(others), more_alert_ids=(9, 8))
    data = json.loads(render_body(facts, at=NOON))["data"]
    assert [page["alert"]["id"] for page in data["pages"]] == [2, 7, 1]
    assert (data["more_alert_ids"], data["count"]) == ([9, 8], 5)
    assert message_of(facts, at=NOON).title.startswith("5 alerts wait, among them: Urgent: ")
    named = [line.split()[0] for line in message_of(facts, at=NOON).lines[1:]]
    assert named == ["A-2", "A-7", "A-1"]


@pytest.mark.parametrize("largest_id", [10**4, 10**8, 2**63])
def test_a_bundle_of_the_most_pages_names_the_worst_in_full_and_counts_all(
    largest_id: int,
) -> None:
    bundle = bundle_facts(50, summary="é" * 300, site_name="é" * 120, runbook_title="é" * 120)
    ids = tuple(largest_id - number for number in range(LARGEST_BUNDLE - 50))
    body = render_body(replace(bundle, more_alert_ids=ids), at=NOON)
    assert len(body) <= LARGEST_BODY
    data = json.loads(body)["data"]
    assert data["count"] == LARGEST_BUNDLE
    assert len(data["pages"]) >= 2
    named = len(data["pages"]) + len(data["more_alert_ids"])
    assert named == LARGEST_BUNDLE or largest_id >= 10**8


def test_a_message_counts_those_it_does_not_name() -> None:
    facts = replace(bundle_facts(50), more_alert_ids=tuple(range(200, 1150)))
    message = message_of(facts, at=NOON)
    assert message.title.startswith("1000 alerts wait")
    assert message.lines[-1] == "And 980 more."
