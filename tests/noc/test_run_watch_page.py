"""The page of a run as it happens: what stands first, who may decide what, what is told beside."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Membership
from fleet.noc.run_watch_board import watch_board
from runbooks.library.services import publish_builtin_library
from runbooks.models import Run, RunEntry
from runbooks.runs.selectors import run_for
from runbooks.runs.services import abandon_run, enter, start_run_for_alert
from tests.factories import NOON, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.run_noc_world import PHOTO, dispute, say, worked_on
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import STEPS, Device, make_edition, make_run
from tests.runbooks.world import make_alert

pytestmark = pytest.mark.django_db

Kind = RunEntry.Kind
minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def run() -> Run:
    """A run led by Aiko Sato."""
    site = make_site()
    lead = make_user("operator", site, first_name="Aiko", last_name="Sato")
    return make_run(site=site, by=lead)


def page_of(run: Run, user: Any = None, **headers: str) -> str:
    client = signed_in(user or make_user("viewer"))
    answer = client.get(reverse("noc:run-watch", args=[run.pk]), headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def act(run: Run, act: str, user: Any = None, **said: Any) -> Any:
    address = reverse("noc:run-act", args=[run.pk, act])
    return signed_in(user or run.lead).post(address, said, headers=HTMX)


def heading(page: str) -> str:
    return page[page.index("<h1") : page.index("</h1>")]


def step_of(page: str, number: int) -> str:
    start = page.index(f'id="run-step-{number}"')
    end = page.find('id="run-step-', start + 1)
    return page[start : end if end > 0 else page.index('id="log-title"')]


def test_the_page_opens_with_who_does_what(run: Run) -> None:
    assert f"Aiko Sato is at step 1 of 6, Look at {run.site.name}" in heading(page_of(run))


def test_the_page_opens_with_what_is_waited_for(run: Run) -> None:
    worked_on(run)
    page = page_of(run)
    assert "Waits for an approval by an engineer at step 3 of 6, Do allow" in heading(page)


def test_an_alert_that_nobody_has_is_acknowledged_from_its_run() -> None:
    publish_builtin_library(now=NOON)
    alert = make_alert()
    operator = make_user("operator", alert.site)
    run = start_run_for_alert(alert=alert, by=operator, now=NOON)
    assert f"Acknowledge A-{alert.pk}" in page_of(run, operator)
    assert "Acknowledge A-" not in page_of(run, make_user("remote_hands", alert.site))
    signed_in(operator).post(reverse("noc:alert-acknowledge", args=[alert.pk]))
    assert "Acknowledge A-" not in page_of(run, operator)


def test_two_answers_stand_side_by_side_and_only_the_lead_chooses(run: Run) -> None:
    dispute(run)
    told = step_of(page_of(run), 2)
    assert "21.5 °C" in told
    assert "30.25 °C" in told
    assert "two answers" in told
    assert "Aiko Sato says which one counts." in told
    assert "This one counts" not in told
    assert step_of(page_of(run, run.lead), 2).count("This one counts") == 2


def test_the_leads_choice_counts_and_the_other_answer_stays(run: Run) -> None:
    dispute(run)
    entry = run.entries.get(input__value=30.25)
    answer = act(run, "choose", step="inlet", entry=entry.pk)
    assert answer.status_code == 200
    told = step_of(" ".join(answer.content.decode().split()), 2)
    assert "Outside the bounds of 10 to 27 °C." in told
    assert "21.5 °C" in told
    assert "This one counts<span" in told


def test_nobody_but_the_lead_chooses(run: Run) -> None:
    dispute(run)
    entry = run.entries.get(input__value=30.25)
    other = make_user("operator", run.site)
    answer = act(run, "choose", other, step="inlet", entry=entry.pk)
    assert answer.status_code == 409
    assert "The lead of R-" in step_of(answer.content.decode(), 2)


def test_a_photo_is_shown_when_it_is_there_and_told_when_it_is_not(run: Run) -> None:
    worked_on(run)
    address = reverse("noc:run-photo", args=[run.pk, PHOTO])
    assert f'<img src="{address}"' in page_of(run)
    device = Device(run)
    device.send(device.entry("step_done", "picture", evidence=["ab" * 32]))
    assert "photo still on the tablet" in page_of(run)


def test_a_photo_can_do_nothing_but_be_looked_at(run: Run) -> None:
    worked_on(run)
    address = reverse("noc:run-photo", args=[run.pk, PHOTO])
    answer = signed_in(make_user("viewer")).get(address)
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "immutable" in answer["Cache-Control"]
    stranger = signed_in(make_user("operator", make_site()))
    assert stranger.get(address).status_code == 404


def test_a_clock_that_is_more_than_two_minutes_off_is_told(run: Run) -> None:
    device = Device(run, ahead=timedelta(seconds=110))
    device.send(device.done("look"))
    assert "ahead" not in page_of(run)
    worked_on(run)
    assert "clock 4 min ahead" in page_of(run)


def test_an_abandoned_run_says_why_and_takes_nothing_more(run: Run) -> None:
    assert run.lead is not None
    abandon_run(run=run, by=run.lead, reason="Another crew came", now=NOON + minute)
    page = page_of(run, run.lead)
    assert "Abandoned: Another crew came" in heading(page)
    assert "Do the steps" not in page
    assert act(run, "pause", reason="x").status_code == 409


def test_what_came_after_the_end_is_counted_and_marked(run: Run) -> None:
    device = Device(run)
    assert run.lead is not None
    abandon_run(run=run, by=run.lead, reason="Another crew came", now=NOON + minute)
    device.send(device.done("look"), now=NOON + 2 * minute)
    page = page_of(run)
    assert "1 entry came after its end." in page
    assert '<b class="mark">after the end</b>' in page


def test_device_and_server_time_stand_in_the_sites_zone(run: Run) -> None:
    device = Device(run)
    device.send(device.done("look", at=NOON), now=NOON + 9 * minute)
    page = page_of(run)
    assert ">21:00:00</time>, server" in page
    assert ">21:09:00</time>" in page
    assert "site time (UTC+9)" in page
    assert "sent later" in page


def test_a_time_of_another_day_than_the_runs_first_says_its_day(run: Run) -> None:
    device = Device(run)
    late = NOON + 14 * 60 * minute
    device.send(device.done("look", at=NOON + 4 * 60 * minute), now=late)
    page = page_of(run)
    assert ">2 Jan, 01:00:00</time>, server" in page
    assert ">2 Jan, 11:00:00</time>" in page


def test_the_asker_never_answers_and_an_engineer_does(run: Run) -> None:
    asker = make_user("engineer", run.site)
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=asker, now=NOON, step_id="allow")
    own = step_of(page_of(run, asker), 3)
    assert "You asked for it, so somebody else answers: an engineer." in own
    assert "Approve" not in own
    assert "Approve" not in step_of(page_of(run, make_user("operator", run.site)), 3)
    engineer = make_user("engineer", run.site)
    assert "Approve" in step_of(page_of(run, engineer), 3)
    assert act(run, "approve", asker, step="allow").status_code == 409
    assert act(run, "approve", engineer, step="allow").status_code == 200
    assert run.entries.filter(kind=Kind.APPROVED, actor=engineer).exists()


def test_an_owner_without_the_right_to_run_answers_what_asks_for_an_owner() -> None:
    step = make_step("allow", "approval", approver="owner")
    run = make_run(step)
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=run.lead, now=NOON, step_id="allow")
    owner = make_user("owner", run.site)
    assert "Approve" in step_of(page_of(run, owner), 1)
    unsaid = act(run, "refuse", owner, step="allow", reason=" ")
    assert unsaid.status_code == 422
    assert "Say in a few words why the approval is refused." in unsaid.content.decode()
    refused = act(run, "refuse", owner, step="allow", reason="Not in the heat")
    assert refused.status_code == 200
    assert "refused: Not in the heat" in refused.content.decode()
    assert act(run, "pause", owner, reason="x").status_code == 403


def test_a_verification_is_asked_for_and_told(run: Run) -> None:
    answer = act(run, "verify", step="steady")
    assert answer.status_code == 200
    assert "being verified" in step_of(answer.content.decode(), 5)


def test_a_run_is_held_with_a_reason_and_goes_on(run: Run) -> None:
    refused = act(run, "pause", reason=" ")
    assert refused.status_code == 422
    assert 'id="fault-pause"' in refused.content.decode()
    answer = act(run, "pause", reason="Waiting for a spare")
    assert "Paused by Aiko Sato: Waiting for a spare" in heading(answer.content.decode())
    assert "Paused" not in heading(act(run, "resume").content.decode())


def test_a_run_is_handed_over_once(run: Run) -> None:
    mei = make_user("operator", run.site, first_name="Mei", last_name="Tanaka")
    first = run.lead_id
    answer = act(run, "hand-over", to=mei.pk, seen_lead=first, note="Inlet next")
    assert "Mei Tanaka leads it" in answer.content.decode()
    stale = act(run, "hand-over", to=first, seen_lead=first)
    assert stale.status_code == 409
    assert "Mei Tanaka leads R-" in stale.content.decode()


def test_a_run_goes_only_to_somebody_who_may_follow_runbooks_there(run: Run) -> None:
    stranger = make_user("operator", make_site())
    refused = act(run, "hand-over", to=stranger.pk, seen_lead=run.lead_id)
    assert refused.status_code == 422
    assert 'id="fault-hand-over"' in refused.content.decode()


def test_a_run_with_steps_left_is_not_done_and_they_are_named(run: Run) -> None:
    refused = act(run, "finish")
    assert refused.status_code == 409
    said = refused.content.decode()
    assert 'id="fault-finish"' in said
    assert "step 2 &quot;Do inlet&quot; must be done" in said


def test_a_run_ends_as_done(run: Run) -> None:
    say(run, run.lead, "look")
    say(run, run.lead, "inlet", value=21.0, unit="Cel")
    answer = act(run, "finish", note="All well")
    assert answer.status_code == 200
    assert "Done, led by Aiko Sato" in heading(answer.content.decode())


def test_a_note_that_is_sent_twice_is_kept_once(run: Run) -> None:
    act(run, "note", note="The fan hums")
    act(run, "note", note="The fan hums")
    assert run.entries.filter(kind=Kind.NOTED).count() == 1


def test_a_newer_edition_is_followed_only_when_somebody_says_so(run: Run) -> None:
    newer = make_edition(*STEPS, runbook=run.runbook_version.runbook)
    assert "A newer edition exists" in page_of(run)
    assert "Move R-" not in page_of(run)
    assert f"Move R-{run.pk} to v2" in page_of(run, run.lead)
    assert act(run, "move", version=newer.number).status_code == 200
    run.refresh_from_db()
    assert run.runbook_version == newer
    assert "moved the run from v1 to v2" in page_of(run)
    assert act(run, "move", version=newer.number).status_code == 409


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_who_may_only_look_finds_no_button(run: Run, role: str) -> None:
    user = make_user(role, run.site)
    page = page_of(run, user)
    assert "You may look, not act" in page
    assert reverse("noc:run-act", args=[run.pk, "pause"]) not in page
    assert act(run, "pause", user, reason="x").status_code == 403


def test_remote_hands_hold_a_run(run: Run) -> None:
    hands = make_user(Membership.Role.REMOTE_HANDS, run.site)
    assert act(run, "pause", hands, reason="Lunch").status_code == 200


def test_a_hidden_run_does_not_exist(run: Run) -> None:
    stranger = make_user("operator", make_site())
    assert act(run, "pause", stranger, reason="x").status_code == 404
    address = reverse("noc:run-watch", args=[run.pk])
    assert signed_in(stranger).get(address).status_code == 404


def test_an_act_that_does_not_exist_is_not_found(run: Run) -> None:
    assert act(run, "explode").status_code == 404


def test_the_changing_part_alone_is_fetched_where_the_page_asks(run: Run) -> None:
    page = page_of(run, **HTMX)
    assert page.startswith('<div id="run"')
    assert f"run-changed-{run.pk} from:body" in page


def test_the_board_asks_the_same_few_questions_for_a_log_of_any_length(run: Run) -> None:
    device = worked_on(run)
    seen = run_for(run.lead, run.pk)
    with counted_queries() as few:
        watch_board(user=run.lead, run=seen, now=NOW)
    for _ in range(8):
        device.send(device.done("inlet", value=20.0 + device.count, unit="Cel"))
    with counted_queries() as many:
        watch_board(user=run.lead, run=seen, now=NOW)
    assert len(many) == len(few) <= 16


def test_an_approval_that_was_left_is_asked_for_after_all(run: Run) -> None:
    said = {"reason": "Nobody answers."}
    enter(run=run, kind=Kind.STEP_SKIPPED, by=run.lead, now=NOON, step_id="allow", said=said)
    assert "Ask for approval" in step_of(page_of(run, run.lead), 3)
    act(run, "ask-approval", step="allow")
    engineer = make_user("engineer", run.site)
    assert "Approve" in step_of(page_of(run, engineer), 3)
    act(run, "approve", engineer, step="allow")
    assert "done" in step_of(page_of(run), 3)


def test_what_was_done_without_an_answer_says_so_until_it_is_given() -> None:
    allow = make_step("allow", "approval", approver="engineer")
    steps = (allow, make_step("stop", is_destructive=True))
    site = make_site()
    run = make_run(site=site, by=make_user("operator", site), version=make_edition(*steps))
    assert "Waits for the answer of step 1." in step_of(page_of(run), 2)
    device = Device(run)
    device.send(device.done("stop"))
    missing = "Done without the answer of step 1, which is still missing."
    assert missing in step_of(page_of(run), 2)
    enter(run=run, kind=Kind.APPROVAL_ASKED, by=run.lead, now=NOON, step_id="allow")
    engineer = make_user("engineer", site)
    enter(run=run, kind=Kind.APPROVED, by=engineer, now=NOON, step_id="allow")
    assert missing not in step_of(page_of(run), 2)
