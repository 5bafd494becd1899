"""Which languages a reader wants runbooks in: what they chose last, then what the browser says."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

#: A browser that names more is no person's.
_MOST: Final = 10
_TAG: Final = re.compile(r"[A-Za-z0-9-]{2,35}")
_KEY: Final = "runbook_language"


def languages_wanted(request: HttpRequest) -> list[str]:
    """Return the tags a reader wants, the dearest first; empty where nothing is said.

    A language that the address asks for (`?lang=`) is kept until they sign out.
    """
    asked = request.GET.get("lang", "")
    if _TAG.fullmatch(asked) and request.session.get(_KEY) != asked:
        request.session[_KEY] = asked
    said = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    chosen = str(request.session.get(_KEY, ""))
    return [tag for tag in (chosen, *(tag for tag, _ in said[:_MOST])) if tag not in ("", "*")]
