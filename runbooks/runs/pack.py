"""A run as a device carries it: everything its steps need, and the log so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from fleet.models import Contact, Owner
from fleet.services.phones import emergency_numbers_of
from runbooks.library.document import RunbookDocument, RunbookStep, code_to_scan
from runbooks.library.markdown import Markdown
from runbooks.library.translations import languages_of
from runbooks.models import Run, Runbook, RunbookVersion, RunEntry
from runbooks.runs.linked import editions_led_to, links_of
from runbooks.runs.log import name_of
from runbooks.runs.selectors import document_for_run, newer_edition

FORMAT = 1
_SECTIONS = ("meaning", "impact", "safety", "verify", "escalate")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shared:
    """What many packs have in common, asked once for all of them."""

    contacts: list[Json]
    titles: Mapping[str, str]
    newest: Mapping[int, RunbookVersion]
    #: The editions that steps may lead to, by the slug of their runbook.
    in_force: Mapping[str, RunbookVersion]


def pack_of(*, run: Run, me: User | None, now: datetime, language: str = "") -> Json:
    """Return the pack of a run for `me`, who is None for a device without an account."""
    document = document_for_run(run, language)
    shared = Shared(contacts_of(run), titles_of([document]), {}, editions_led_to(document))
    entries = [entry_json(row) for row in entries_of(run)]
    return _pack(run, document, me, now, shared) | {"newer": newer_of(run), "entries": entries}


def unbegun_pack_of(
    *, run: Run, document: RunbookDocument, me: User, now: datetime, shared: Shared
) -> Json:
    """Return the pack of a run that nobody began yet, in the words of `document`; no query where
    the translations of its edition were fetched."""
    version = run.runbook_version
    newest = shared.newest.get(version.runbook_id, version)
    newer = _named(newest) if newest.number > version.number else None
    return _pack(run, document, me, now, shared) | {"newer": newer, "entries": []}


def _pack(
    run: Run, document: RunbookDocument, me: User | None, now: datetime, shared: Shared
) -> Json:
    text = Markdown(run.values)
    return {
        "format": FORMAT,
        "server_time": now.isoformat(),
        "run": _standing(run) | _run(run, document, me),
        "contacts": shared.contacts,
        "sections": {name: text.block(getattr(document, name)) for name in _SECTIONS},
        "steps": _steps(run, document, text, shared.titles),
        "links": links_of(document, text, shared.in_force),
    }


def changes_of(*, run: Run, since: int, now: datetime) -> Json:
    """Return where the run stands, and the entries that are newer than `since`."""
    return {
        "server_time": now.isoformat(),
        "run": standing_of(run),
        "entries": [entry_json(row) for row in entries_of(run).filter(pk__gt=since)],
    }


def standing_of(run: Run) -> Json:
    """Return what of a run changes while it is carried."""
    return _standing(run) | {"newer": newer_of(run)}


def _standing(run: Run) -> Json:
    return {
        "id": run.pk,
        "state": run.state,
        "revision": run.revision,
        "paused": run.paused_at is not None,
        "reason": run.reason,
        "version": run.runbook_version.number,
        "lead": name_of(run.lead),
        "lead_id": run.lead_id,
        "ended_at": _iso(run.ended_at),
    }


def entries_of(run: Run) -> QuerySet[RunEntry]:
    """Return the run's log in its order."""
    return run.entries.select_related("runbook_version").order_by("pk")


def entry_json(row: RunEntry) -> Json:
    """Return an entry as devices read it."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "step": row.step_id,
        "version": row.runbook_version.number,
        "channel": row.channel,
        "by": row.actor_name,
        "by_id": row.actor_id,
        "device": row.device_id,
        "count": row.counter,
        "at": _iso(row.client_at),
        "received_at": row.received_at.isoformat(),
        "skew": row.skew_seconds,
        "input": row.input,
        "evidence": row.evidence,
        "is_after_end": row.is_after_end,
    }


def newer_of(run: Run) -> Json | None:
    """Return the newer edition of the run's runbook, None while it follows the newest."""
    newer = newer_edition(run)
    return None if newer is None else _named(newer)


def _named(newer: RunbookVersion) -> Json:
    return {"version": newer.number, "published_at": newer.published_at.isoformat()}


def _run(run: Run, document: RunbookDocument, me: User | None) -> Json:
    site, alert, version = run.site, run.alert, run.runbook_version
    return {
        "site": {
            "slug": site.slug,
            "name": site.name,
            "place": site.place,
            "time_zone": site.time_zone,
        },
        "node": run.node.name if run.node else None,
        "alert": {
            "id": alert.pk,
            "summary": alert.summary,
            "severity": alert.get_severity_display().lower(),
        }
        if alert
        else None,
        "runbook": _runbook(version, document),
        "me": {"id": me.pk, "name": name_of(me)} if me else None,
    }


def _runbook(version: RunbookVersion, document: RunbookDocument) -> Json:
    return {
        "slug": version.runbook.slug,
        "title": document.title,
        "version": version.number,
        "language": document.language,
        "languages": languages_of(version),
        "minutes": document.minutes,
    }


def contacts_of(run: Run) -> list[Json]:
    """Return whom to call, as far as a person can: pagers' addresses are no way for people.

    First those who help in an emergency at the site.
    """
    found = [
        {"role": "In an emergency", "name": one.label, "phone": one.number, "how": ""}
        for one in emergency_numbers_of(site=run.site)
    ]
    asked = Q(is_catch_all=True) | Q(user__isnull=False, user=run.lead)
    others = list(Owner.objects.filter(asked))
    owners = [("Owner of the site", run.site.owner)] if run.site.owner else []
    owners += [
        ("When nobody else answers", one)
        for one in others
        if one.is_catch_all and one.pk != run.site.owner_id
    ]
    found += [
        {"role": role, "name": owner.name, "phone": owner.phone, "how": _how(owner)}
        for role, owner in owners
    ]
    if run.lead is not None:
        phone = next((one.phone for one in others if one.user_id == run.lead.pk), "")
        role, name = "Lead of this run", name_of(run.lead)
        found.append({"role": role, "name": name, "phone": phone, "how": run.lead.email})
    return found


def _how(owner: Owner) -> str:
    mail = owner.contacts.filter(kind=Contact.Kind.EMAIL).order_by("position").first()
    return mail.url.removeprefix("mailto:") if mail else ""


def titles_of(documents: Iterable[RunbookDocument]) -> dict[str, str]:
    """Return what the runbooks are called that steps of these lead to, by slug."""
    slugs = {step.runbook for document in documents for step in document.steps if step.runbook}
    return dict(Runbook.objects.filter(slug__in=slugs).values_list("slug", "title"))


def _steps(
    run: Run, document: RunbookDocument, text: Markdown, titles: Mapping[str, str]
) -> list[Json]:
    media = dict(document.media)
    return [_step(run, step, text, titles, media) for step in document.steps]


def _step(
    run: Run,
    step: RunbookStep,
    text: Markdown,
    titles: Mapping[str, str],
    media: Mapping[str, str],
) -> Json:
    digest = media.get(step.picture)
    return {
        "id": step.id,
        "number": step.number,
        "title": text.line(step.title),
        "kind": step.kind,
        "body": text.block(step.body),
        **{name: text.line(getattr(step, name)) for name in ("expect", "otherwise", "warning")},
        "who": step.who,
        "is_mandatory": step.is_mandatory,
        "is_destructive": step.is_destructive,
        "unit": step.unit,
        "min": step.minimum,
        "max": step.maximum,
        "options": [
            {"label": option.label, "choice": option.choice, "goto": option.goto}
            for option in step.options
        ],
        "code": code_to_scan(step, run.values),
        "approver": step.approver,
        "wait_seconds": step.wait_seconds,
        "for_seconds": step.for_seconds,
        "within_seconds": step.within_seconds,
        "metric": step.metric,
        "runbook": {"slug": step.runbook, "title": titles.get(step.runbook, step.runbook)}
        if step.runbook
        else None,
        "picture": {"url": picture_path(run, digest), "alt": step.picture_alt} if digest else None,
    }


def picture_path(run: Run, digest: str) -> str:
    """Return where a picture of the run's edition is read: with the run's own key, or in the
    library while nobody began the run."""
    if run.pk is None:
        return f"/runbooks/media/{digest}"
    return f"/api/v1/runs/{run.pk}/pictures/{digest}"


def picture_digests(run: Run) -> set[str]:
    """Return the hashes of the pictures that the run's edition shows, in any language."""
    documents: Iterable[Json] = [
        run.runbook_version.document,
        *(row.document for row in run.runbook_version.translations.all()),
    ]
    return {str(d) for document in documents for d in dict(document.get("media") or {}).values()}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
