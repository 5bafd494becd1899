"""Photos of a run: kept by the hash of their bytes, once, and never changed."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime

from django.db import transaction

from runbooks.models import Run, RunPhoto
from runbooks.runs.checks import MOST_PHOTOS
from runbooks.runs.errors import RunError
from runbooks.runs.images import read_image
from runbooks.runs.log import locked_run, tell

logger = logging.getLogger(__name__)

MOST_BYTES = 2 * 2**20
#: A photo of more pixels would stop a phone that shows it.
LONGEST_SIDE = 8192


def too_large() -> RunError:
    """The photo is longer than a run takes."""
    return RunError(
        "photo_too_large",
        f"A photo has at most {MOST_BYTES // 2**20} MB and {LONGEST_SIDE} pixels a side; make it "
        "smaller.",
    )


@transaction.atomic
def keep_photo(
    *, run: Run, sha256: str, data: bytes, device_id: str, now: datetime
) -> tuple[RunPhoto, bool]:
    """Keep a photo; return it, and whether it is new. It may come after the run's end.

    Raises RunError: photo_damaged, photo_too_large, photo_type, too_many_photos.
    """
    if len(data) > MOST_BYTES:
        raise too_large()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise RunError(
            "photo_damaged", "The photo arrived damaged: its hash is another. Send it again."
        )
    image = read_image(data)
    if image is None:
        raise RunError("photo_type", "This is no whole JPEG, PNG or WebP image; send one.")
    if max(image.width, image.height) > LONGEST_SIDE:
        raise too_large()
    current = locked_run(run.pk)
    kept = current.photos.filter(sha256=sha256).first()
    if kept is not None:
        return kept, False
    if current.photos.count() >= MOST_PHOTOS:
        raise RunError(
            "too_many_photos", f"R-{run.pk} has {MOST_PHOTOS} photos already and takes no more."
        )
    photo = RunPhoto.objects.create(
        run=current,
        sha256=sha256,
        content_type=image.content_type,
        width=image.width,
        height=image.height,
        size=len(data),
        data=data,
        received_at=now,
        device_id=device_id,
    )
    logger.info("run.photo_kept", extra={"run_id": run.pk, "size": len(data)})
    tell(current)
    return photo, True
