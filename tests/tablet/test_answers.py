"""Approvals on a tablet: answered by who is logged in and may, never by who asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from fleet.models import Membership, Site
from runbooks.models import Run, RunEntry
from runbooks.runs.services import abandon_run, enter
from tests.factories import NOON, make_site, make_user
from tests.runbooks.run_world import make_run

pytestmark = pytest.mark.django_db

Role = Membership.Role
Kind = RunEntry.Kind
APPROVED = {"step": "allow", "answer": "approved"}


@pytest.fixture
def site() -> Site:
    return make_site(name="Osaka-3", slug="osaka-3")


@pytest.fixture
def asker(site: Site) -> Any:
    return make_user(Role.ENGINEER, site)


@pytest.fixture
def run(site: Site, asker: Any) -> Run:
    """A run whose approval by an engineer was asked for."""
    run = make_run(site=site)
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=asker, now=NOON, step_id="allow")
    return run


def of(user: Any, *, strict: bool = False) -> Client:
    client = Client(enforce_csrf_checks=strict)
    client.force_login(user)
    return client


def asks(client: Client, run: Run, step: str = "allow") -> Any:
    return client.get(f"/runs/{run.pk}/answers/", {"step": step})


def answers(client: Client, run: Run, said: Any = APPROVED) -> Any:
    return client.post(f"/runs/{run.pk}/answers/", said, content_type="application/json")


def test_another_engineer_may_answer_and_is_in_the_log(run: Run, site: Site) -> None:
    engineer = make_user(Role.ENGINEER, site)
    client = of(engineer)
    assert asks(client, run).json() == {"may": True, "message": ""}
    assert answers(client, run).status_code == 201
    entry = run.entries.get(kind=Kind.APPROVED)
    assert (entry.actor, entry.channel, entry.step_id) == (engineer, "tablet", "allow")
    assert asks(client, run).json()["may"] is False


def test_a_refusal_says_why(run: Run, site: Site) -> None:
    said = {"step": "allow", "answer": "refused", "reason": " Backup runs. "}
    assert answers(of(make_user(Role.ENGINEER, site)), run, said).status_code == 201
    assert run.entries.get(kind=Kind.REFUSED).input == {"reason": "Backup runs."}


@pytest.mark.parametrize("said", [{}, {"reason": ""}, {"reason": " \n"}])
def test_a_refusal_that_does_not_say_why_is_not_taken(run: Run, site: Site, said: Any) -> None:
    refusal = {"step": "allow", "answer": "refused"} | said
    answer = answers(of(make_user(Role.ENGINEER, site)), run, refusal)
    assert (answer.status_code, answer.json()["code"]) == (422, "reason_missing")
    assert answer.json()["message"] == "Say in a few words why the approval is refused."
    assert not run.entries.filter(kind=Kind.REFUSED).exists()


def test_who_asked_is_told_that_somebody_else_answers(run: Run, asker: Any) -> None:
    client = of(asker)
    said = asks(client, run).json()
    assert said["may"] is False
    assert "somebody else than who asks" in said["message"]
    answer = answers(client, run)
    assert (answer.status_code, answer.json()["code"]) == (409, "second_person_needed")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REMOTE_HANDS, Role.OPERATOR])
def test_who_has_not_the_standing_is_told_who_can(run: Run, site: Site, role: str) -> None:
    client = of(make_user(role, site))
    assert asks(client, run).json()["message"] == (
        "Step 3 is approved by an engineer of Osaka-3; ask one."
    )
    assert answers(client, run).json()["code"] == "not_an_approver"
    assert not run.entries.filter(kind=Kind.APPROVED).exists()


def test_a_run_that_has_ended_takes_no_answer(run: Run, site: Site) -> None:
    abandon_run(run=run, by=run.lead, reason="Sold.", now=NOON)
    client = of(make_user(Role.ENGINEER, site))
    assert "has ended" in asks(client, run).json()["message"]
    assert answers(client, run).json()["code"] == "run_ended"


@pytest.mark.parametrize(
    "said",
    [{}, {"step": "allow"}, APPROVED | {"answer": "done"}, APPROVED | {"step": 3}],
)
def test_what_is_no_answer_is_refused(run: Run, site: Site, said: Any) -> None:
    answer = answers(of(make_user(Role.ENGINEER, site)), run, said)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_answer")


@pytest.mark.parametrize("step", ["look", "nowhere", "", "\0"])
def test_only_a_step_that_is_approved_is_asked_about(run: Run, site: Site, step: str) -> None:
    said = asks(of(make_user(Role.ENGINEER, site)), run, step).json()
    assert said == {"may": False, "message": "This is no step that is approved."}


def test_nobody_and_strangers_learn_nothing(run: Run) -> None:
    assert asks(Client(), run).status_code == 401
    assert asks(of(make_user(Role.ENGINEER, make_site())), run).status_code == 404


def test_another_sites_form_cannot_answer(run: Run, site: Site) -> None:
    client = of(make_user(Role.ENGINEER, site), strict=True)
    assert answers(client, run).status_code == 403
