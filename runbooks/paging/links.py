"""The links in a page: whoever got it acknowledges by one; a browser says that it showed it.

A link is signed for its one act, says which page it came in and when it was written, and dies
after a day. Its token is as good as a key for that act: it is never logged and never kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.core.signing import BadSignature, Signer

from runbooks.models import Page
from runbooks.refused import Refused

LIFETIME = timedelta(hours=24)
#: Hexadecimal digits of a page's id; the rest of what is signed is the time.
_ID_DIGITS = 32


class LinkError(Refused):
    """A link that opens nothing: a `code` for machines, a sentence for people.

    `page` is the page it came in, where that much can be told.
    """

    def __init__(self, code: str, sentence: str, page: Page | None = None) -> None:
        super().__init__(code, sentence)
        self.page = page


class Act(StrEnum):
    """What a link is good for; each has a signature of its own."""

    ACKNOWLEDGE = "runbooks.paging.links"
    SHOWN = "runbooks.paging.links.shown"


def token_for(page: Page, *, at: datetime, act: Act = Act.ACKNOWLEDGE) -> str:
    """Return the token of a link written at `at`; letters, digits, `-`, `_` and one point."""
    return _signer(act).sign(f"{page.pk.hex}{int(at.timestamp()):x}")


def page_of(token: str, *, now: datetime, act: Act = Act.ACKNOWLEDGE) -> Page:
    """Return the page that the link came in, with its alert.

    Raises LinkError: `link_unknown` for what was never a link of ours for this act, `link_expired`
    after a day. Whether it was used already is the page's `link_used_at`, or its receipt: that
    question is asked under a lock.
    """
    try:
        signed = _signer(act).unsign(token)
        page_id = UUID(hex=signed[:_ID_DIGITS])
        written_at = datetime.fromtimestamp(int(signed[_ID_DIGITS:], 16), UTC)
    except (BadSignature, ValueError, OverflowError):
        raise _unknown() from None
    page = (
        Page.objects.filter(pk=page_id, purpose=Page.Purpose.PAGE)
        .select_related(
            "owner__user",
            "contact",
            "alert__site__owner",
            "alert__node",
            "alert__acknowledged_by",
            "alert__acknowledged_owner",
            "alert__closed_by",
            "alert__closed_owner",
            "alert__runbook_version__runbook",
        )
        .first()
    )
    if page is None:
        raise _unknown()
    if now >= written_at + LIFETIME:
        raise LinkError(
            "link_expired",
            "This link is more than a day old and opens nothing any more. Log in to see where the "
            "alert stands.",
            page,
        )
    return page


def _unknown() -> LinkError:
    return LinkError(
        "link_unknown",
        "This link cannot be read. It may have been cut off on its way: open it from the page "
        "itself, or log in.",
    )


def _signer(act: Act) -> Signer:
    # A point, because some phones end a link at the colon that stands there otherwise.
    return Signer(sep=".", salt=act.value)
