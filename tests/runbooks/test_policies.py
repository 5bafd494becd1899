"""Policies: what a new edition may say, and when it is a new one."""

from __future__ import annotations

from typing import Any

import pytest

from runbooks.escalation.plan import PlanError
from runbooks.escalation.policies import publish_policy
from runbooks.models import EscalationPolicy, EscalationPolicyVersion
from runbooks.oncall.services import create_group
from tests.factories import NOON, make_contact
from tests.runbooks.oncall_world import make_schedule
from tests.runbooks.world import word

pytestmark = pytest.mark.django_db


def publish(*notify: str, **overrides: Any) -> EscalationPolicyVersion:
    fields: dict[str, Any] = {
        "slug": "europe",
        "name": "Europe",
        "steps": [{"notify": list(notify) or ["site_owner"], "delay_seconds": 300}],
        "repeat": 1,
        "by": None,
        "now": NOON,
    }
    return publish_policy(**(fields | overrides))


def test_everything_that_is_there_can_be_named() -> None:
    contact = make_contact()
    make_schedule(slug="asia")
    create_group(slug="power", name="Power", owners=[contact.owner], by=None, now=NOON)
    words = [word(contact.owner), f"contact:{contact.pk}", "schedule:asia", "group:power"]
    assert publish(*words, "role:engineer").steps[0]["notify"] == [*words, "role:engineer"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("owner:999999", "unknown_owner"),
        ("contact:999999", "unknown_contact"),
        ("schedule:gone", "unknown_schedule"),
        ("group:gone", "unknown_group"),
        ("policy:europe", "bad_notify"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_kept(name: str, code: str) -> None:
    with pytest.raises(PlanError) as refusal:
        publish("site_owner", name)
    assert refusal.value.code == code
    assert name in refusal.value.sentence
    assert not EscalationPolicy.objects.exists()


def test_naming_somebody_twice_in_a_step_is_refused() -> None:
    with pytest.raises(PlanError) as refusal:
        publish("site_owner", "site_owner")
    assert refusal.value.code == "named_twice"


def test_leaving_a_severity_without_a_step_is_refused() -> None:
    step = {"notify": ["site_owner"], "delay_seconds": 300, "severities": ["urgent", "high"]}
    with pytest.raises(PlanError, match="No step pages low alerts") as refusal:
        publish(steps=[step])
    assert refusal.value.code == "severity_left_out"


def test_another_end_of_acknowledgements_is_another_edition() -> None:
    first = publish()
    second = publish(acknowledgement_seconds=1800)
    assert (first.acknowledgement_seconds, second.acknowledgement_seconds) == (None, 1800)
    assert (second.number, publish(acknowledgement_seconds=1800)) == (2, second)


@pytest.mark.parametrize("seconds", [-1, 0, 59, 4 * 86_400 + 1])
def test_an_acknowledgement_that_ends_at_once_or_never_comes_back_is_refused(
    seconds: int,
) -> None:
    with pytest.raises(PlanError) as refusal:
        publish(acknowledgement_seconds=seconds)
    assert refusal.value.code == "bad_acknowledgement"
