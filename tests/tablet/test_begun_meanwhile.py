"""A run begun without network, and what changed meanwhile: the run, its alert, node and clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from fleet.models import Site
from fleet.noc.run_words import entry_words
from runbooks.models import Alert, Run
from runbooks.runs.begun import take_in_begun
from runbooks.runs.errors import RunError
from runbooks.runs.services import abandon_run
from runbooks.runs.sheet import sheet_of
from runbooks.runs.tokens import find_token
from tests.factories import NOON, make_node, make_user
from tests.runbooks.run_world import Device, make_edition
from tests.runbooks.world import make_alert, make_library
from tests.tablet.test_begun_without_network import begun, said

pytestmark = pytest.mark.django_db


def _close(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(
        response=Alert.Response.CLOSED, closed_at=NOON, close_reason="Repaired."
    )


def test_a_tablet_gets_its_key_although_the_desk_ended_the_run_before(
    client: Client, hands: Any, site: Site
) -> None:
    version = make_edition()
    # The answer to the first telling is lost on its way.
    run = take_in_begun(site=site, begun=begun(version), by=hands, now=NOON)
    abandon_run(run=run, by=make_user("operator", site), reason="Nobody there.", now=NOON)
    answer = client.post(
        "/sites/osaka-3/runs/begun/", said(version), content_type="application/json"
    )
    assert (answer.status_code, answer.json()["run"]) == (201, run.pk)
    token = find_token(text=answer.json()["token"])
    assert token is not None
    assert (token.run, token.user, token.device_id) == (run, hands, "tablet-00000001")


def test_a_run_whose_alert_was_closed_says_what_stood_on_the_tablet(hands: Any, site: Site) -> None:
    make_library()
    alert = make_alert(site=site, node=make_node(site=site, name="node-3"))
    _close(alert)
    what = begun(alert.runbook_version, alert_id=alert.pk, node="node-3")
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert (run.alert, run.node) == (None, alert.node)
    assert run.values["alert.id"] == f"A-{alert.pk}"
    assert run.values["alert.summary"] == alert.summary


def test_the_log_names_the_alert_and_the_node_that_are_not_here_any_more(
    hands: Any, site: Site
) -> None:
    what = begun(make_edition(), alert_id=7, node="node-3")
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    words = "started the run of v1 on a tablet, for A-7, for node-3, which is not here"
    assert entry_words(run.entries.get(), "UTC") == words


def test_the_log_says_no_more_than_a_tablet_knows(hands: Any, site: Site) -> None:
    # With network it begins the same way.
    make_node(site=site, name="node-3")
    what = begun(make_edition(), node="node-3", at=NOON)
    run = take_in_begun(site=site, begun=what, by=hands, now=NOON)
    assert entry_words(run.entries.get(), "UTC") == "started the run of v1 on a tablet"


@pytest.mark.parametrize(
    "at", [datetime.fromisoformat("1970-01-01T00:00:00Z"), NOON + timedelta(hours=2)]
)
def test_after_a_clock_that_was_wrong_the_first_step_took_no_years(
    hands: Any, site: Site, at: datetime
) -> None:
    run = take_in_begun(site=site, begun=begun(make_edition(), at=at), by=hands, now=NOON)
    device = Device(run, hands)
    later = NOON + timedelta(minutes=5)
    device.send(device.done("look", at=later), now=later)
    sheet = sheet_of(run=run, now=later)
    assert sheet.entries[0].at == run.created_at == NOON
    assert sheet.steps[0].seconds == 300


def test_a_key_to_the_run_goes_to_nobody_but_who_began_it(hands: Any, site: Site) -> None:
    version = make_edition()
    take_in_begun(site=site, begun=begun(version), by=hands, now=NOON)
    other = make_user("remote_hands", site)
    with pytest.raises(RunError) as refused:
        take_in_begun(site=site, begun=begun(version), by=other, now=NOON)
    assert refused.value.code == "begun_elsewhere"
    assert Run.objects.count() == 1
