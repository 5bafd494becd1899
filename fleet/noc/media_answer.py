"""An image by the hash of its bytes, as an answer that can do nothing but be looked at."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse

#: Whatever somebody made a picture do: no script, no request, no place of its own. An SVG may
#: still colour itself.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def kept_image(data: bytes, content_type: str) -> HttpResponse:
    """Return the image; the address holds its hash, so a browser may keep it for good."""
    answer = HttpResponse(data, content_type=content_type)
    answer["Cache-Control"] = "private, max-age=31536000, immutable"
    answer["Content-Disposition"] = "inline"
    answer["Content-Security-Policy"] = _POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
