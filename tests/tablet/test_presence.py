"""Two people on one run see each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from runbooks.models import Run, RunPresence
from runbooks.runs.log import Channel, Kind, Writer, write
from runbooks.runs.presence import note_presence, present
from tests.factories import NOON, make_user
from tests.pure.run_steps import make_step
from tests.runbooks.run_world import Device, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    return make_run(make_step("door"), make_step("filter"))


def ask(client: Client, run: Run, step: str | None, secret: str = "") -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    query = {"since": "0"} | ({"step": step} if step is not None else {})
    answer = client.get(f"/api/v1/runs/{run.pk}/changes", query, headers=headers)
    return list(answer.json().get("others", []))


def seen(run: Run, device: str, step: str, *, after: timedelta = timedelta()) -> None:
    user = make_user("remote_hands", run.site, first_name="Kim", last_name="Tan")
    note_presence(run=run, device_id=device, user=user, step_id=step, now=NOON + after)


def names(run: Run, *, after: timedelta = timedelta()) -> list[tuple[str, str]]:
    return [(row.name, row.step_id) for row in present(run=run, now=NOON + after)]


def test_who_asks_for_news_is_told_who_else_is_on_the_run(client: Client, run: Run) -> None:
    kim = make_user("remote_hands", run.site, first_name="Kim", last_name="Tan")
    client.force_login(kim)
    assert ask(client, run, "door") == []
    aiko = make_user("operator", run.site, first_name="Aiko", last_name="Sato")
    client.force_login(aiko)
    [other] = ask(client, run, "filter")
    assert (other["name"], other["step"]) == ("Kim Tan", "door")
    client.force_login(kim)
    [other] = ask(client, run, "door")
    assert (other["name"], other["step"]) == ("Aiko Sato", "filter")


def test_a_device_with_a_key_is_one_presence_wherever_it_goes(client: Client, run: Run) -> None:
    device = Device(run)
    for step in ("door", "filter"):
        ask(client, run, step, device.secret)
    presence = RunPresence.objects.get()
    assert (presence.who, presence.step_id) == (f"device:{device.device_id}", "filter")


def test_who_does_not_say_where_they_are_is_no_presence(client: Client, run: Run) -> None:
    client.force_login(make_user("remote_hands", run.site))
    assert ask(client, run, None) == []
    assert not RunPresence.objects.exists()


def test_somebody_without_an_account_is_called_as_they_signed(run: Run) -> None:
    ben = Writer(name="Ben Roth", channel=Channel.TABLET)
    write(run, Kind.NOTED, ben, now=NOON, device_id="tablet-00000001")
    for device_id in ("tablet-00000001", "tablet-99999999"):
        note_presence(run=run, device_id=device_id, user=None, step_id="", now=NOON)
    assert sorted(names(run)) == [("Ben Roth", ""), ("Somebody with another tablet", "")]


def test_who_was_not_heard_for_90_s_is_gone(run: Run) -> None:
    seen(run, "tablet-00000001", "door")
    assert names(run, after=timedelta(seconds=89)) == [("Kim Tan", "door")]
    assert names(run, after=timedelta(seconds=90)) == []


def test_watchers_are_told_when_somebody_comes_or_goes_on_and_not_each_time(
    run: Run, django_capture_on_commit_callbacks: Any
) -> None:
    told = []
    for step, after in (("door", 0), ("door", 30), ("filter", 60), ("filter", 300)):
        with django_capture_on_commit_callbacks() as callbacks:
            seen(run, "tablet-00000001", step, after=timedelta(seconds=after))
        told.append(bool(callbacks))
    assert told == [True, False, True, True]


def test_a_key_to_another_run_is_no_presence(client: Client, run: Run) -> None:
    ask(client, run, "door", Device(make_run()).secret)
    assert not RunPresence.objects.exists()


def test_the_run_page_says_who_is_on_it_now(client: Client, run: Run) -> None:
    client.force_login(make_user("viewer", run.site))
    address = reverse("noc:run-watch", args=[run.pk])
    assert "On it now" not in client.get(address).content.decode()
    kim = make_user("remote_hands", run.site, first_name="Kim", last_name="Tan")
    other = Client()
    other.force_login(kim)
    ask(other, run, "filter")
    assert "On it now: Kim Tan (step 2)." in client.get(address).content.decode()
