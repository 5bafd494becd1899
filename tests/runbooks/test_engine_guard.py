"""Every cycle of the engine refuses to work on rows that are made for other rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest
from django.db import connection

from fleet.models import EngineModule
from fleet.services.engine import EngineMismatch, Module
from runbooks.alertmanager.intake import expire_external
from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.intake import follow_findings, take_in_findings
from runbooks.alerts.replies import take_in_replies
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.auditor.audit import audit_promises
from runbooks.auditor.beats import Part, note_beat
from runbooks.auditor.meta import tell_of_promises
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.heartbeats.services import check_heartbeats
from runbooks.models import Alert, BrokenPromise, EngineBeat, Page
from runbooks.paging.announcements import deliver_announcements
from runbooks.paging.failing import fail_over_failing
from runbooks.paging.leases import let_go, set_free
from runbooks.paging.promises import report_broken
from runbooks.paging.queued import ask_receivers, fail_over_queued, follow_up_released
from runbooks.paging.services import deliver_due_pages
from runbooks.suppression.authors import announce_endings
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.endings import warn_of_endings
from telemetry.jobs import evaluate_each
from tests.factories import NOON, make_owner, make_site
from tests.receiver import Receiver
from tests.runbooks.world import (
    claim_page,
    make_finding,
    make_pager,
    queued,
    seconds,
    site_paging,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

CYCLES: list[tuple[Module, Callable[..., object]]] = [
    (Module.HEARTBEATS, check_heartbeats),
    (Module.INTAKE, take_in_findings),
    (Module.INTAKE, follow_findings),
    (Module.INTAKE, expire_external),
    (Module.SUPPRESSION, apply_suppressions),
    (Module.SUPPRESSION, warn_of_endings),
    (Module.SUPPRESSION, announce_endings),
    (Module.RESPONSE, take_in_replies),
    (Module.RESPONSE, expire_acknowledgements),
    (Module.RESPONSE, settle_flapping),
    (Module.ESCALATION, advance_due_escalations),
    (Module.DELIVERY, fail_over_queued),
    (Module.DELIVERY, fail_over_failing),
    (Module.DELIVERY, follow_up_released),
    (Module.DELIVERY, ask_receivers),
    (Module.DELIVERY, deliver_announcements),
    (Module.AUDIT, audit_promises),
    (Module.AUDIT, tell_of_promises),
    (Module.AUDIT, partial(note_beat, part=Part.DECIDE)),
]


def raise_version(module: Module) -> None:
    EngineModule.objects.filter(name=module).update(version=2)


@pytest.mark.parametrize(("module", "cycle"), CYCLES)
def test_no_cycle_runs_by_old_rules(module: Module, cycle: Callable[..., object]) -> None:
    raise_version(module)
    with pytest.raises(EngineMismatch) as caught:
        cycle(now=NOON)
    assert caught.value.module == module


def test_the_round_of_an_old_program_is_no_beat() -> None:
    raise_version(Module.AUDIT)
    with pytest.raises(EngineMismatch):
        note_beat(part=Part.DECIDE, now=NOON)
    assert not EngineBeat.objects.exists()


def test_an_old_program_tells_nobody_what_it_takes_for_broken(receiver: Receiver) -> None:
    make_pager(receiver, owner=make_owner(is_catch_all=True))
    for at in (NOON, NOON + seconds(60)):
        report_broken(code=BrokenPromise.Code.SWEEP_SILENT, broken={"sweep": "It stands."}, now=at)
    raise_version(Module.AUDIT)
    with pytest.raises(EngineMismatch):
        tell_of_promises(now=NOON + seconds(61))
    assert receiver.requests == []


def test_an_old_program_sends_no_page(receiver: Receiver) -> None:
    alert = queued(site_paging(receiver))
    raise_version(Module.DELIVERY)
    with pytest.raises(EngineMismatch):
        deliver_due_pages(now=NOON, next_of=next_move)
    assert receiver.requests == []
    assert Page.objects.get(alert=alert).state == Page.State.PENDING


def test_a_page_that_nobody_wants_any_more_is_left_to_the_newer_program() -> None:
    queued(make_site())
    page = claim_page(now=NOON, timeout=seconds(8))
    assert page is not None
    raise_version(Module.DELIVERY)
    with pytest.raises(EngineMismatch):
        let_go(page, now=NOON)
    with pytest.raises(EngineMismatch):
        set_free([page], now=NOON)
    assert Page.objects.get().state == Page.State.LEASED


def test_an_answer_that_comes_after_the_upgrade_is_left_to_the_newer_program(
    receiver: Receiver,
) -> None:
    alert = queued(site_paging(receiver))

    def upgrade_in_the_air(seconds: list[float]) -> Callable[[], float]:
        def clock() -> float:
            if receiver.requests:
                raise_version(Module.DELIVERY)
            return seconds[0]

        return clock

    with pytest.raises(EngineMismatch):
        deliver_due_pages(now=NOON, next_of=next_move, clock=upgrade_in_the_air([0.0]))
    # Its lease runs out, and the newer program sends it once more under the same id.
    assert Page.objects.get(alert=alert).state == Page.State.LEASED


def test_an_old_detector_judges_nothing_and_is_no_fault_of_the_site(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = make_site()
    raise_version(Module.DETECTION)
    with pytest.raises(EngineMismatch):
        evaluate_each(site_ids=[site.pk], now=NOON)
    assert [record.getMessage() for record in caplog.records] == ["engine.refused"]


def test_a_storm_is_not_taken_in_by_old_rules_either() -> None:
    site = make_site()
    for _ in range(12):
        make_finding(site=site)
    raise_version(Module.INTAKE)
    with pytest.raises(EngineMismatch):
        take_in_findings(now=NOON)
    assert not Alert.objects.exists()


def test_the_check_is_one_statement_of_the_transaction_it_is_made_in() -> None:
    said: list[str] = []

    def note(execute: Callable[..., object], sql: str, *rest: object) -> object:
        said.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        check_heartbeats(now=datetime.now(tz=NOON.tzinfo))
    assert sum("engine_version" in sql for sql in said) == 1
