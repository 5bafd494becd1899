"""The alert page while its runbook is followed: start, dispatch, progress, marks, the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.noc.alert_board import alert_board
from runbooks.alerts.selectors import alert_for
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, Run, RunEntry
from runbooks.runs.services import finish_run
from tests.factories import NOON, make_site, make_user
from tests.noc.detail_world import (
    HTMX,
    NOW,
    counted_queries,
    figure_in,
    hot_alert,
    signed_in,
    stop_clock,
)
from tests.noc.run_noc_world import run_of_alert, say
from tests.runbooks.run_world import STEPS, make_edition

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def alert() -> Alert:
    """An alert of a hot inlet that nobody has yet."""
    return hot_alert()


def page_of(alert: Alert, user: Any = None) -> str:
    client = signed_in(user or make_user("operator"))
    return " ".join(client.get(reverse("noc:alert", args=[alert.pk])).content.decode().split())


def start(alert: Alert, user: Any, **said: Any) -> Any:
    return signed_in(user).post(reverse("noc:alert-run", args=[alert.pk]), said)


def test_the_dark_button_is_acknowledge_until_somebody_has_it(alert: Alert) -> None:
    user = make_user("operator")
    page = page_of(alert, user)
    assert '<button class="btn">Run this runbook' in page
    assert page.count("btn main") == 1
    acknowledge_alert(alert=alert, by=user, now=NOW)
    page = page_of(alert, user)
    assert '<button class="btn main">Run this runbook' in page
    assert page.count("btn main") == 1


def test_a_start_pins_the_alerts_edition_and_shows_the_run(alert: Alert) -> None:
    user = make_user("operator", first_name="Mei", last_name="Tanaka")
    answer = start(alert, user)
    assert answer["Location"] == reverse("noc:alert", args=[alert.pk])
    run = Run.objects.get(alert=alert)
    assert run.runbook_version == alert.runbook_version
    page = page_of(alert, user)
    assert "Run this runbook" not in page
    assert "Mei Tanaka leads it" in page
    assert f'href="/runs/{run.pk}/"' in page
    assert reverse("noc:run-watch", args=[run.pk]) in page


def test_a_second_press_leads_to_the_run_under_way(alert: Alert) -> None:
    user = make_user("operator")
    start(alert, user)
    start(alert, user)
    assert Run.objects.filter(alert=alert).count() == 1


def test_the_run_is_dispatched_to_somebody_who_may(alert: Alert) -> None:
    hands = make_user("remote_hands", alert.site, first_name="Ken", last_name="Mori")
    assert "Ken Mori" in page_of(alert)
    start(alert, make_user("operator"), to=hands.pk)
    run = Run.objects.get(alert=alert)
    assert run.assigned_to == hands
    assert "Ken Mori was sent" in page_of(alert)


def test_nobody_is_sent_who_may_not_work_there(alert: Alert) -> None:
    stranger = make_user("operator", make_site())
    refused = start(alert, make_user("operator"), to=stranger.pk)
    assert refused.status_code == 422
    assert "Choose somebody who may follow runbooks" in refused.content.decode()
    assert not Run.objects.exists()


def test_anybody_is_sent_by_a_code(alert: Alert) -> None:
    answer = start(alert, make_user("operator"), to="anybody")
    run = Run.objects.get(alert=alert)
    assert answer["Location"] == reverse("noc:run-dispatch", args=[run.pk])


def test_remote_hands_may_run_without_the_right_to_respond(alert: Alert) -> None:
    hands = make_user("remote_hands", alert.site)
    page = page_of(alert, hands)
    assert "Run this runbook" in page
    assert "You may look, not act" in page
    assert start(alert, hands).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_who_may_not_follow_runbooks_starts_none(alert: Alert, role: str) -> None:
    user = make_user(role, alert.site)
    assert "Run this runbook" not in page_of(alert, user)
    assert start(alert, user).status_code == 403
    assert start(alert, make_user("operator", make_site())).status_code == 404


def test_the_page_tells_how_far_the_run_is_and_what_was_last_entered(alert: Alert) -> None:
    run = run_of_alert(alert)
    say(run, run.lead, "look", now=NOON + 2 * minute)
    page = page_of(alert)
    assert "Step 2 of 6, <b>Do inlet</b>" in page
    assert "step done, <time" in page
    assert "1 of 6" in page


def test_a_step_that_is_done_is_a_mark_on_the_proof(alert: Alert) -> None:
    run = run_of_alert(alert)
    say(run, run.lead, "look", now=NOON - 60 * minute)
    say(run, run.lead, "inlet", now=NOON - 59 * minute, value=21, unit="Cel")
    layout = figure_in(page_of(alert), "proof-chart-data")["layout"]
    words = [note["text"] for note in layout["annotations"]]
    assert "steps 1 to 2 done 20:01" in words
    assert "fired 21:00" in words


def test_words_of_a_step_never_lie_on_the_moment_it_fired(alert: Alert) -> None:
    run = run_of_alert(alert)
    say(run, run.lead, "look", now=NOON + minute)
    layout = figure_in(page_of(alert), "proof-chart-data")["layout"]
    assert [note["text"] for note in layout["annotations"]][1:] == ["fired 21:00"]
    lines = [shape for shape in layout["shapes"] if shape.get("yref") == "paper"]
    assert len(lines) == 2


def test_a_taken_back_step_is_no_mark(alert: Alert) -> None:
    run = run_of_alert(alert)
    entry = say(run, run.lead, "look", now=NOON - 60 * minute)
    RunEntry.objects.create(
        run=run,
        kind=RunEntry.Kind.TAKEN_BACK,
        runbook_version=run.runbook_version,
        channel=RunEntry.Channel.BROWSER,
        actor=run.lead,
        received_at=NOON,
        input={"entry": str(entry.pk)},
    )
    layout = figure_in(page_of(alert), "proof-chart-data")["layout"]
    assert not any("step" in note["text"] for note in layout["annotations"])


def test_the_run_is_moved_to_a_newer_edition_only_after_asking(alert: Alert) -> None:
    run = run_of_alert(alert)
    newer = make_edition(*STEPS, runbook=run.runbook_version.runbook)
    page = page_of(alert, run.lead)
    assert f"R-{run.pk} keeps v1 until somebody moves it." in page
    assert f"Move R-{run.pk} to v2" in page
    address = reverse("noc:alert-run-move", args=[alert.pk])
    said = {"run": run.pk, "version": newer.number}
    assert signed_in(make_user("viewer")).post(address, said).status_code == 403
    assert signed_in(run.lead).post(address, said).status_code == 302
    run.refresh_from_db()
    alert.refresh_from_db()
    assert (run.runbook_version, alert.runbook_version.number) == (newer, 1)
    stale = signed_in(run.lead).post(address, said)
    assert stale.status_code == 409
    assert "is no newer edition" in stale.content.decode()


def test_closing_with_steps_left_names_them_beside_the_form(alert: Alert) -> None:
    run = run_of_alert(alert)
    Alert.objects.filter(pk=alert.pk).update(condition="cleared", cleared_at=NOON + minute)
    close = reverse("noc:alert-close", args=[alert.pk])
    refused = signed_in(run.lead).post(close, {"reason": ""}, headers=HTMX)
    assert refused.status_code == 422
    said = refused.content.decode()
    form = said[said.index('id="closing"') : said.index("Close the alert</button>")]
    assert " open>" in form
    assert 'aria-invalid="true"' in form
    assert 'id="fault-close"' in form
    assert f"step 1 &quot;Look at {alert.site.name}&quot;" in form
    closed = signed_in(run.lead).post(close, {"reason": "Done by hand"}, headers=HTMX)
    assert closed.status_code == 200


def test_a_run_that_has_ended_stays_on_the_page(alert: Alert) -> None:
    run = run_of_alert(alert)
    say(run, run.lead, "look")
    say(run, run.lead, "inlet", value=21, unit="Cel")
    finish_run(run=run, by=run.lead, now=NOON + minute)
    page = page_of(alert)
    assert f"R-{run.pk}</a> done" in page
    assert "Run this runbook" in page


def test_the_board_asks_the_same_few_questions_for_a_run_of_any_length(alert: Alert) -> None:
    run = run_of_alert(alert)
    say(run, run.lead, "look")
    with counted_queries() as few:
        alert_board(user=run.lead, alert=alert_for(run.lead, alert.pk), now=NOW)
    for number in range(8):
        say(run, run.lead, "inlet", value=20 + number, unit="Cel")
    with counted_queries() as many:
        alert_board(user=run.lead, alert=alert_for(run.lead, alert.pk), now=NOW)
    assert len(many) == len(few) <= 40
