"""What devices send: once, in any order, from several, after the end, and never lost."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.models import Membership
from runbooks.library.run_log import run_progress
from runbooks.models import Run, RunEntry, RunJob, RunQuarantine, Tablet
from runbooks.runs import photos, quarantine, sync
from runbooks.runs.errors import RunError
from runbooks.runs.quarantine import accept_quarantined
from runbooks.runs.services import abandon_run
from runbooks.runs.tokens import MOST_TOKENS, issue_token, revoke_device
from tests.factories import NOON, make_site, make_user
from tests.runbooks.run_world import PHOTO, PNG, Device, codes_of, kinds_of, make_run, newest_entry

pytestmark = pytest.mark.django_db


def progress(run: Run) -> Any:
    return run_progress(Run.objects.select_related("runbook_version").get(pk=run.pk), now=NOON)


def test_two_tablets_on_one_step_are_both_kept_and_shown_side_by_side() -> None:
    run = make_run()
    ana, ben = Device(run), Device(run)
    ana.send(ana.done("inlet", value=21, unit="Cel"))
    ben.send(ben.done("inlet", value=29, unit="Cel"))
    step = progress(run).steps[1]
    assert step.outcome == "disputed"
    assert {entry.input["value"] for entry in step.said} == {21, 29}


def test_what_comes_after_the_end_is_kept_and_marked_and_changes_no_state() -> None:
    run = make_run()
    device = Device(run)
    abandon_run(run=run, by=run.lead, reason="Closed from the desk", now=NOON)
    receipt = device.send(device.done("look"), device.entry("verify_asked", "steady"))
    assert receipt.kept == [1, 2]
    assert newest_entry(run).is_after_end
    run.refresh_from_db()
    assert run.state == "aborted"
    assert RunJob.objects.count() == 0


def test_an_entry_is_taken_back_by_its_device_and_both_stay_in_the_log() -> None:
    run = make_run()
    device = Device(run)
    first = device.done("look")
    device.send(first, device.entry("taken_back", "look", input={"entry": f"{device.device_id}:1"}))
    assert progress(run).steps[0].outcome == "open"
    assert kinds_of(run) == ["created", "step_done", "taken_back"]


def test_a_reading_out_of_its_bounds_is_taken_and_marked() -> None:
    run = make_run()
    device = Device(run)
    receipt = device.send(device.done("inlet", value=41.5, unit="Cel", is_within=False))
    assert receipt.kept == [1]
    assert progress(run).steps[1].is_outside


@pytest.mark.parametrize(
    ("step", "said", "code"),
    [
        ("inlet", {}, "number_missing"),
        ("inlet", {"value": True, "unit": "Cel"}, "number_missing"),
        ("inlet", {"value": "21", "unit": "Cel"}, "number_missing"),
        ("inlet", {"value": 21}, "unit_differs"),
        ("inlet", {"value": 70, "unit": "[degF]"}, "unit_differs"),
        ("allow", {}, "second_person_needed"),
        ("picture", {}, "photo_missing"),
        ("steady", {}, "number_missing"),
        ("nowhere", {}, "step_unknown"),
        ("", {}, "step_unknown"),
    ],
)
def test_what_says_nothing_is_kept_aside(step: str, said: Any, code: str) -> None:
    device = Device(make_run())
    receipt = device.send(device.done(step, **said))
    assert codes_of(receipt) == [code]
    assert RunQuarantine.objects.get().code == code


def test_a_clock_that_was_put_right_before_sending_is_put_right_in_the_entries_too() -> None:
    device = Device(make_run())
    at = NOON - timedelta(minutes=10)
    until = (at + timedelta(minutes=10)).isoformat()
    timer = device.entry("timer_started", "cool", at=at, offset=600, input={"until": until})
    note = device.entry("noted", "look", input={"note": "Of an older program"})
    assert [device.send(timer, note).kept for _ in range(2)] == [[1, 2], [1, 2]]
    skews = device.run.entries.filter(counter__isnull=False).values_list("counter", "skew_seconds")
    assert dict(skews) == {1: -600, 2: 0}
    assert progress(device.run).steps[3].until == NOON + timedelta(minutes=10)


@pytest.mark.parametrize("offset", ["600", True, 1e11, 10**400, [], -1e300])
def test_what_is_no_offset_is_kept_aside(offset: Any) -> None:
    device = Device(make_run())
    entry = device.done("look") | {"offset": offset, "mac": ""}
    device.send(entry)
    row = RunQuarantine.objects.get()
    with pytest.raises(RunError) as refusal:
        accept_quarantined(row=row, by=device.run.lead, now=NOON)
    assert refusal.value.code == "bad_entry"


def test_more_photos_than_a_tablet_takes_for_one_entry_are_taken_in_up_to_those_of_a_run() -> None:
    run = make_run()
    device = Device(run)
    hashes = [f"{number:064x}" for number in range(photos.MOST_PHOTOS + 1)]
    many = device.entry("step_done", "picture", evidence=hashes[:11])
    assert device.send(many).kept == [1]
    assert newest_entry(run).evidence == hashes[:11]
    too_many = device.entry("step_done", "picture", evidence=hashes)
    assert codes_of(device.send(too_many)) == ["entry_too_large"]


@pytest.mark.parametrize(
    ("kind", "step", "said", "code"),
    [
        ("timer_started", "cool", {}, "bad_moment"),
        ("timer_started", "cool", {"until": "2030-01-01T12:10:00"}, "bad_moment"),
        ("timer_started", "look", {"until": "2030-01-01T12:10:00Z"}, "kind_not_for_step"),
        ("verify_asked", "look", {}, "kind_not_for_step"),
        ("approval_asked", "inlet", {}, "kind_not_for_step"),
        ("taken_back", "", {}, "entry_unknown"),
        ("noted", "", {"note": " "}, "note_missing"),
        ("counted", "inlet", {"entry": 1}, "not_the_lead"),
        ("approved", "allow", {}, "nothing_to_approve"),
        ("aborted", "", {}, "kind_unknown"),
        ("verified", "steady", {}, "kind_unknown"),
    ],
)
def test_what_a_device_may_not_say_is_kept_aside(
    kind: str, step: str, said: Any, code: str
) -> None:
    device = Device(make_run())
    assert codes_of(device.send(device.entry(kind, step, input=said))) == [code]


def test_a_device_without_an_account_never_approves() -> None:
    run = make_run()
    device = Device(run)
    device.send(device.entry("approval_asked", "allow"))
    other = Device(run)
    other.token.user = None
    other.token.save(update_fields=["user"])
    receipt = other.send(other.entry("approved", "allow"))
    assert codes_of(receipt) == ["second_person_needed"]


def test_an_engineer_approves_on_their_own_tablet() -> None:
    run = make_run()
    device, engineer = Device(run), Device(run, make_user(Membership.Role.ENGINEER, run.site))
    device.send(device.entry("approval_asked", "allow"))
    assert engineer.send(engineer.entry("approved", "allow")).kept == [1]
    assert progress(run).steps[2].outcome == "done"


def test_a_device_without_an_account_is_called_what_it_says() -> None:
    run = make_run()
    device = Device(run)
    device.token.user = None
    device.token.save(update_fields=["user"])
    device.send(device.done("look"), device.entry("step_done", "cool", by=""))
    names = list(run.entries.order_by("pk").values_list("actor_name", flat=True))
    assert names[1:] == ["Somebody", f"Tablet {device.device_id[:8]}"]


def test_the_key_of_one_device_is_none_of_another() -> None:
    run = make_run()
    device, other = Device(run), Device(run)
    other.secret = device.secret
    assert codes_of(other.send(other.done("look"))) == ["token_of_another_device"]


def test_a_revoked_device_is_not_asked_again_for_what_was_taken_in_before() -> None:
    device = Device(make_run())
    entry = device.done("look")
    device.send(entry)
    assert revoke_device(run=device.run, device_id=device.device_id, now=NOON) == 1
    receipt = device.send(entry, device.done("cool"))
    assert (receipt.kept, codes_of(receipt)) == ([1], ["token_revoked"])


def test_a_key_does_not_outlive_the_rights_of_its_person() -> None:
    device = Device(make_run())
    device.user.memberships.all().delete()
    assert codes_of(device.send(device.done("look"))) == ["token_revoked"]
    other = Device(device.run)
    other.user.is_active = False
    other.user.save(update_fields=["is_active"])
    assert codes_of(other.send(other.done("look"))) == ["token_revoked"]


def test_a_clock_that_lost_its_battery_is_put_right() -> None:
    device = Device(make_run(), ahead=NOON.replace(year=1970) - NOON)
    until = (NOON + device.ahead + timedelta(minutes=10)).isoformat()
    sent = device.send(device.entry("timer_started", "cool", input={"until": until}))
    assert sent.kept == [1]
    assert progress(device.run).steps[3].until == NOON + timedelta(minutes=10)


def test_a_tablet_that_sends_is_seen_with_what_it_still_holds() -> None:
    run = make_run()
    device = Device(run)
    sites = [run.site, make_site()]
    for site in sites:
        Tablet.objects.create(
            device_id=device.device_id, site=site, waiting_count=9, last_seen_at=NOON
        )
    other = Tablet.objects.create(
        device_id="another-tablet", site=run.site, waiting_count=9, last_seen_at=NOON
    )
    later = NOON + timedelta(minutes=5)
    device.send(device.done("look"), device.done("inlet", value="hot"), now=later, waiting=5)
    seen = [(Tablet.objects.get(site=site, device_id=device.device_id)) for site in sites]
    assert [(row.waiting_count, row.last_seen_at) for row in seen] == [(3, later)] * 2
    other.refresh_from_db()
    assert (other.waiting_count, other.last_seen_at) == (9, NOON)


def test_runs_keep_no_more_than_they_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    device = Device(run)
    monkeypatch.setattr(sync, "MOST_OF_RUN", 2)
    receipt = device.send(device.done("look"), device.done("cool"))
    assert (receipt.kept, codes_of(receipt)) == ([1], ["run_full"])
    monkeypatch.setattr(quarantine, "MOST_KEPT", 1)
    # Neither kept nor kept aside: it stays on the device.
    receipt = device.send(device.done("look"))
    assert (receipt.kept, receipt.quarantined) == ([], [])
    monkeypatch.setattr(photos, "MOST_PHOTOS", 0)
    with pytest.raises(RunError) as album:
        photos.keep_photo(run=run, sha256=PHOTO, data=PNG, device_id="", now=NOON)
    assert album.value.code == "too_many_photos"
    for _ in range(MOST_TOKENS - 1):
        issue_token(run=run, user=run.lead, device_id="tablet-12345678", now=NOON)
    with pytest.raises(RunError) as keys:
        issue_token(run=run, user=run.lead, device_id="tablet-12345678", now=NOON)
    assert keys.value.code == "too_many_tokens"


SAID = st.sampled_from(
    [
        ("step_done", "look", {}),
        ("step_done", "inlet", {"value": 21, "unit": "Cel"}),
        ("step_done", "inlet", {"value": 30, "unit": "Cel"}),
        ("step_cannot", "inlet", {"reason": "Dark"}),
        ("step_done", "nowhere", {}),
        ("noted", "", {"note": "Hm"}),
    ]
)
ROUNDS = st.lists(
    st.tuples(st.integers(0, 1), st.lists(SAID, min_size=1, max_size=4), st.booleans()),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def crew() -> tuple[Run, Any]:
    """A run whose site, lead and edition the walks share, and hands for their devices."""
    run = make_run()
    return run, make_user(Membership.Role.REMOTE_HANDS, run.site)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROUNDS)
def test_whatever_replies_are_lost_each_entry_is_in_exactly_one_place_once(
    crew: tuple[Run, Any], rounds: list[tuple[int, list[Any], bool]]
) -> None:
    """A device forgets what the answer names; a lost answer makes it send all of it again."""
    before, hands = crew
    run = make_run(site=before.site, by=before.lead, version=before.runbook_version)
    devices = [Device(run, hands), Device(run, hands)]
    held: list[dict[int, Any]] = [{}, {}]
    written = 0
    for place, said, is_lost in [*rounds, (0, [], False), (1, [], False)]:
        device, outbox = devices[place], held[place]
        for kind, step, entered in said:
            entry = device.entry(kind, step, input=entered)
            outbox[entry["count"]] = entry
            written += 1
        receipt = device.send(*outbox.values())
        named = {*receipt.kept, *(count for count, _ in receipt.quarantined)}
        assert named == set(outbox)
        if not is_lost:
            outbox.clear()
    in_log = set(run.entries.exclude(counter=None).values_list("device_id", "counter"))
    aside = set(RunQuarantine.objects.filter(run=run).values_list("device_id", "counter"))
    assert len(in_log) + len(aside) == written
    assert not in_log & aside
    assert run.entries.exclude(counter=None).count() == len(in_log)


@pytest.mark.django_db(transaction=True)
def test_one_batch_that_comes_twice_at_once_is_taken_in_once() -> None:
    device = Device(make_run())
    batch = [device.done("look"), device.done("cool"), device.done("nowhere")]
    receipts = []

    def send() -> None:
        receipts.append(device.send(*batch))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [receipt.kept for receipt in receipts] == [[1, 2]] * 4
    assert RunEntry.objects.filter(device_id=device.device_id).count() == 2
    assert json.loads(RunQuarantine.objects.get().body)["step"] == "nowhere"
