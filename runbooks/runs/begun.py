"""Runs that a tablet began without network, taken in once the server can be reached.

What was done was done: the edition may have been withdrawn meanwhile, and the alert closed or
answered by another run. Each still becomes a run of its own, so that no entry is without a home.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Node, Site
from runbooks.models import Alert, Run, RunbookVersion, RunEntry
from runbooks.runs.batch import HIGHEST_COUNT, is_offset, is_whole, read_device
from runbooks.runs.checks import Draft, is_storable, moment_of
from runbooks.runs.clocks import skew_when_written
from runbooks.runs.errors import RunError
from runbooks.runs.log import Channel
from runbooks.runs.starting import begin
from runbooks.runs.values import values_for_alert, values_for_site

logger = logging.getLogger(__name__)

#: A tablet that says it began longer ago has a clock that is wrong.
LONGEST_AGO: Final = timedelta(days=30)
_LONGEST_TEXT: Final = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """What a tablet says of a run it began: which, of what, and when by its own clock."""

    begun_as: UUID
    device_id: str
    runbook: str
    version: int
    alert_id: int | None
    node: str
    language: str
    at: datetime
    sent_at: datetime
    #: Seconds the server's clock was ahead of the tablet's, as far as that knew when it began.
    offset: float | None = None


def read_begun(data: Mapping[str, Any]) -> Begun:
    """Read what a tablet says of a run it began; RunError where it says nothing of the kind."""
    texts = {name: data.get(name, "") for name in ("runbook", "node", "language")}
    version, alert, offset = data.get("version"), data.get("alert"), data.get("offset")
    is_fine = (
        all(isinstance(text, str) and is_storable(text, _LONGEST_TEXT) for text in texts.values())
        and isinstance(version, int)
        and is_whole(version, 1, 2**31 - 1)
        and (alert is None or is_whole(alert, 1, HIGHEST_COUNT))
        and (offset is None or is_offset(offset))
    )
    if not is_fine or not isinstance(version, int):
        raise RunError(
            "bad_begun",
            "'runbook', 'node' and 'language' are short texts, 'version' and 'alert' whole "
            "numbers, 'offset' is one of seconds; update the tablet.",
        )
    return Begun(
        begun_as=_uuid_of(data),
        device_id=read_device(data),
        version=version,
        alert_id=alert,
        at=moment_of(data.get("at"), "at"),
        sent_at=moment_of(data.get("sent_at"), "sent_at"),
        offset=offset,
        **texts,
    )


@transaction.atomic
def take_in_begun(*, site: Site, begun: Begun, by: User, now: datetime) -> Run:
    """Return the run that a tablet began at the site; the same however often it is told.

    Raises RunError: begun_elsewhere, no_runbook.
    """
    # Two windows of one tablet wait for each other here.
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    known = Run.objects.filter(begun_as=begun.begun_as).first()
    if known is not None:
        return _same(known, site, begun, by)
    version = _version_of(begun)
    alert = _alert_of(site, begun)
    node = alert.node if alert else _node_of(site, begun)
    began_at = begun.at - _skew_of(begun, now)
    created_at = began_at if now - LONGEST_AGO <= began_at <= now else now
    run = Run(
        site=site,
        node=node,
        alert=alert if alert and _waits_for_a_run(alert, version) else None,
        runbook_version=version,
        # What stood on the tablet, also where its alert has no need of the run any more.
        values=values_for_alert(alert) if alert else values_for_site(site, node),
        begun_as=begun.begun_as,
        created_at=created_at,
    )
    begin(
        run,
        by=by,
        now=now,
        language=begun.language,
        channel=Channel.TABLET,
        said={"begun_at": begun.at.isoformat()} | _not_as_meant(run, begun),
        device_id=begun.device_id,
        client_at=begun.at,
        # Where the clock is not believed this says by how much, and the log begins with the run.
        skew_seconds=(begun.at - created_at).total_seconds(),
    )
    logger.info("run.begun_without_network", extra={"run_id": run.pk, "device": begun.device_id})
    return run


def _skew_of(begun: Begun, now: datetime) -> timedelta:
    """Return how far the tablet's clock was ahead when it began the run."""
    skew = skew_when_written(
        Draft(RunEntry.Kind.CREATED, client_at=begun.at, offset=begun.offset),
        sent_skew=(begun.sent_at - now).total_seconds(),
        began_at=now - LONGEST_AGO,
        received_at=now,
    )
    return timedelta(seconds=skew or 0)


def _not_as_meant(run: Run, begun: Begun) -> dict[str, Any]:
    """Return the alert and the node that the run was begun for where it is not about them."""
    said: dict[str, Any] = {}
    if begun.alert_id is not None and run.alert is None:
        said["meant_for"] = begun.alert_id
    if begun.node and run.node is None:
        said["node"] = begun.node
    return said


def _same(known: Run, site: Site, begun: Begun, by: User) -> Run:
    is_it = (
        known.site_id == site.pk
        and known.runbook_version.runbook.slug == begun.runbook
        and known.started_by_id == by.pk
    )
    if not is_it:
        raise RunError(
            "begun_elsewhere",
            f"The tablet's name of this run belongs to R-{known.pk} already. What was entered "
            "stays on the tablet; show it to the lead.",
        )
    return known


def _version_of(begun: Begun) -> RunbookVersion:
    versions = RunbookVersion.objects.select_related("runbook")
    found = versions.filter(runbook__slug=begun.runbook, number=begun.version).first()
    if found is None:
        raise RunError(
            "no_runbook",
            f"There is no version {begun.version} of a runbook {begun.runbook!r} here. What was "
            "entered stays on the tablet; show it to the lead.",
        )
    return found


def _alert_of(site: Site, begun: Begun) -> Alert | None:
    """Return the alert the run was begun for, locked against a second run."""
    if begun.alert_id is None:
        return None
    alerts = Alert.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "site__owner", "node", "runbook_version__runbook"
    )
    return alerts.filter(pk=begun.alert_id, site=site).first()


def _waits_for_a_run(alert: Alert, version: RunbookVersion) -> bool:
    """Tell whether nobody closed or answered the alert meanwhile, nor gave it another edition."""
    is_answered = alert.runs.exclude(state__in=Run.ENDED).exists()
    is_closed = alert.response == Alert.Response.CLOSED
    return not (is_closed or is_answered) and alert.runbook_version_id == version.pk


def _node_of(site: Site, begun: Begun) -> Node | None:
    return site.nodes.filter(name=begun.node).first() if begun.node else None


def _uuid_of(data: Mapping[str, Any]) -> UUID:
    text = data.get("begun_as")
    try:
        return UUID(text if isinstance(text, str) else "")
    except ValueError:
        raise RunError("bad_begun", "'begun_as' is no UUID; update the tablet.") from None
