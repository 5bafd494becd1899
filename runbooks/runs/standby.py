"""What a tablet may begin without network: the alerts of its site, and every runbook in force."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from fleet.models import Site
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.match import newest_versions
from runbooks.models import Alert, Run, RunbookVersion
from runbooks.runs.pack import Shared, contacts_of, titles_of, unbegun_pack_of
from runbooks.runs.selectors import document_for_run
from runbooks.runs.values import node_values, values_for_alert, values_for_site

logger = logging.getLogger(__name__)

#: Alerts of a site that a run can be begun for, the most urgent first.
MOST_ALERTS = 20
#: Runbooks that can be begun; the library that comes with the product has 18.
MOST_RUNBOOKS = 100
_IN_ORDER = ("runbook__title", "pk")

Json = dict[str, Any]


def unbegun_runs(*, site: Site, user: User) -> list[Run]:
    """Return the runs that somebody may yet begin at the site, unsaved: for each open alert that
    has none, then for each runbook, those of the site's alerts first."""
    values = values_for_site(site, None)
    runs = [
        Run(
            site=site,
            node=alert.node,
            alert=alert,
            runbook_version=alert.runbook_version,
            values=values_for_alert(alert, of_site=values),
        )
        for alert in _first_alerts(site)
    ]
    runs += [Run(site=site, runbook_version=version, values=values) for version in _in_force()]
    for run in runs:
        run.lead = user
    return runs


def standby_of(*, runs: list[Run], site: Site, me: User, now: datetime, language: str) -> Json:
    """Return what a tablet needs to begin one of `runs`: a pack of each, and the site's nodes.

    The text of a step says nothing of a node before somebody chose one: `values` of `nodes` fill
    it, and `code_slots` says what a scan must read then, by the step's id. `left_out` names the
    runbooks beyond MOST_RUNBOOKS and counts the alerts beyond MOST_ALERTS.
    """
    readable = _readable(runs, language)
    in_force = [run.runbook_version for run in runs if not run.alert]
    shared = Shared(
        contacts=contacts_of(runs[0]) if runs else [],
        titles=titles_of(document for _, document in readable),
        newest={version.runbook_id: version for version in in_force},
        in_force={version.runbook.slug: version for version in in_force},
    )
    return {
        "offers": [
            {
                "pack": unbegun_pack_of(run=run, document=document, me=me, now=now, shared=shared),
                "code_slots": {
                    step.id: step.code for step in document.steps if step.code and not run.node
                },
            }
            for run, document in readable
        ],
        "nodes": [
            {"name": node.name, "values": node_values(node)} for node in site.nodes.order_by("name")
        ],
        "left_out": _left_out(runs, site),
    }


def _left_out(runs: list[Run], site: Site) -> Json:
    """Ask only where the room was used up."""
    alerts = sum(run.alert is not None for run in runs)
    more = max(0, _alerts_without_run(site).count() - alerts) if alerts >= MOST_ALERTS else 0
    is_full = len(runs) - alerts >= MOST_RUNBOOKS
    titles = newest_versions().order_by(*_IN_ORDER).values_list("runbook__title", flat=True)
    return {"alerts": more, "runbooks": list(titles[MOST_RUNBOOKS:]) if is_full else []}


def _readable(runs: list[Run], language: str) -> list[tuple[Run, RunbookDocument]]:
    """Return each run with its words; without those that an older program stored otherwise."""
    found = []
    for run in runs:
        try:
            found.append((run, document_for_run(run, language)))
        except RunbookError:
            logger.warning("standby.unreadable", extra={"edition": run.runbook_version_id})
    return found


def _alerts_without_run(site: Site) -> QuerySet[Alert]:
    under_way = Run.objects.filter(site=site).exclude(state__in=Run.ENDED)
    alerts = Alert.objects.filter(site=site).exclude(response=Alert.Response.CLOSED)
    return alerts.exclude(pk__in=under_way.filter(alert__isnull=False).values("alert_id"))


def _first_alerts(site: Site) -> list[Alert]:
    alerts = _alerts_without_run(site)
    related = alerts.select_related("site__owner", "node__site", "runbook_version__runbook")
    fetched = related.prefetch_related("runbook_version__translations")
    return list(fetched.order_by("severity", "-opened_at")[:MOST_ALERTS])


def _in_force() -> list[RunbookVersion]:
    versions = newest_versions().select_related("runbook").prefetch_related("translations")
    return list(versions.order_by(*_IN_ORDER)[:MOST_RUNBOOKS])
