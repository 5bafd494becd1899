"""Slack, Teams and PagerDuty: what they are sent is what they take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer, Fate, fate_of
from runbooks.paging.transports.endpoint import Endpoint
from runbooks.paging.transports.registry import TRANSPORTS
from tests.captures import captured_text
from tests.page_facts import NOON, bundle_facts, contact_test_facts, page_facts
from tests.receiver import Receiver, later, redirect, status

LOOPBACK = ["127.0.0.0/8"]
KEY = "0123456789abcdef0123456789abcdef"
LINK = "https://hearthwatch.example/p/abc/"


def send(receiver: Receiver, kind: str, facts: PageFacts, *secrets: str) -> Answer:
    return TRANSPORTS[kind](
        facts,
        endpoint=Endpoint(kind=kind, url=receiver.url, secrets=secrets),
        at=NOON,
        timeout_seconds=5,
        allowed=LOOPBACK,
    )


def faults(value: Any, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> list[str]:
    """Return where `value` departs from as much of an OpenAPI schema as that of PagerDuty uses."""
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = {"object": dict, "array": list, "string": str}
    found = []
    if not isinstance(value, kinds.get(schema.get("type", ""), object)):
        found.append(f"{value!r} is no {schema['type']}")
    if value not in schema.get("enum", [value]):
        found.append(f"{value!r} is not one of {schema['enum']}")
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{name} is missing" for name in schema.get("required", []) if name not in value]
        found += [f"{name} is unknown" for name in value if name not in schema["properties"]]
        for name in set(value) & set(schema["properties"]):
            found += faults(value[name], schema["properties"][name], whole)
    if isinstance(value, list):
        found += [fault for one in value for fault in faults(one, schema["items"], whole)]
    return found


@pytest.mark.parametrize("purpose", ["page", "acknowledged", "resolved", "test"])
def test_every_pagerduty_event_is_one_of_its_published_schema(
    receiver: Receiver, purpose: str
) -> None:
    whole = json.loads(captured_text("pd_events_v2.json"))
    content = whole["paths"]["/enqueue"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    send(receiver, "pagerduty", page_facts(purpose=purpose), KEY)
    event = receiver.requests[0].json
    assert faults(event, schema, whole) == []
    # The checker is no rubber stamp.
    assert faults(event | {"event_action": "page"}, schema, whole) != []
    assert faults({"routing_key": 1}, schema, whole) != []


def test_pagerduty_is_told_to_trigger_acknowledge_and_resolve_the_same_thing(
    receiver: Receiver,
) -> None:
    for purpose in ("page", "acknowledged", "resolved"):
        send(receiver, "pagerduty", page_facts(purpose=purpose, severity=2), KEY)
    events = [request.json for request in receiver.requests]
    actions = [event["event_action"] for event in events]
    assert actions == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {"hearthwatch.example/alert-12"}
    assert {event["routing_key"] for event in events} == {KEY}


def test_a_pagerduty_event_says_how_bad_it_is_and_leads_to_the_alert(receiver: Receiver) -> None:
    for severity in (1, 2, 3):
        send(receiver, "pagerduty", page_facts(severity=severity), KEY)
    payloads = [request.json["payload"] for request in receiver.requests]
    assert [one["severity"] for one in payloads] == ["critical", "error", "warning"]
    assert payloads[0]["source"] == "Osaka-1, node-1"
    links = receiver.requests[0].json["links"]
    assert links[0]["href"] == "https://hearthwatch.example/alerts/12/"


def test_a_test_of_pagerduty_is_no_alert_of_ours(receiver: Receiver) -> None:
    send(receiver, "pagerduty", contact_test_facts(), KEY)
    event = receiver.requests[0].json
    assert event["payload"]["severity"] == "info"
    assert event["dedup_key"] == "hearthwatch.example/msg_0123456789abcdef"


def test_an_integration_key_that_is_said_back_is_not_written_down(receiver: Receiver) -> None:
    receiver.answers(status(400, f'{{"errors":["bad key {KEY}"]}}'.encode()))
    answer = send(receiver, "pagerduty", page_facts(), KEY)
    assert answer.body_head == '{"errors":["bad key •••"]}'
    assert fate_of(answer) is Fate.DEAD


def test_a_slack_message_says_what_where_and_how_to_take_it(receiver: Receiver) -> None:
    send(receiver, "slack", page_facts(ack_url=LINK))
    said = receiver.requests[0].json
    assert said["text"].startswith("Urgent: Inlet 38.4 °C, limit 35 °C. (Osaka-1, node-1)")
    assert said["unfurl_links"] is False
    text = json.dumps(said["blocks"], ensure_ascii=False)
    assert f"<{LINK}|Acknowledge>" in text
    assert "Look at Osaka-1" in text
    assert "Next at 12:05 UTC: Ben Roth." in text


def test_nothing_in_a_page_can_call_a_whole_slack_channel(receiver: Receiver) -> None:
    send(receiver, "slack", page_facts(summary="<!channel> & <https://evil.example|here>"))
    said = receiver.requests[0].json
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in said["text"]
    sections = [block for block in said["blocks"] if block["text"]["type"] == "mrkdwn"]
    assert "<!channel>" not in json.dumps(sections)


@pytest.mark.parametrize("count", [1, 2, 100])
def test_no_slack_message_is_longer_than_slack_takes(receiver: Receiver, count: int) -> None:
    facts = bundle_facts(count, summary="é<" * 150, ack_url="https://h.example/p/" + "a" * 200)
    send(receiver, "slack", facts)
    said = receiver.requests[0].json
    assert len(said["blocks"]) <= 50
    assert all(0 < len(block["text"]["text"]) <= 3000 for block in said["blocks"])
    assert len(said["blocks"][0]["text"]["text"]) <= 150


def test_a_bundle_tells_people_how_many_alerts_wait(receiver: Receiver) -> None:
    send(receiver, "slack", bundle_facts(30))
    text = json.dumps(receiver.requests[0].json, ensure_ascii=False)
    assert "30 alerts wait" in text
    assert "And 10 more." in text
    assert "Acknowledge A-101" in text


def test_a_slack_channel_that_is_gone_is_gone(receiver: Receiver) -> None:
    receiver.answers(status(410, b"channel_is_archived"))
    assert fate_of(send(receiver, "slack", page_facts())) is Fate.GONE


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty", "alertmanager"])
def test_a_busy_service_says_when_to_come_back_and_redirects_are_not_followed(
    receiver: Receiver, kind: str
) -> None:
    receiver.answers(later(429, "7"), redirect(receiver.url))
    post = partial(send, receiver, kind, page_facts(), KEY)
    busy, moved = post(), post()
    assert (fate_of(busy), busy.retry_after) == (Fate.RETRY, "7")
    assert (fate_of(moved), moved.status) == (Fate.DEAD, 302)
    assert len(receiver.requests) == 2


def test_a_teams_card_shows_text_as_it_is(receiver: Receiver) -> None:
    send(receiver, "teams", page_facts(summary="[here](https://evil.example)", ack_url=LINK))
    (attachment,) = receiver.requests[0].json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "[here](https://evil.example)" in card["body"][0]["inlines"][0]["text"]
    assert card["actions"][0] == {"type": "Action.OpenUrl", "title": "Acknowledge", "url": LINK}


def test_a_teams_card_of_a_storm_has_no_more_buttons_than_teams_shows(receiver: Receiver) -> None:
    send(receiver, "teams", bundle_facts(100))
    (attachment,) = receiver.requests[0].json["attachments"]
    assert len(attachment["content"]["actions"]) == 6
    assert len(receiver.requests[0].body) < 28_000


def test_a_200_of_teams_that_says_it_failed_is_no_success(receiver: Receiver) -> None:
    receiver.answers(
        status(200, b"Webhook message delivery failed with error: HTTP error 429"), status(202)
    )
    refused, accepted = (send(receiver, "teams", page_facts()) for _ in range(2))
    assert fate_of(refused) is Fate.RETRY
    assert "did not post" in refused.error
    assert fate_of(accepted) is Fate.SENT


def test_the_secret_address_of_a_chat_room_is_not_written_down(receiver: Receiver) -> None:
    url = receiver.url + "/services/T0123456/B0123456/abcdefghijklmnopqrstuvwx"
    receiver.answers(status(403, f"no_team at {url}, token abcdefghijklmnopqrstuvwx".encode()))
    answer = TRANSPORTS["slack"](
        page_facts(),
        endpoint=Endpoint(kind="slack", url=url),
        at=NOON,
        timeout_seconds=5,
        allowed=LOOPBACK,
    )
    assert answer.body_head == "no_team at •••, token •••"
    assert receiver.requests[0].path.endswith("/abcdefghijklmnopqrstuvwx")
