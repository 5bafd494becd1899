"""Sending a run to somebody, what was kept aside, the sheet, and pictures of runbooks."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from xml.etree import ElementTree

import pytest
from django.urls import reverse

from fleet.noc.run_quarantine_board import aside_for, aside_of_run
from runbooks.library.services import publish_runbook
from runbooks.models import Run, RunQuarantine
from runbooks.runs.services import abandon_run
from runbooks.runs.tokens import find_claim, take_claim
from tests.factories import NOON, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.run_noc_world import worked_on
from tests.runbooks.run_world import Device, make_run
from tests.runbooks.world import runbook_text

pytestmark = pytest.mark.django_db

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def run() -> Run:
    """A run that nobody was sent to yet."""
    return make_run()


def address(name: str, *args: Any) -> str:
    return reverse(f"noc:{name}", args=args)


def page_of(path: str, user: Any) -> str:
    answer = signed_in(user).get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def dispatch(run: Run, **said: Any) -> Any:
    return signed_in(run.lead).post(address("run-dispatch", run.pk), said)


def code_on(page: str) -> str:
    found = re.search(r"/r/([^<\s]+)</code>", page)
    assert found is not None
    return unescape(found[1])


def test_a_run_is_sent_to_a_person(run: Run) -> None:
    hands = make_user("remote_hands", run.site, first_name="Ken", last_name="Mori")
    assert dispatch(run, act="send", to=hands.pk).status_code == 302
    dispatch(run, act="send", to=hands.pk)
    assert run.entries.filter(kind="dispatched").count() == 1
    assert "dispatched to <b>Ken Mori</b>" in page_of(address("run-dispatch", run.pk), run.lead)


def test_nobody_is_sent_who_may_not_work_there(run: Run) -> None:
    refused = dispatch(run, act="send", to=make_user("viewer").pk)
    assert refused.status_code == 422
    assert 'id="fault-to"' in refused.content.decode()


def test_a_code_is_shown_once_and_opens_the_run(run: Run) -> None:
    page = dispatch(run, act="code").content.decode()
    claim = find_claim(text=code_on(page))
    assert claim.run_id == run.pk
    assert claim.expires_at - NOW == timedelta(hours=72)
    assert "/r/" not in page_of(address("run-dispatch", run.pk), run.lead)


def test_the_code_is_a_drawing_without_a_style(run: Run) -> None:
    page = dispatch(run, act="code").content.decode()
    drawing = page[page.index("<svg", page.index("qrbox")) :]
    drawing = drawing[: drawing.index("</svg>") + 6]
    names = {key for element in ElementTree.fromstring(drawing).iter() for key in element.attrib}
    assert "style" not in names
    assert code_on(page) not in drawing


def test_a_code_is_taken_back(run: Run) -> None:
    text = code_on(dispatch(run, act="code").content.decode())
    claim = find_claim(text=text)
    assert dispatch(run, act="revoke", token=claim.pk).status_code == 302
    claim.refresh_from_db()
    assert claim.revoked_at == NOW
    assert dispatch(run, act="revoke", token=claim.pk).status_code == 409
    assert "taken back" in page_of(address("run-dispatch", run.pk), run.lead)


def test_a_taken_code_names_its_device(run: Run) -> None:
    text = code_on(dispatch(run, act="code").content.decode())
    take_claim(text=text, device_id="phone-of-ken", now=NOW)
    assert "tablet phone-of, taken" in page_of(address("run-dispatch", run.pk), run.lead)


def test_a_code_of_another_run_is_not_found(run: Run) -> None:
    other = Device(make_run()).token
    assert dispatch(run, act="revoke", token=other.pk).status_code == 404


def test_a_run_that_has_ended_goes_to_nobody(run: Run) -> None:
    abandon_run(run=run, by=run.lead, reason="Over", now=NOON)
    assert dispatch(run, act="code").status_code == 409
    assert "The run has ended." in page_of(address("run-dispatch", run.pk), run.lead)


def test_who_may_only_look_sends_nobody(run: Run) -> None:
    viewer = signed_in(make_user("viewer"))
    assert viewer.get(address("run-dispatch", run.pk)).status_code == 403
    stranger = signed_in(make_user("operator", make_site()))
    assert stranger.get(address("run-dispatch", run.pk)).status_code == 404


def keep_one_aside(run: Run, value: Any = 21.5) -> RunQuarantine:
    """Have an entry refused that can be taken in (wrong mac) or not (no number)."""
    device = Device(run)
    entry = device.done("inlet", value=value, unit="Cel") | {"mac": "0" * 64}
    device.send(entry)
    return RunQuarantine.objects.latest("pk")


def test_an_entry_that_was_kept_aside_is_taken_in_after_all(run: Run) -> None:
    row = keep_one_aside(run)
    page = page_of(address("run-quarantine"), run.lead)
    assert "1 entry waits for somebody" in page
    assert "entry_tampered" in page
    assert (
        "Step 2, Do inlet: step done, {&quot;unit&quot;: &quot;Cel&quot;, &quot;value&quot;: 21.5}"
        in page
    )
    assert "device clock 2030-01-01 12:00:00 UTC" in page
    answer = signed_in(run.lead).post(address("run-quarantine-settle", row.pk, "accept"))
    assert answer.status_code == 302
    assert run.entries.filter(input__value=21.5).exists()
    assert "Nothing is kept aside" in page_of(address("run-quarantine"), run.lead)


def test_the_runbook_of_what_is_kept_aside_is_read_once_a_run(run: Run) -> None:
    keep_one_aside(run)
    keep_one_aside(run)
    with counted_queries() as asked:
        assert len(aside_for(run.lead)) == len(aside_of_run(run, may_run=True)) == 2
    kept = [sql for sql in asked if 'FROM "runbooks_runquarantine"' in sql]
    assert [sql for sql in kept if '"document"' in sql] == []


def test_what_the_log_cannot_take_says_why_beside_it_and_is_set_aside(run: Run) -> None:
    row = keep_one_aside(run, value="hot")
    client = signed_in(run.lead)
    refused = client.post(address("run-quarantine-settle", row.pk, "accept"))
    assert refused.status_code == 409
    assert f'id="fault-aside-{row.pk}"' in refused.content.decode()
    assert client.post(address("run-quarantine-settle", row.pk, "set-aside")).status_code == 302
    again = client.post(address("run-quarantine-settle", row.pk, "set-aside"))
    assert again.status_code == 409


def test_an_entry_is_settled_on_the_page_of_its_run(run: Run) -> None:
    row = keep_one_aside(run)
    said = {"from": "watch"}
    path = address("run-quarantine-settle", row.pk, "accept")
    answer = signed_in(run.lead).post(path, said, headers=HTMX)
    assert answer.content.decode().startswith('<div id="run"')
    assert "21.5 °C" in answer.content.decode()


def test_who_may_only_look_settles_nothing(run: Run) -> None:
    row = keep_one_aside(run)
    path = address("run-quarantine-settle", row.pk, "accept")
    viewer = make_user("viewer")
    assert path not in page_of(address("run-quarantine"), viewer)
    assert signed_in(viewer).post(path).status_code == 403
    stranger = make_user("operator", make_site())
    assert signed_in(stranger).post(path).status_code == 404
    assert "Nothing is kept aside" in page_of(address("run-quarantine"), stranger)


def test_an_entry_of_no_run_is_read_by_who_sees_every_site() -> None:
    RunQuarantine.objects.create(received_at=NOON, code="odd", sentence="No run.", body="[]")
    page = page_of(address("run-quarantine"), make_user("engineer"))
    assert "It belongs to no run; it can only be read." in page
    assert "Take it in<" not in page
    local = make_user("engineer", make_site())
    assert "Nothing is kept aside" in page_of(address("run-quarantine"), local)


def test_the_sheet_tells_who_did_what_and_how_long_it_took(run: Run) -> None:
    worked_on(run)
    page = page_of(address("run-sheet", run.pk), make_user("viewer"))
    assert "times in site time (UTC+9)" in page
    assert "entered twice" in page
    assert "clock +240 s" in page


@pytest.mark.parametrize("form", ["json", "csv", "md"])
def test_the_sheet_is_a_file_for_others_programs(run: Run, form: str) -> None:
    worked_on(run)
    client = signed_in(make_user("viewer"))
    answer = client.get(address("run-export", run.pk, form))
    assert f'filename="R-{run.pk}.{form}"' in answer["Content-Disposition"]
    assert "inlet" in answer.content.decode()
    assert client.get(address("run-export", run.pk, "xls")).status_code == 404
    stranger = signed_in(make_user("operator", make_site()))
    assert stranger.get(address("run-export", run.pk, form)).status_code == 404


def test_the_exported_sheet_is_the_runs_own(run: Run) -> None:
    answer = signed_in(make_user("viewer")).get(address("run-export", run.pk, "json"))
    assert json.loads(answer.content)["run"] == run.pk


def test_a_runbook_shows_pictures_warnings_options_and_what_else_to_do() -> None:
    text = runbook_text("reboot").replace(
        "- type: confirm\n",
        "- type: choice\n- options: Left | Right\n- picture: gauge.svg | The gauge\n"
        "- warning: It bites.\n- otherwise: Call the owner.\n",
    )
    publish_runbook(source=text, by=None, now=NOON, media={"gauge.svg": GAUGE})
    page = page_of(address("runbook", "reboot"), make_user("viewer"))
    assert "<b>Warning.</b> It bites." in page
    assert "<b>Otherwise:</b> Call the owner." in page
    assert "<li>Left</li>" in page
    picture = re.search(r'<img src="([^"]+)" alt="The gauge"', page)
    assert picture is not None
    answer = signed_in(make_user("viewer")).get(picture[1])
    assert answer.content == GAUGE
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer["Cache-Control"]


def test_a_picture_that_does_not_exist_is_not_found() -> None:
    assert signed_in(make_user("viewer")).get("/runbooks/media/abc").status_code == 404
