"""The steps of a run beside its alert: what was entered, and the current one to enter."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from fleet.models import Site
from runbooks.library.document import RunbookStep, StepOption
from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.errors import RunError
from runbooks.runs.services import enter, pause_run, start_run_for_alert
from tests.factories import NOON, make_site, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import make_edition, newest_entry
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    make_library()
    return make_site(name="Osaka-3")


@pytest.fixture
def operator(client: Client, site: Site) -> Any:
    user = make_user("operator", site, first_name="Aiko", last_name="Sato")
    client.force_login(user)
    return user


def followed(site: Site, by: Any, *steps: RunbookStep) -> tuple[Alert, Run]:
    """An alert whose runbook has these steps, and the run that somebody began for it."""
    alert = make_alert(site=site)
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_edition(*steps))
    alert.refresh_from_db()
    return alert, start_run_for_alert(alert=alert, by=by, now=NOON)


def page_of(client: Client, alert: Alert) -> str:
    page = client.get(reverse("noc:alert", args=[alert.pk])).content.decode()
    begin = page.index('id="followed"')
    return page[begin : page.index("</section>", begin)]


def press(client: Client, alert: Alert, run: Run, step: str, **said: str) -> HttpResponse:
    body = {"run": run.pk, "step": step} | said
    return client.post(reverse("noc:alert-run-step", args=[alert.pk]), body)  # type: ignore[return-value]


def test_the_page_shows_what_was_entered_and_opens_the_current_step(
    client: Client, operator: Any, site: Site
) -> None:
    steps = (
        make_step("inlet", "reading", title="Read the inlet", unit="Cel", maximum=27.0),
        make_step("door", title="Close the door", body="Left aisle.", who="on-site"),
        make_step("look", title="Look again"),
    )
    alert, run = followed(site, operator, *steps)
    said = {"value": 21.5, "unit": "Cel"}
    kind = RunEntry.Kind.STEP_DONE
    enter(run=run, kind=kind, by=operator, now=NOON, step_id="inlet", said=said)
    page = page_of(client, alert)
    first, second, third = page.split('<li id="followed-')[1:]
    assert "21.5 °C" in first
    assert "Aiko Sato" in first
    assert 'aria-current="step"' in second
    assert "Left aisle." in second
    assert "on site" in second
    assert "<form" not in first + third


ENTERED = [
    (make_step("s"), {"answer": "done"}, {}),
    (make_step("s", "confirm"), {"answer": "done"}, {}),
    (make_step("s", "check"), {"answer": "expected"}, {"is_as_expected": True}),
    (make_step("s", "check"), {"answer": "otherwise"}, {"is_as_expected": False}),
    (
        make_step("s", "reading", unit="Cel", maximum=27.0),
        {"answer": "done", "value": "21,5"},
        {"value": 21.5, "unit": "Cel"},
    ),
    (
        make_step("s", "choice", options=(StepOption("Even", ""), StepOption("Still", ""))),
        {"answer": "done", "choice": "Still"},
        {"choice": "Still"},
    ),
    (make_step("s", "escalate"), {"answer": "done", "said_to": "Mei"}, {"said_to": "Mei"}),
    (make_step("s", "scan"), {"answer": "done", "code": "HW-3"}, {"code": "HW-3"}),
]


@pytest.mark.parametrize(("step", "form", "kept"), ENTERED, ids=lambda one: str(one)[:40])
def test_each_kind_of_step_is_entered_as_its_log_keeps_it(
    client: Client,
    operator: Any,
    site: Site,
    step: RunbookStep,
    form: dict[str, str],
    kept: dict[str, Any],
) -> None:
    alert, run = followed(site, operator, step, make_step("next"))
    assert press(client, alert, run, "s", **form).status_code == 302
    entry = newest_entry(run)
    assert (entry.kind, entry.step_id, entry.actor) == ("step_done", "s", operator)
    assert {name: entry.input[name] for name in kept} == kept


ASKED = [
    (make_step("s", "approval", approver="engineer"), "ask-approval", "approval_asked"),
    (
        make_step("s", "verify", metric="hw.temperature", unit="Cel", maximum=35.0),
        "verify",
        "verify_asked",
    ),
    (make_step("s", "wait", wait_seconds=600), "timer", "timer_started"),
]


@pytest.mark.parametrize(("step", "answer", "kind"), ASKED, ids=["approval", "verify", "wait"])
def test_what_has_to_be_waited_for_is_asked_for(
    client: Client, operator: Any, site: Site, step: RunbookStep, answer: str, kind: str
) -> None:
    alert, run = followed(site, operator, step)
    press(client, alert, run, "s", answer=answer)
    assert newest_entry(run).kind == kind
    page = page_of(client, alert)
    assert '<form class="entering"' not in page


def test_cannot_do_needs_a_reason_and_says_what_to_do_instead(
    client: Client, operator: Any, site: Site
) -> None:
    step = make_step("s", otherwise="Stay out.")
    alert, run = followed(site, operator, step, make_step("next"))
    refused = press(client, alert, run, "s", answer="cannot", reason=" ")
    assert refused.status_code == 422
    assert "Say in a few words why the step is not done." in refused.content.decode()
    press(client, alert, run, "s", answer="cannot", reason="Smoke.")
    page = page_of(client, alert)
    assert "Smoke." in page
    assert "Stay out." in page


def test_a_number_that_could_be_two_is_asked_about(
    client: Client, operator: Any, site: Site
) -> None:
    step = make_step("s", "reading", unit="{rpm}", maximum=3000.0)
    alert, run = followed(site, operator, step)
    answer = press(client, alert, run, "s", answer="done", value="2,000")
    assert answer.status_code == 422
    assert "Is it 2000 or 2.000? Write it without a comma." in answer.content.decode()
    assert run.entries.count() == 1


def test_a_step_that_was_entered_meanwhile_is_not_entered_again(
    client: Client, operator: Any, site: Site
) -> None:
    alert, run = followed(site, operator, make_step("s"), make_step("next"))
    press(client, alert, run, "s", answer="done")
    second = press(client, alert, run, "s", answer="done")
    assert second.status_code == 409
    assert "That step was entered meanwhile." in second.content.decode()
    assert run.entries.filter(step_id="s").count() == 1


def test_a_paused_run_offers_no_step(client: Client, operator: Any, site: Site) -> None:
    alert, run = followed(site, operator, make_step("s"))
    pause_run(run=run, by=operator, reason="Lunch.", now=NOON)
    page = page_of(client, alert)
    assert "The run is paused: Lunch." in page
    assert '<form class="entering"' not in page


def test_who_may_only_look_sees_the_steps_and_enters_none(
    client: Client, operator: Any, site: Site
) -> None:
    alert, run = followed(site, operator, make_step("s"))
    client.force_login(make_user("viewer", site))
    assert '<form class="entering"' not in page_of(client, alert)
    assert press(client, alert, run, "s", answer="done").status_code == 403
    client.force_login(make_user("operator", make_site()))
    assert press(client, alert, run, "s", answer="done").status_code == 404
    assert run.entries.count() == 1


def test_a_run_of_somewhere_else_is_not_reached_through_an_alert(
    client: Client, operator: Any, site: Site
) -> None:
    alert, _ = followed(site, operator, make_step("s"))
    elsewhere = make_site()
    _, hidden = followed(elsewhere, make_user("operator", elsewhere), make_step("s"))
    assert press(client, alert, hidden, "s", answer="done").status_code == 404
    assert hidden.entries.count() == 1


def test_what_cannot_be_undone_is_not_entered_before_what_it_waits_for(
    client: Client, operator: Any, site: Site
) -> None:
    steps = (
        make_step("allow", "approval", title="Ask whether the node may stop"),
        make_step("stop", title="Stop the node", is_destructive=True),
    )
    alert, run = followed(site, operator, *steps)
    skipped = RunEntry.Kind.STEP_SKIPPED
    said = {"reason": "Nobody answers."}
    enter(run=run, kind=skipped, by=operator, now=NOON, step_id="allow", said=said)
    page = page_of(client, alert)
    assert "waits for the answer of step 1" in page
    refused = press(client, alert, run, "stop", answer="done")
    assert refused.status_code == 409
    assert (
        "Step 2 &quot;Stop the node&quot; cannot be undone and waits for step 1 &quot;Ask whether "
        "the node may stop&quot;. Have that answered first, or say why it is done without."
    ) in refused.content.decode()
    assert not run.entries.filter(step_id="stop").exists()
    assert press(client, alert, run, "stop", answer="cannot", reason="No.").status_code == 302
    # What was left is barred as before, if it is to be done after all.
    with pytest.raises(RunError, match="waits for step 1"):
        enter(run=run, kind=RunEntry.Kind.STEP_DONE, by=operator, now=NOON, step_id="stop")


def test_what_cannot_wait_is_done_without_the_answer_and_says_why(
    client: Client, operator: Any, site: Site
) -> None:
    steps = (
        make_step("allow", "approval", title="Ask whether the node may stop"),
        make_step("level", "reading", title="Drain it to", unit="Pa", is_destructive=True),
    )
    alert, run = followed(site, operator, *steps)
    said = {"reason": "Nobody answers."}
    kind = RunEntry.Kind.STEP_CANNOT
    enter(run=run, kind=kind, by=operator, now=NOON, step_id="allow", said=said)
    assert "Do it without, say why" in page_of(client, alert)
    why = {"without": "Mei Ito said yes by telephone."}
    assert press(client, alert, run, "level", answer="done", value="20", **why).status_code == 302
    entry = newest_entry(run)
    assert entry.input == {"value": 20, "unit": "Pa", "reason": "Mei Ito said yes by telephone."}
    page = page_of(client, alert)
    assert "Done without the answer of step 1, which is still missing." in page


@pytest.mark.parametrize(("kind", "ask"), [("verify", "verify"), ("wait", "timer")])
def test_nothing_is_begun_at_what_cannot_be_undone_before_it_may(
    client: Client, operator: Any, site: Site, kind: str, ask: str
) -> None:
    begun = make_step(
        "begin", kind, is_destructive=True, metric="hw.temperature", unit="Cel", wait_seconds=60
    )
    alert, run = followed(site, operator, make_step("allow", "approval"), begun)
    said = {"reason": "Nobody answers."}
    skipped = RunEntry.Kind.STEP_SKIPPED
    enter(run=run, kind=skipped, by=operator, now=NOON, step_id="allow", said=said)
    assert press(client, alert, run, "begin", answer=ask).status_code == 409
    assert press(client, alert, run, "begin", answer=ask, without="It burns.").status_code == 302
    assert newest_entry(run).input["reason"] == "It burns."


def test_a_branch_that_was_left_is_answered_here(client: Client, operator: Any, site: Site) -> None:
    ways = (StepOption("Smoke", "end"), StepOption("None", ""))
    steps = (
        make_step("gate", "branch", title="Look for smoke", options=ways),
        make_step("door", title="Go in"),
    )
    alert, run = followed(site, operator, *steps)
    assert press(client, alert, run, "gate", answer="cannot", reason="Dark.").status_code == 302
    page = page_of(client, alert)
    assert "Nobody knows yet which way to go on: the run waits here." in page
    assert 'value="Smoke"' in page
    assert press(client, alert, run, "gate", answer="done", choice="None").status_code == 302
    second = page_of(client, alert).split('<li id="followed-')[2]
    assert 'aria-current="step"' in second
