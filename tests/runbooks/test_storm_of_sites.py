"""One person answers for a thousand sites, and all of them alert: every page arrives."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fleet.models import Contact, Site
from runbooks.alerts.intake import take_in_findings
from runbooks.auditor import audit_promises
from runbooks.escalation.services import advance_due_escalations
from runbooks.models import Alert, AlertEvent, Page, SiteEscalation
from telemetry.models import Finding
from tests.factories import NOON
from tests.receiver import Receiver, status
from tests.runbooks.world import LOW, deliver, make_pager, policy_of, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("library")]

SITES = 1000
SENT, PENDING = Page.State.SENT, Page.State.PENDING


def make_sites(contact: Contact, count: int, *, delay: int) -> list[Site]:
    """Make sites that page one contact, then nobody."""
    policy = policy_of((["site_owner"], delay))
    sites = Site.objects.bulk_create(
        Site(
            slug=f"edge-{number}",
            name=f"Edge-{number}",
            pattern=Site.Pattern.MESH,
            status=Site.Status.ACTIVE,
            region="Asia Pacific",
            place="1-2-3 Namba, Osaka, Japan",
            time_zone="Asia/Tokyo",
            owner=contact.owner,
        )
        for number in range(count)
    )
    SiteEscalation.objects.bulk_create(SiteEscalation(site=site, policy=policy) for site in sites)
    return sites


def all_alert(sites: list[Site], now: datetime) -> None:
    Finding.objects.bulk_create(
        Finding(
            site=site,
            kind=Finding.Kind.METRIC_THRESHOLD,
            fingerprint=f"drift/{site.pk}",
            severity=LOW,
            summary="Something drifted.",
            began_at=now,
            detected_at=now,
            updated_at=now,
        )
        for site in sites
    )
    take_in_findings(now=now, limit=len(sites))
    advance_due_escalations(now=now, limit=len(sites))


def states() -> set[str]:
    return set(Page.objects.values_list("state", flat=True))


def test_a_thousand_sites_page_one_person_in_a_handful_of_requests(receiver: Receiver) -> None:
    sites = make_sites(make_pager(receiver), SITES, delay=300)
    for second, start, end in ((0, 0, 400), (20, 400, 700), (40, 700, SITES)):
        all_alert(sites[start:end], NOON + seconds(second))
        deliver(NOON + seconds(second))
    deliver(NOON + seconds(60))
    assert Page.objects.filter(state=SENT).count() == Alert.objects.count() == SITES
    assert [one.json["type"] for one in receiver.requests] == ["alert.page"] * 5 + [
        "alert.pages"
    ] * 2
    assert max(len(one.body) for one in receiver.requests) <= 20_000
    assert sum(len(alerts_of(one.json["data"])) for one in receiver.requests) == SITES
    assert AlertEvent.objects.filter(kind="page_sent").count() == SITES
    assert audit_promises(now=NOON + seconds(90)) == []


def test_all_of_a_large_bundle_come_again_when_it_fails(receiver: Receiver) -> None:
    sites = make_sites(make_pager(receiver), 205, delay=300)
    receiver.answers(*[status(200)] * 5, status(503), status(200))
    all_alert(sites, NOON)
    deliver(NOON)
    assert Page.objects.filter(state=PENDING, attempts_made=1, last_status=503).count() == 200
    deliver(NOON + seconds(10))
    assert states() == {SENT}
    assert receiver.ids[5] == receiver.ids[6]


def test_what_waits_for_its_bundle_past_its_steps_end_arrives_all_the_same(
    receiver: Receiver,
) -> None:
    sites = make_sites(make_pager(receiver), 12, delay=20)
    all_alert(sites[:8], NOON)
    deliver(NOON)
    all_alert(sites[8:], NOON + seconds(1))
    for second in (2, 21, 30, 59):
        deliver(NOON + seconds(second))
    assert Page.objects.filter(state=PENDING).count() == 4
    deliver(NOON + timedelta(minutes=1))
    assert states() == {SENT}


def test_what_waited_past_its_end_has_time_for_another_attempt(receiver: Receiver) -> None:
    sites = make_sites(make_pager(receiver), 12, delay=20)
    all_alert(sites[:8], NOON)
    deliver(NOON)
    all_alert(sites[8:], NOON + seconds(1))
    deliver(NOON + seconds(2))
    receiver.answers(status(503), status(200))
    deliver(NOON + seconds(60))
    deliver(NOON + seconds(70))
    assert states() == {SENT}


def test_what_nobody_looked_at_until_past_its_end_goes_with_the_bundle_as_well(
    receiver: Receiver,
) -> None:
    sites = make_sites(make_pager(receiver), 12, delay=20)
    all_alert(sites[:8], NOON)
    deliver(NOON)
    all_alert(sites[8:], NOON + seconds(1))
    deliver(NOON + seconds(60))
    assert states() == {SENT}


def alerts_of(data: dict[str, object]) -> list[object]:
    pages = data.get("pages", [data])
    assert isinstance(pages, list)
    more = data.get("more_alert_ids", [])
    assert isinstance(more, list)
    return [*pages, *more]
