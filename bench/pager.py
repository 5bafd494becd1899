"""How soon pages go out: one alert at a time, a thousand a minute, ten thousand at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import F

from bench.cpu import cpu_seconds
from bench.receiver import Receiver
from bench.report import Figure, percentile
from fleet.models import Site
from runbooks.models import Alert, Page
from telemetry.detectors.detection import Detection
from telemetry.findings import record_detections
from telemetry.models import Finding
from tests.factories import make_contact, make_node, make_owner, make_site
from tests.processes import wait_until

ALERTS = 40
MANY, MANY_SECONDS = 1000, 60
STORM, STORM_SITES, STORM_WAIT = 10_000, 20, 240
ONE_PERSONS, ONE_PERSONS_WAIT = 1000, 240
LEAVING_WAIT = 60


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


def measure_many() -> list[Figure]:
    """Return the same at a steady thousand alerts a minute, each at a site of its own."""
    receiver = Receiver()
    sites = [paged_site(receiver) for _ in range(MANY)]
    _await_first_evaluation(sites)
    began, cpu = time.monotonic(), cpu_seconds()
    for number, site in enumerate(sites):
        rest = began + number * MANY_SECONDS / MANY - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        make_finding(site, number)
    if not receiver.wait_for(MANY, within=120):
        raise SystemExit(f"Only {len(receiver.arrivals)} of {MANY} alerts were paged.")
    took, cpu = time.monotonic() - began, cpu_seconds() - cpu
    how = f"{MANY:,} alerts in {took:.0f} s at as many sites, all paged"
    return [
        Figure("alert to first POST at 1,000 alerts a minute", _with_p95(waits_of(receiver)), how),
        Figure(
            "the same, from the finding's COMMIT", _with_p95(waits_of(receiver, "detected")), how
        ),
        Figure(
            "the same: CPU for each alert",
            f"{cpu / MANY * 1000:.0f} ms",
            "web, worker, beat, sweep, PostgreSQL and Redis together, idle work included",
        ),
    ]


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


def measure_one_person() -> list[Figure]:
    """Return what one person gets when each of a thousand sites of theirs has a low alert.

    And how long an urgent one waits that opens at one of these sites meanwhile.
    """
    receiver = Receiver()
    first = paged_site(receiver)
    owner = first.owner
    sites = [first, *(make_node(site=make_site(owner=owner)).site for _ in range(ONE_PERSONS - 1))]
    _await_first_evaluation(sites)
    at, low = datetime.now(UTC), Finding.Severity.LOW
    began = time.monotonic()
    Finding.objects.bulk_create([_finding(site, 0, at, severity=low) for site in sites])
    time.sleep(2)
    make_finding(first, 1, severity=Finding.Severity.URGENT)
    urgent = Alert.objects.filter(site=first, severity=Finding.Severity.URGENT)
    pages = Page.objects.filter(owner=owner)
    sent = pages.filter(state=Page.State.SENT)
    while sent.count() <= ONE_PERSONS and time.monotonic() - began < ONE_PERSONS_WAIT:
        time.sleep(0.25)
    took = time.monotonic() - began
    dead = pages.filter(state=Page.State.DEAD).count()
    wait = waits_of(receiver, alerts=list(urgent.values_list("pk", flat=True)))
    _leave(sites)
    how = f"one person answers for {ONE_PERSONS:,} sites, each with a low alert at once"
    return [
        Figure(
            "a storm at one person's sites: pages delivered",
            f"{sent.count():,} in {len(receiver.paths)} requests within {took:.0f} s, {dead} dead",
            how,
        ),
        Figure(
            "the same: an urgent alert 2 s later, to its POST",
            ", ".join(f"{seconds:.2f} s" for seconds in wait) or "never",
            how,
        ),
    ]


def _leave(sites: list[Site]) -> None:
    """Watch the sites no more, so that nothing is measured next while a thousand wait for steps."""
    Site.objects.filter(pk__in=[site.pk for site in sites]).update(status=Site.Status.RETIRED)
    still_open = Finding.objects.filter(site__in=sites, cleared_at=None)
    owed = Finding.objects.filter(site__in=sites, revision__gt=F("taken_in_revision"))
    began = time.monotonic()
    while (still_open.exists() or owed.exists()) and time.monotonic() - began < LEAVING_WAIT:
        time.sleep(0.25)


def paged_site(receiver: Receiver) -> Site:
    """Make a site whose owner alone is paged, at a path of the receiver's of their own."""
    owner = make_owner()
    make_contact(owner=owner, url=f"{receiver.url}/{owner.pk}")
    # A site that nobody watches has its findings withdrawn.
    return make_node(site=make_site(owner=owner)).site


def make_finding(
    site: Site, number: int, *, severity: Finding.Severity = Finding.Severity.HIGH
) -> None:
    """Write one finding as the detectors do, hint included; a worker or the sweep does the rest."""
    at = datetime.now(UTC)
    detection = Detection(
        kind=Finding.Kind.METRIC_THRESHOLD,
        fingerprint=f"bench/{number}",
        is_firing=True,
        severity=severity,
        at=at.timestamp(),
        node=None,
        summary=f"Measured finding {number}",
        evidence={},
    )
    record_detections(site=site, detections=[detection], now=at)


def _await_first_evaluation(sites: list[Site]) -> None:
    """Wait until each new site was evaluated once: a fleet does not grow by them in a minute."""
    new = Site.objects.filter(pk__in=[site.pk for site in sites], detectorstate__isnull=True)
    wait_until(lambda: not new.exists(), within=120, what="the new sites are evaluated")


def waits_of(
    receiver: Receiver, since: str = "opened", *, alerts: Sequence[int] | None = None
) -> list[float]:
    """Return the seconds from each alert's opening, or its finding, to its first page's arrival."""
    with receiver.changed:
        arrivals = dict(receiver.arrivals)
    if alerts is not None:
        arrivals = {key: at for key, at in arrivals.items() if key in alerts}
    moment = {"opened": "opened_at", "detected": "finding__detected_at"}[since]
    moments = dict(Alert.objects.filter(pk__in=arrivals).values_list("id", moment))
    return [arrivals[key] - at.timestamp() for key, at in moments.items()]


def _finding(
    site: Site, number: int, at: datetime, *, severity: Finding.Severity = Finding.Severity.HIGH
) -> Finding:
    return Finding(
        site=site,
        kind=Finding.Kind.METRIC_THRESHOLD,
        fingerprint=f"bench/{number}",
        severity=severity,
        summary=f"Measured finding {number}",
        began_at=at,
        detected_at=at,
        updated_at=at,
    )


def _with_p95(waits: list[float]) -> str:
    return f"p95 {percentile(waits, 0.95):.2f} s, {_spread(waits)}"


def _spread(waits: list[float]) -> str:
    return f"p50 {percentile(waits, 0.5):.2f} s, p99 {percentile(waits, 0.99):.2f} s"
