"""Those who write down broken promises at the same moment: none keeps a step from being taken."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from fleet.models import Contact
from runbooks.alerts.intake import take_in_findings
from runbooks.auditor import audit_promises
from runbooks.auditor.audit import watch_auditor
from runbooks.auditor.beats import expect_beats
from runbooks.auditor.meta import tell_of_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import BrokenPromise
from runbooks.paging.promises import mend_all_but, report_broken
from tests.factories import NOON, make_owner
from tests.processes import wait_until
from tests.receiver import Receiver
from tests.runbooks.test_concurrency import somebody_waits_for_a_lock, together
from tests.runbooks.world import alert_of, kinds_of, make_finding, make_pager, seconds
from tests.telemetry.connections import in_another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("library")]

Code = BrokenPromise.Code
LATER = NOON + seconds(600)


def test_a_step_that_reaches_nobody_does_not_wait_for_an_auditor_that_hangs() -> None:
    """The entry is written all the same, and by it the auditor raises the promise later."""
    finding = make_finding()
    take_in_findings(now=NOON)
    Contact.objects.update(disabled_reason="gone")
    with transaction.atomic():
        mend_all_but(code=Code.NOBODY_REACHABLE, broken={}, now=NOON)
        assert in_another_connection(lambda: advance_due_escalations(now=NOON)) == 1
    assert kinds_of(alert_of(finding)) == ["opened", "nobody_reachable"]
    assert not BrokenPromise.objects.exists()
    codes = [row.code for row in audit_promises(now=NOON)]
    assert codes == [Code.CONTACT_GONE, Code.NOBODY_REACHABLE]


def test_the_sweep_does_not_wait_for_an_auditor_that_hangs_to_see_whether_it_is_silent() -> None:
    expect_beats(now=NOON)
    with transaction.atomic():
        mend_all_but(code=Code.AUDITOR_SILENT, broken={}, now=NOON)
        assert in_another_connection(lambda: watch_auditor(now=LATER)) == 0
    assert watch_auditor(now=LATER) == 1


def test_the_auditor_holds_promises_of_one_kind_at_a_time() -> None:
    with CaptureQueriesContext(connection) as captured:
        audit_promises(now=NOON)
    whole = "\n".join(query["sql"] for query in captured.captured_queries)
    held = [[code for code in Code if f"'{code}'" in one] for one in whole.split("COMMIT")]
    assert [len(codes) for codes in held] == [1] * len(Code) + [0]


def test_telling_of_promises_waits_in_no_circle_with_who_reports_them(receiver: Receiver) -> None:
    make_pager(receiver, owner=make_owner(is_catch_all=True))
    for at in (NOON, LATER):
        report_broken(code=Code.SWEEP_SILENT, broken={"a": "Silent.", "b": "Silent."}, now=at)
    has_one, is_told = threading.Event(), threading.Event()

    def report_crosswise() -> None:
        with transaction.atomic():
            report_broken(code=Code.SWEEP_SILENT, broken={"b": "Silent."}, now=LATER)
            has_one.set()
            wait_until(lambda: is_told.is_set() or somebody_waits_for_a_lock())
            report_broken(code=Code.SWEEP_SILENT, broken={"a": "Silent."}, now=LATER)

    def tell() -> int:
        has_one.wait(20)
        told = tell_of_promises(now=LATER)
        is_told.set()
        return told

    assert together(report_crosswise, tell) == [None, 1]
    assert set(BrokenPromise.objects.values_list("told_at", flat=True)) == {LATER}
