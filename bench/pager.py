"""How soon pages go out: one alert at a time, a thousand a minute, ten thousand at once."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

from django.db.models import F

from bench.receiver import Receiver
from bench.report import Figure, percentile
from fleet.models import Site
from runbooks.models import Alert, Page
from telemetry.models import Finding
from tests.factories import make_contact, make_node, make_owner, make_site

ALERTS = 40
MANY, MANY_SECONDS = 1000, 60
STORM, STORM_SITES, STORM_WAIT = 10_000, 20, 240


def measure_first_page(*, title: str) -> Figure:
    """Return how long after an alert's COMMIT its first page arrives, one after the other."""
    receiver = Receiver()
    for number in range(ALERTS):
        make_finding(paged_site(receiver), number)
        if not receiver.wait_for(number + 1, within=60):
            raise SystemExit(f"No page came for alert {number + 1} of {title}.")
    return Figure(
        f"alert to first POST, {title}",
        _spread(waits_of(receiver)),
        f"{ALERTS} alerts, one after the other",
    )


def measure_many() -> Figure:
    """Return the same at a steady thousand alerts a minute, each at a site of its own."""
    receiver = Receiver()
    sites = [paged_site(receiver) for _ in range(MANY)]
    began = time.monotonic()
    for number, site in enumerate(sites):
        rest = began + number * MANY_SECONDS / MANY - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        make_finding(site, number)
    if not receiver.wait_for(MANY, within=120):
        raise SystemExit(f"Only {len(receiver.arrivals)} of {MANY} alerts were paged.")
    took = time.monotonic() - began
    how = f"{MANY:,} alerts in {took:.0f} s at as many sites, all paged"
    waits = waits_of(receiver)
    p95 = f"p95 {percentile(waits, 0.95):.2f} s, "
    return Figure("alert to first POST at 1,000 alerts a minute", p95 + _spread(waits), how)


def measure_storm() -> list[Figure]:
    """Return what becomes of 10,000 findings that come at once, at sites of a few owners."""
    receiver = Receiver()
    sites = [paged_site(receiver) for _ in range(STORM_SITES)]
    at = datetime.now(UTC)
    each = STORM // STORM_SITES
    findings = [_finding(site, number, at) for site in sites for number in range(each)]
    began = time.monotonic()
    Finding.objects.bulk_create(findings, batch_size=1000)
    owed = Finding.objects.filter(site__in=sites, revision__gt=F("taken_in_revision"))
    while owed.exists() and time.monotonic() - began < STORM_WAIT:
        time.sleep(0.25)
    took = time.monotonic() - began
    left = owed.count()
    time.sleep(20)
    alerts = Alert.objects.filter(site__in=sites)
    pages = Page.objects.filter(alert__in=alerts)
    per_owner = Counter(pages.values_list("owner_id", flat=True))
    requests = Counter(receiver.paths)
    return [
        Figure(
            f"{STORM:,} findings at once: refused or left over",
            f"{left}",
            f"{STORM_SITES} sites, all taken in after {took:.0f} s as {alerts.count()} alerts",
        ),
        Figure(
            "the same: pages for the busiest owner",
            f"{max(per_owner.values())} in {max(requests.values())} requests",
            f"{sum(per_owner.values())} pages in all, 20 s after the last finding was taken in",
        ),
    ]


def paged_site(receiver: Receiver) -> Site:
    """Make a site whose owner alone is paged, at a path of the receiver's of their own."""
    owner = make_owner()
    make_contact(owner=owner, url=f"{receiver.url}/{owner.pk}")
    # A site that nobody watches has its findings withdrawn.
    return make_node(site=make_site(owner=owner)).site


def make_finding(site: Site, number: int) -> None:
    """Write one finding as a detector would; the sweep or a worker does the rest."""
    _finding(site, number, datetime.now(UTC)).save()


def waits_of(receiver: Receiver) -> list[float]:
    """Return the seconds from each alert's opening to its first page's arrival."""
    with receiver.changed:
        arrivals = dict(receiver.arrivals)
    opened = dict(Alert.objects.filter(pk__in=arrivals).values_list("id", "opened_at"))
    return [arrivals[key] - at.timestamp() for key, at in opened.items()]


def _finding(site: Site, number: int, at: datetime) -> Finding:
    return Finding(
        site=site,
        kind=Finding.Kind.METRIC_THRESHOLD,
        fingerprint=f"bench/{number}",
        severity=Finding.Severity.HIGH,
        summary=f"Measured finding {number}",
        began_at=at,
        detected_at=at,
        updated_at=at,
    )


def _spread(waits: list[float]) -> str:
    return f"p50 {percentile(waits, 0.5):.2f} s, p99 {percentile(waits, 0.99):.2f} s"
