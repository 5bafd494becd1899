"""Pictures of runbooks as forms bring them: by a name that a picture may have, bounded."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from runbooks.library.pictures import LARGEST_PICTURE
from runbooks.library.values import slug_of_name

MOST_PICTURES = 20


def uploaded_pictures(request: HttpRequest) -> dict[str, bytes]:
    """Return what was uploaded by a name that a picture may have; no more of each than is kept."""
    found: dict[str, bytes] = {}
    for upload in request.FILES.getlist("pictures")[:MOST_PICTURES]:
        if isinstance(upload, UploadedFile):
            path = PurePosixPath(upload.name or "")
            name = f"{slug_of_name(path.stem)[:60].strip('-')}{path.suffix.lower()}"
            found[name] = upload.read(LARGEST_PICTURE + 1)
    return found
