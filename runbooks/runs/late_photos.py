"""Photos that come with a key that is no longer in force: kept for the entry that names them.

Text goes before photos, so a photo that comes too late belongs to an entry that is here: in the log
already, or kept aside with the same key. Its hash stands in that entry, so what may come is known
beforehand; a key that was taken back brings nothing else. It is kept with its run like any other
photo. The entry decides where it is shown: in the log once somebody takes the entry in.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from runbooks.models import Run, RunPhoto, RunQuarantine, RunToken
from runbooks.runs.errors import RunError
from runbooks.runs.log import locked_run
from runbooks.runs.photos import keep_photo
from runbooks.runs.tokens import refuse_unfit

logger = logging.getLogger(__name__)

#: Photos of a run that no entry of its log names, as far as keys no longer in force bring them; the
#: rest of the run's room stays for those that are. With 2 MB each, 100 MB a run.
MOST_ASIDE: Final = 50
#: As many in a minute from one device; a tablet tries again by itself.
MOST_A_MINUTE: Final = 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


def take_in_photo(
    *, run: Run, token: RunToken, sha256: str, data: bytes, now: datetime
) -> tuple[RunPhoto, bool]:
    """Keep a photo that came with a known key, in force or not; return it, and whether it is new.

    Raises RunError: what `keep_photo` refuses, the key's own refusal for a photo that no entry of
    it names, too_many_photos, photos_too_fast.
    """
    try:
        refuse_unfit(token, run=run, now=now)
    except RunError as refusal:
        return _keep_late(token=token, sha256=sha256, data=data, refusal=refusal, now=now)
    return keep_photo(run=run, sha256=sha256, data=data, device_id=token.device_id, now=now)


def photos_named_by(row: RunQuarantine) -> list[str]:
    """Return the hashes that an entry kept aside names; it may be anything."""
    try:
        body = json.loads(row.body)
    except ValueError:
        return []
    evidence = body.get("evidence") if isinstance(body, dict) else None
    if not isinstance(evidence, list):
        return []
    return [item for item in evidence if isinstance(item, str) and _SHA256.fullmatch(item)]


@transaction.atomic
def _keep_late(
    *, token: RunToken, sha256: str, data: bytes, refusal: RunError, now: datetime
) -> tuple[RunPhoto, bool]:
    if not _SHA256.fullmatch(sha256):
        raise refusal
    # Another run's key opens nothing there: what it brought is kept with its own run.
    run = locked_run(token.run_id)
    is_logged = _is_logged(run, token, sha256)
    if not is_logged and not _is_aside(run, token, sha256):
        raise refusal
    if not run.photos.filter(sha256=sha256).exists():
        _refuse_flood(run, token, is_logged=is_logged, now=now)
        logger.warning("run.photo_late", extra={"run_id": run.pk, "code": refusal.code})
    return keep_photo(run=run, sha256=sha256, data=data, device_id=token.device_id, now=now)


def _is_logged(run: Run, token: RunToken, sha256: str) -> bool:
    """Tell whether an entry that this device brought while its key was in force names the photo."""
    return run.entries.filter(device_id=token.device_id, evidence__contains=[sha256]).exists()


def _is_aside(run: Run, token: RunToken, sha256: str) -> bool:
    """Tell whether an entry that was kept aside with this very key names the photo."""
    rows = run.quarantine.filter(token=token, body__contains=sha256)
    return any(sha256 in photos_named_by(row) for row in rows)


def _refuse_flood(run: Run, token: RunToken, *, is_logged: bool, now: datetime) -> None:
    lately = run.photos.filter(
        device_id=token.device_id, received_at__gt=now - timedelta(minutes=1)
    )
    if lately.count() >= MOST_A_MINUTE:
        raise RunError(
            "photos_too_fast",
            f"More than {MOST_A_MINUTE} photos in a minute with a key that is no longer in force; "
            "the rest stays on the tablet and is sent later.",
        )
    if not is_logged and _count_aside(run) >= MOST_ASIDE:
        raise RunError(
            "too_many_photos",
            f"R-{run.pk} keeps {MOST_ASIDE} photos aside already and takes no more; the rest stays "
            "on the tablet. Tell the lead.",
        )


def _count_aside(run: Run) -> int:
    """Count the photos that only entries kept aside name."""
    logged = _all(run.entries.exclude(evidence=[]).values_list("evidence", flat=True))
    aside = _all(map(photos_named_by, run.quarantine.exclude(body__contains='"evidence": []')))
    return run.photos.filter(sha256__in=aside - logged).count()


def _all(lists: Iterable[list[str]]) -> set[str]:
    return {item for items in lists for item in items}
