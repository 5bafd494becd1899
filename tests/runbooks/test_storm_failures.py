"""Storms that cannot be opened lose nothing."""

from __future__ import annotations

import pytest
from django.db.models import F

from runbooks.alerts.intake import take_in_findings
from runbooks.alerts.storms import STORM_ALERTS
from runbooks.library.match import NoRunbook
from runbooks.models import Alert
from telemetry.models import Finding
from tests.factories import NOON, make_site
from tests.runbooks.world import make_finding, make_library

pytestmark = pytest.mark.django_db


def test_a_storm_without_a_runbook_waits_and_opens_when_there_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = make_site()
    for _ in range(STORM_ALERTS + 1):
        make_finding(site=site)
    assert take_in_findings(now=NOON, limit=3) == 0
    fault = caplog.records[0].exc_info
    assert caplog.records[0].getMessage() == "intake.storm_failed"
    assert fault is not None
    assert fault[0] is NoRunbook
    assert Finding.objects.filter(revision__gt=F("taken_in_revision")).count() == STORM_ALERTS + 1
    make_library()
    assert take_in_findings(now=NOON) == STORM_ALERTS + 1
    assert Alert.objects.get().is_storm
