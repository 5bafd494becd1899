"""Making tablets ready for a site: what one has to hold, and how ready each says it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from fleet.models import Site
from runbooks.models import Run, RunbookMedia, Tablet
from runbooks.runs.batch import is_whole, read_device
from runbooks.runs.checks import is_storable
from runbooks.runs.errors import RunError
from runbooks.runs.pack import picture_digests, picture_path
from runbooks.runs.selectors import open_runs, runs_where
from runbooks.runs.standby import standby_of, unbegun_runs

#: Runs that a tablet carries for a site, the newest first; each may have many pictures.
MOST_RUNS = 20
#: Bytes of pictures that a tablet carries for a site.
MOST_BYTES = 25_000_000
LONGEST_LABEL = 80
_MOST = 2**31 - 1
#: Runs beyond those that are named as left out.
_MOST_NAMED = 20

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a tablet says of itself."""

    device_id: str
    label: str
    manifest_hash: str
    file_count: int
    ready_count: int
    is_storage_persistent: bool
    waiting_count: int


def site_pack_of(*, site: Site, user: User, now: datetime, language: str = "") -> Json:
    """Return what a tablet has to hold for the site: files with their hashes, open runs, and what
    can be begun there without network.

    The newest runs first, until MOST_RUNS are named or their pictures would be more than
    MOST_BYTES; a run whose pictures have no room is left out whole, and an older one that needs
    less is carried. What is left out is named. Where no room is left for the pictures of what can
    be begun, their words stand alone.
    """
    asked = open_runs(runs_where(user)).filter(site=site).order_by("-pk")[: MOST_RUNS + _MOST_NAMED]
    newest = list(asked)
    runs, files, total = _carried(newest[:MOST_RUNS])
    ids = [run.pk for run in runs]
    left_out = [_named(run) for run in newest if run.pk not in ids]
    unbegun = unbegun_runs(site=site, user=user)
    more = _pictures_of(unbegun, room=MOST_BYTES - total)
    files, total = [*files, *more], total + sum(file["size"] for file in more)
    return {
        "hash": hashlib.sha256(json.dumps([files, ids, left_out]).encode()).hexdigest(),
        "site": site.slug,
        "name": site.name,
        "files": files,
        "total": total,
        "most": MOST_BYTES,
        "runs": ids,
        "left_out": left_out,
        "server_time": now.isoformat(),
        "standby": standby_of(runs=unbegun, site=site, me=user, now=now, language=language),
    }


def _carried(runs: Sequence[Run]) -> tuple[list[Run], list[Json], int]:
    """Return the runs that there is room for, their pictures, and the bytes of those."""
    digests = {run.pk: sorted(picture_digests(run)) for run in runs}
    media = RunbookMedia.objects.filter(sha256__in=set().union(*digests.values()))
    sizes = dict(media.values_list("sha256", "size"))
    carried: list[Run] = []
    files: list[Json] = []
    total = 0
    for run in runs:
        shown = [digest for digest in digests[run.pk] if digest in sizes]
        needs = sum(sizes[digest] for digest in shown)
        if total + needs > MOST_BYTES:
            continue
        total += needs
        carried.append(run)
        files += [
            {"url": picture_path(run, digest), "sha256": digest, "size": sizes[digest]}
            for digest in shown
        ]
    return carried, files, total


def _pictures_of(runs: Sequence[Run], *, room: int) -> list[Json]:
    """Return the pictures of runs that nobody began yet, each once, as far as there is room."""
    # Of many alerts with one edition the pictures are asked once.
    by_edition = {run.runbook_version_id: run for run in runs}
    shown = {digest: run for run in by_edition.values() for digest in sorted(picture_digests(run))}
    files: list[Json] = []
    sizes = RunbookMedia.objects.filter(sha256__in=shown).order_by("size", "sha256")
    for digest, size in sizes.values_list("sha256", "size"):
        if size > room:
            break
        room -= size
        url = picture_path(shown[digest], digest)
        files.append({"url": url, "sha256": digest, "size": size})
    return files


def _named(run: Run) -> Json:
    return {"id": run.pk, "title": run.runbook_version.runbook.title}


def read_readiness(data: Mapping[str, Any]) -> Readiness:
    """Read what a tablet says of itself; RunError where it says nothing of the kind."""
    label, digest = data.get("label", ""), data.get("hash", "")
    counts = [data.get(name, 0) for name in ("files", "ready", "waiting")]
    is_fine = (
        isinstance(label, str)
        and is_storable(label, LONGEST_LABEL)
        and isinstance(digest, str)
        and is_storable(digest, 64)
        and all(is_whole(count, 0, _MOST) for count in counts)
        and isinstance(data.get("persistent", False), bool)
    )
    if not is_fine:
        raise RunError(
            "bad_readiness",
            "'label' and 'hash' are short texts, 'files', 'ready' and 'waiting' whole numbers, "
            "'persistent' is true or false.",
        )
    return Readiness(
        device_id=read_device(data),
        label=label,
        manifest_hash=digest,
        file_count=counts[0],
        ready_count=counts[1],
        is_storage_persistent=data.get("persistent", False),
        waiting_count=counts[2],
    )


@transaction.atomic
def note_readiness(*, site: Site, user: User, said: Readiness, now: datetime) -> Tablet:
    """Note how ready a tablet is for the site; it may be for others, too."""
    of_device = {
        "label": said.label,
        "is_storage_persistent": said.is_storage_persistent,
        "waiting_count": said.waiting_count,
        "last_seen_at": now,
    }
    at_site = {
        "user": user,
        "manifest_hash": said.manifest_hash,
        "file_count": said.file_count,
        "ready_count": said.ready_count,
        "checked_at": now,
    }
    tablet, _ = Tablet.objects.update_or_create(
        device_id=said.device_id, site=site, defaults=of_device | at_site
    )
    # What it has to send it says of all it holds, wherever that belongs.
    Tablet.objects.filter(device_id=said.device_id).exclude(pk=tablet.pk).update(**of_device)
    return tablet
