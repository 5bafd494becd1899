"""Workers that are killed: nothing is lost, and a page comes at most once more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django import Settings

from runbooks.alerts.intake import take_in_findings
from runbooks.auditor import audit_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, BrokenPromise, Escalation, Page
from tests.factories import NOON, make_site
from tests.processes import ROOT, wait_until
from tests.receiver import Receiver, held
from tests.runbooks.world import (
    deliver,
    make_alert,
    make_finding,
    make_pager,
    seconds,
    site_paging,
)

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("library"),
]

PROGRAM = """
import sys, django
django.setup()
from datetime import UTC, datetime, timedelta
from django.db import transaction
from runbooks.alerts.intake import take_in_findings
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.paging.claims import claim_pages
from runbooks.paging.services import deliver_due_pages
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
def here():
    print("here", flush=True)
    sys.stdin.read()
"""
DELIVER = "deliver_due_pages(now=NOON, next_of=next_move, clock=lambda: 0.0)"
NO_SINGLE_PAGES = """
from django.conf import settings
settings.HEARTHWATCH_PAGES_PER_CONTACT = 0
"""
RECORD_ONE_OF_A_BUNDLE = """
import random
from runbooks.paging.leases import companions_to_send
from runbooks.paging.outcome import Answer
from runbooks.paging.record import record_answer
[leader] = claim_pages(now=NOON, timeout=timedelta(seconds=8), most=1)
wanted, _ = companions_to_send(leader)
record_answer(wanted[0], Answer(status=200), started_at=NOON, now=NOON, rng=random.Random(1))
here()
"""
CLAIM = "claim_pages(now=NOON, timeout=timedelta(seconds=8), most=1); here()"
TAKE_IN = """
with transaction.atomic():
    take_in_findings(now=NOON)
    here()
"""
ADVANCE = """
with transaction.atomic():
    advance_due_escalations(now=NOON)
    here()
"""
ADVANCE_AND_COMMIT = "advance_due_escalations(now=NOON); here()"
#: When the lease of a page that was claimed at noon has run out.
EXPIRED = NOON + seconds(13)


@contextmanager
def worker(work: str) -> Iterator[subprocess.Popen[str]]:
    """Run `work` in a process of the product on the tests' database; it is killed at the end."""
    database = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + work],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database._replace(path=f"/{name}").geturl()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_at_its_mark(work: str) -> None:
    """Run `work` until it says that it is there, then kill it with SIGKILL."""
    with worker(work) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"


def test_killed_between_lease_and_request_the_page_is_sent_once(receiver: Receiver) -> None:
    make_alert(site=site_paging(receiver))
    advance_due_escalations(now=NOON)
    killed_at_its_mark(CLAIM)
    assert deliver(EXPIRED - seconds(1)).sent == 0
    assert deliver(EXPIRED).sent == 1
    page = Page.objects.get()
    assert page.state == Page.State.SENT
    assert receiver.ids == [f"msg_{page.pk.hex}"]


def test_killed_between_request_and_record_the_page_comes_once_more_under_its_id(
    receiver: Receiver,
) -> None:
    receiver.answers(held())
    make_alert(site=site_paging(receiver))
    advance_due_escalations(now=NOON)
    with worker(DELIVER):
        receiver.wait_for(1)
    receiver.release()
    assert Page.objects.get().state == Page.State.LEASED
    assert deliver(EXPIRED).sent == 1
    page = Page.objects.get()
    assert page.state == Page.State.SENT
    assert receiver.ids == [f"msg_{page.pk.hex}"] * 2
    assert deliver(EXPIRED + seconds(60)).sent == 0


def test_killed_with_a_bundle_in_the_air_the_bundle_comes_once_more_under_its_id(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 0
    receiver.answers(held())
    owner = make_pager(receiver).owner
    for _ in range(4):
        make_alert(site=make_site(owner=owner))
    advance_due_escalations(now=NOON)
    with worker(NO_SINGLE_PAGES + DELIVER):
        receiver.wait_for(1)
    receiver.release()
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.LEASED}
    assert deliver(EXPIRED).sent == 4
    leader = Page.objects.get(bundle=None)
    assert receiver.ids == [f"msg_{leader.pk.hex}"] * 2


def test_killed_between_two_pages_of_a_bundle_what_is_left_comes_again_under_its_id(
    receiver: Receiver, settings: Settings
) -> None:
    settings.HEARTHWATCH_PAGES_PER_CONTACT = 0
    owner = make_pager(receiver).owner
    for _ in range(4):
        make_alert(site=make_site(owner=owner))
    advance_due_escalations(now=NOON)
    killed_at_its_mark(NO_SINGLE_PAGES + RECORD_ONE_OF_A_BUNDLE)
    assert list(Page.objects.order_by("state").values_list("state", flat=True)) == [
        *[Page.State.LEASED] * 3,
        Page.State.SENT,
    ]
    leader = Page.objects.get(bundle=None)
    assert deliver(EXPIRED).sent == 3
    assert receiver.ids == [f"msg_{leader.pk.hex}"]
    assert AlertEvent.objects.filter(kind="page_sent").count() == 4


def test_until_another_worker_takes_it_over_the_auditor_names_the_page() -> None:
    make_alert()
    advance_due_escalations(now=NOON)
    killed_at_its_mark(CLAIM)
    found = audit_promises(now=EXPIRED + seconds(15))
    assert [row.code for row in found] == [BrokenPromise.Code.LEASE_EXPIRED]


def test_killed_in_the_middle_of_intake_the_finding_is_taken_in_again_as_a_whole() -> None:
    make_finding()
    killed_at_its_mark(TAKE_IN)
    wait_until(lambda: take_in_findings(now=NOON), what="the dead worker's locks are gone")
    assert Alert.objects.count() == Escalation.objects.count() == 1
    assert AlertEvent.objects.get().kind == "opened"


def test_killed_in_the_middle_of_a_step_the_step_is_taken_once() -> None:
    make_alert()
    killed_at_its_mark(ADVANCE)
    wait_until(lambda: advance_due_escalations(now=NOON), what="the dead worker's locks are gone")
    assert Page.objects.count() == 1
    assert AlertEvent.objects.filter(kind="paged").count() == 1
    assert Escalation.objects.get().sequence == 1


def test_killed_after_a_step_before_anybody_was_woken_the_page_goes_out(
    receiver: Receiver,
) -> None:
    make_alert(site=site_paging(receiver))
    killed_at_its_mark(ADVANCE_AND_COMMIT)
    assert deliver(NOON).sent == 1
    assert len(receiver.requests) == 1


def test_over_many_crashes_no_page_is_lost_and_each_comes_once_more_at_most(
    receiver: Receiver,
) -> None:
    receiver.answers(held())
    site = site_paging(receiver)
    for _ in range(6):
        make_alert(site=site)
    advance_due_escalations(now=NOON)
    for _ in range(3):
        before = len(receiver.requests)
        with worker(DELIVER):
            receiver.wait_for(before + 1)
    receiver.release()
    deliver(EXPIRED)
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.SENT}
    came = Counter(receiver.ids)
    assert set(came) == {f"msg_{page.pk.hex}" for page in Page.objects.all()}
    assert max(came.values()) <= 2
