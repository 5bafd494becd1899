"""Make runs: from an alert, with its pinned edition, or at a site with a chosen runbook."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from fleet.access import Action, may
from fleet.models import Node, Site
from runbooks.library.translations import languages_of
from runbooks.models import Alert, Run, RunbookVersion
from runbooks.runs.errors import RunError
from runbooks.runs.log import Channel, Kind, Writer, change, name_of, open_run, tell, write
from runbooks.runs.told import call_off_dispatch, person_to_tell, tell_of_dispatch
from runbooks.runs.values import values_for_alert, values_for_site

logger = logging.getLogger(__name__)


@transaction.atomic
def start_run_for_alert(
    *,
    alert: Alert,
    by: User,
    now: datetime,
    language: str = "",
    assigned_to: User | None = None,
    channel: Channel = Channel.BROWSER,
) -> Run:
    """Start a run of the edition pinned to the alert; the one under way where there is one.

    Raises RunError: alert_closed, cannot_run.
    """
    current = (
        Alert.objects.select_for_update(no_key=True, of=("self",))
        .select_related("site__owner", "node", "runbook_version__runbook")
        .get(pk=alert.pk)
    )
    under_way = current.runs.exclude(state__in=Run.ENDED).order_by("pk").first()
    if under_way is not None:
        return under_way
    if current.response == Alert.Response.CLOSED:
        raise RunError(
            "alert_closed",
            f"A-{alert.pk} is closed. Start the runbook from the page of {current.site} instead.",
        )
    new = Run(
        site=current.site,
        node=current.node,
        alert=current,
        runbook_version=current.runbook_version,
        values=values_for_alert(current),
    )
    return begin(new, by=by, to=assigned_to, language=language, channel=channel, now=now)


@transaction.atomic
def start_run_at_site(
    *,
    site: Site,
    version: RunbookVersion,
    by: User,
    now: datetime,
    node: Node | None = None,
    language: str = "",
    assigned_to: User | None = None,
    channel: Channel = Channel.BROWSER,
    seen_run: int | None = None,
) -> Run:
    """Start a run of a runbook somebody chose, of the site or of one of its nodes.

    `seen_run` is the newest run of the site that was on their screen, 0 for none: one of the same
    runbook that was begun since is not begun twice. Raises RunError: edition_withdrawn,
    node_elsewhere, cannot_run, run_begun.
    """
    _refuse_unfit(site, version, node)
    if seen_run is not None:
        _refuse_second(site, version, seen_run)
    new = Run(site=site, node=node, runbook_version=version, values=values_for_site(site, node))
    return begin(new, by=by, to=assigned_to, language=language, channel=channel, now=now)


@transaction.atomic
def dispatch_run(
    *, run: Run, to: User | None, by: User, now: datetime, channel: Channel = Channel.BROWSER
) -> None:
    """Send somebody to do the run, None for whoever takes its claim. Raises RunError.

    Who was not sent yet is told by their contact, unless they send themselves.
    """
    current = open_run(run)
    if to is not None and not may(to, Action.RUN, current.site):
        raise cannot_run(to, current.site)
    is_news = to is not None and to != by and to.pk != current.assigned_to_id
    if to is None or to.pk != current.assigned_to_id:
        call_off_dispatch(current)
    change(current, assigned_to=to)
    person = person_to_tell(to) if to is not None and is_news else None
    said: dict[str, Any] = {"to": name_of(to), "to_id": to.pk if to else None}
    if is_news:
        said["is_told"] = person is not None
    entry = write(current, Kind.DISPATCHED, Writer.person(by, channel), now=now, input=said)
    if person is not None:
        tell_of_dispatch(run=current, entry=entry, person=person, by=by, now=now)
    run.assigned_to = to
    noted = {"run_id": run.pk, "to_id": said["to_id"], "is_told": person is not None}
    logger.info("run.dispatched", extra=noted)


def _refuse_unfit(site: Site, version: RunbookVersion, node: Node | None) -> None:
    if hasattr(version, "withdrawal"):
        raise RunError(
            "edition_withdrawn",
            f"{version} was withdrawn: {version.withdrawal.reason} Choose another edition.",
        )
    if node is not None and node.site_id != site.pk:
        raise RunError("node_elsewhere", f"{node} is not at {site}; choose one of its nodes.")


def _refuse_second(site: Site, version: RunbookVersion, seen_run: int) -> None:
    """Raise RunError when somebody began the runbook at the site a moment ago."""
    # Two presses of one button wait for each other here.
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    newer = site.runs.filter(pk__gt=seen_run, runbook_version__runbook=version.runbook_id)
    begun = newer.exclude(state__in=Run.ENDED).order_by("pk").first()
    if begun is not None:
        raise RunError(
            "run_begun",
            f"{name_of(begun.started_by)} began this runbook here a moment ago: R-{begun.pk}. Open "
            "it, or start again if a second run is meant.",
        )


def cannot_run(user: User, site: Site) -> RunError:
    """The person may not work at the site."""
    return RunError(
        "cannot_run",
        f"{name_of(user)} may not follow runbooks at {site}. Choose somebody else, or give them a "
        "role there.",
    )


def begin(
    run: Run,
    *,
    by: User,
    now: datetime,
    to: User | None = None,
    language: str = "",
    channel: Channel = Channel.BROWSER,
    said: Mapping[str, Any] | None = None,
    **noted: Any,
) -> Run:
    """Save a new run, led by whoever begins it, and send `to` to do it where somebody is named.

    `said` and `noted` go into the first entry of its log.
    """
    version = run.runbook_version
    languages = languages_of(version)
    run.language = language if language in languages else languages[0]
    run.lead, run.started_by = by, by
    run.created_at = run.created_at or now
    run.save()
    facts = {"edition": version.number, "alert": run.alert_id, **(said or {})}
    write(run, Kind.CREATED, Writer.person(by, channel), now=now, input=facts, **noted)
    tell(run)
    logger.info("run.created", extra={"run_id": run.pk, "site": run.site.slug})
    if to is not None:
        dispatch_run(run=run, to=to, by=by, now=now, channel=channel)
    return run
