"""The page about on-call: its example is a policy, and it names every word and code there is."""

from __future__ import annotations

import ast
import json
import re

import pytest

from fleet.models import Membership
from runbooks.escalation.policies import publish_policy
from runbooks.oncall.services import create_group
from tests.architecture.tree import ROOT
from tests.factories import NOON, make_owner
from tests.runbooks.oncall_world import make_schedule

PAGE = (ROOT / "docs/on-call.md").read_text()
ERRORS = {"PlanError", "OnCallError", "Lack"}
ROOMS = ("runbooks/oncall", "runbooks/escalation")


def codes_in_the_product() -> set[str]:
    """Return every code that is written out in a raise of these rooms."""
    calls = [
        node
        for room in ROOMS
        for path in (ROOT / room).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in ERRORS and call.args
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }


@pytest.mark.django_db
def test_the_policy_on_the_page_can_be_published() -> None:
    make_schedule(slug="europe")
    create_group(slug="power-crew", name="Power", owners=[make_owner()], by=None, now=NOON)
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    version = publish_policy(
        slug="example", name="Example", steps=json.loads(example), repeat=1, by=None, now=NOON
    )
    assert len(version.steps) == 3


def test_every_code_is_explained() -> None:
    codes = codes_in_the_product()
    assert {"ends_first", "bad_hours", "schedule_gap"} <= codes
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_every_role_is_named() -> None:
    assert [role for role in Membership.Role.values if f"`{role}`" not in PAGE] == []
