"""The auditor in its own process: who is told when the pager fails, and who misses us."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from standardwebhooks.webhooks import Webhook

from runbooks.auditor.audit import go_round
from runbooks.auditor.deadman import DeadMan
from runbooks.auditor.meta import tell_of_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import BrokenPromise, EngineBeat, Escalation, Page
from runbooks.paging.promises import mend_all_but, report_broken
from tests.factories import NOON, make_contact, make_owner, secret_from
from tests.processes import ROOT, wait_until
from tests.receiver import Receiver, status
from tests.runbooks.watcher import Watcher
from tests.runbooks.world import make_alert, make_library, make_pager, seconds

pytestmark = pytest.mark.django_db

Code = BrokenPromise.Code
LOCAL = ["127.0.0.0/8"]
LATE = NOON + seconds(16)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with Watcher() as running:
        yield running


@pytest.fixture
def catch_all(receiver: Receiver) -> Any:
    """The catch-all owner, whose pager is the receiver."""
    return make_pager(receiver, owner=make_owner(is_catch_all=True))


def deadman(watcher: Watcher, **overrides: Any) -> DeadMan:
    fields: dict[str, Any] = {"every": seconds(60), "timeout_seconds": 5, "allowed": LOCAL}
    return DeadMan(watcher.url, **(fields | overrides))


def break_promise(*, now: datetime = NOON, subject: str = "sweep.decide") -> None:
    """Break a promise as two rounds of the auditor find it, the second one at `now`."""
    for at in (now - seconds(15), now):
        report_broken(code=Code.SWEEP_SILENT, broken={subject: "It is silent."}, now=at)


def mend(*, now: datetime) -> None:
    mend_all_but(code=Code.SWEEP_SILENT, broken={}, now=now)


def told(receiver: Receiver) -> list[tuple[str, int]]:
    return [(one.json["type"], one.json["data"]["count"]) for one in receiver.requests]


def test_all_is_well_so_the_switch_is_pinged(watcher: Watcher) -> None:
    assert go_round(now=NOON, deadman=deadman(watcher)) == []
    assert watcher.pings == ["/ping/secret"]
    assert EngineBeat.objects.get(part=EngineBeat.Part.AUDIT).at == NOON


def test_while_a_promise_is_broken_nobody_outside_hears_from_us(
    watcher: Watcher, receiver: Receiver, catch_all: Any
) -> None:
    make_library()
    make_alert()
    rounds = [go_round(now=at, deadman=deadman(watcher)) for at in (LATE, LATE + seconds(15))]
    assert [len(broken) for broken in rounds] == [1, 1]
    assert watcher.pings == []
    assert told(receiver) == [("promise.broken", 1)]
    advance_due_escalations(now=LATE + seconds(30))
    Page.objects.all().delete()
    assert go_round(now=LATE + seconds(30), deadman=deadman(watcher)) == []
    assert len(watcher.pings) == 1


def test_the_switch_is_pinged_no_more_often_than_asked(watcher: Watcher) -> None:
    switch = deadman(watcher)
    assert [switch.ping(now=NOON + seconds(at)) for at in (0, 15, 59, 60)] == [
        *(True, False, False, True)
    ]


def test_a_clock_that_was_set_back_does_not_silence_the_switch(watcher: Watcher) -> None:
    switch = deadman(watcher)
    assert [switch.ping(now=NOON), switch.ping(now=NOON - seconds(3600))] == [True, True]


def test_a_ping_that_was_refused_is_tried_again_in_the_next_round(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    switch = deadman(watcher)
    watcher.status = 503
    assert switch.ping(now=NOON) is False
    watcher.status = 200
    assert switch.ping(now=NOON + seconds(15)) is True
    assert [row.getMessage() for row in caplog.records] == ["deadman.not_reached"]
    assert "secret" not in caplog.text


def test_a_switch_at_an_address_that_is_not_allowed_is_not_called(watcher: Watcher) -> None:
    assert deadman(watcher, allowed=["*"]).ping(now=NOON) is False
    assert watcher.pings == []


def test_without_a_switch_the_auditor_goes_round_all_the_same(watcher: Watcher) -> None:
    nobody = DeadMan("", every=seconds(60), timeout_seconds=5, allowed=[])
    assert go_round(now=NOON, deadman=nobody) == []


@pytest.mark.usefixtures("catch_all")
def test_a_broken_promise_is_told_at_once_and_again_each_hour(receiver: Receiver) -> None:
    break_promise()
    offsets = (0, 15, 3599, 3600, 3615)
    assert [tell_of_promises(now=NOON + seconds(at)) for at in offsets] == [1, 0, 0, 1, 0]
    assert told(receiver) == [("promise.broken", 1)] * 2


@pytest.mark.usefixtures("catch_all")
def test_what_only_one_round_found_is_told_to_nobody(receiver: Receiver) -> None:
    report_broken(code=Code.SWEEP_SILENT, broken={"x": "It is silent."}, now=NOON)
    assert tell_of_promises(now=NOON) == 0
    assert receiver.requests == []


@pytest.mark.usefixtures("catch_all")
def test_what_was_told_is_told_once_more_when_it_is_mended(receiver: Receiver) -> None:
    break_promise()
    tell_of_promises(now=NOON)
    mend(now=LATE)
    assert [tell_of_promises(now=LATE), tell_of_promises(now=LATE + seconds(7200))] == [1, 0]
    assert told(receiver) == [("promise.broken", 1), ("promise.mended", 1)]


@pytest.mark.usefixtures("catch_all")
def test_what_was_mended_before_anybody_was_told_is_told_to_nobody(receiver: Receiver) -> None:
    break_promise()
    mend(now=LATE)
    assert tell_of_promises(now=LATE) == 0
    assert receiver.requests == []


@pytest.mark.usefixtures("catch_all")
def test_a_message_that_failed_is_sent_again_under_the_same_id(receiver: Receiver) -> None:
    break_promise()
    receiver.answers(status(500), status(200))
    assert [tell_of_promises(now=NOON + seconds(at)) for at in (0, 15, 30)] == [0, 1, 0]
    first, second = receiver.ids
    assert first == second


@pytest.mark.usefixtures("catch_all")
def test_what_is_told_again_has_another_id(receiver: Receiver) -> None:
    break_promise()
    tell_of_promises(now=NOON)
    tell_of_promises(now=NOON + seconds(3600))
    first, second = receiver.ids
    assert first != second


@pytest.mark.usefixtures("catch_all")
def test_a_message_is_signed_and_says_what_to_do(receiver: Receiver) -> None:
    now = datetime.now(UTC)
    break_promise(now=now)
    tell_of_promises(now=now)
    request = receiver.requests[0]
    said = Webhook(secret_from("receiver")).verify(request.body, request.headers)
    began_at = BrokenPromise.objects.get().first_seen_at
    assert said["data"]["promises"] == [
        {
            "code": "sweep_silent",
            "subject": "sweep.decide",
            "sentence": "It is silent.",
            "first_seen_at": f"{began_at:%FT%TZ}",
            "mended_at": None,
        }
    ]


@pytest.mark.usefixtures("catch_all")
def test_a_pager_that_is_down_as_a_whole_is_one_message(receiver: Receiver) -> None:
    for number in range(50):
        break_promise(subject=f"part {number}")
    tell_of_promises(now=NOON)
    assert told(receiver) == [("promise.broken", 50)]
    assert len(receiver.requests[0].json["data"]["promises"]) == 20


def test_the_next_contact_is_tried_when_the_first_does_not_answer(
    receiver: Receiver, catch_all: Any
) -> None:
    make_contact(owner=catch_all.owner, position=0, url="http://127.0.0.1:1/")
    break_promise()
    assert tell_of_promises(now=NOON) == 1
    assert told(receiver) == [("promise.broken", 1)]


def test_with_nobody_to_tell_it_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    break_promise()
    assert tell_of_promises(now=NOON) == 0
    assert "promise.not_told" in [row.getMessage() for row in caplog.records]
    assert BrokenPromise.objects.get().told_at is None


def test_one_round_on_demand_says_that_every_promise_is_kept() -> None:
    said = io.StringIO()
    call_command("auditor", "--once", stdout=said)
    assert said.getvalue() == "Every promise is kept.\n"


def test_one_round_on_demand_fails_with_what_is_broken() -> None:
    make_library()
    alert = make_alert()
    Escalation.objects.all().delete()
    with pytest.raises(CommandError, match=f"Nobody has taken A-{alert.pk}"):
        call_command("auditor", "--once", stdout=io.StringIO())


@pytest.mark.chaos
@pytest.mark.django_db(transaction=True)
def test_the_real_auditor_pings_until_the_pager_fails_and_then_tells(
    receiver: Receiver, watcher: Watcher, catch_all: Any
) -> None:
    make_library()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "auditor"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": _test_database(),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "HEARTHWATCH_AUDIT_SECONDS": "1",
            "HEARTHWATCH_DEADMAN_URL": watcher.url,
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        watcher.wait_for(1)
        make_alert()  # Its first step was due in 2030 by this clock: nothing is late yet.
        Escalation.objects.all().delete()
        receiver.wait_for(1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert told(receiver) == [("promise.broken", 1)]
    wait_until(lambda: BrokenPromise.objects.get().told_at is not None)


def _test_database() -> str:
    database = urlsplit(os.environ["DATABASE_URL"])
    return database._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
