"""Attempts: one request that was made for a page, as a row and as a line of the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fleet.models import Contact
from runbooks.models import AlertEvent, Page, PageAttempt
from runbooks.paging.outcome import Answer, Fate, asks_to_acknowledge, describe, fate_of
from runbooks.paging.timeline import clip

#: What takes a page on behalf of somebody else, and delivers it later or never.
HANDED_ON = frozenset({Contact.Kind.EMAIL, Contact.Kind.WEB_PUSH, Contact.Kind.APPRISE})
_TOLD = {
    Page.Purpose.ACKNOWLEDGED: "told that somebody has it",
    Page.Purpose.RESOLVED: "told that it is over",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one request for a page that travelled in it, beside how many `others`."""

    page: Page
    started_at: datetime
    answer: Answer
    others: int = 0

    @property
    def is_plain_success(self) -> bool:
        """Whether the page was taken, and the answer asks for nothing."""
        return fate_of(self.answer) is Fate.SENT and not asks_to_acknowledge(self.answer)

    @property
    def is_handed_on(self) -> bool:
        """Whether whoever took the page has yet to deliver it."""
        return self.page.contact.kind in HANDED_ON

    @property
    def outcome(self) -> str:
        """The outcome in a few words."""
        return describe(self.answer, kind=self.page.contact.kind)

    def row(self) -> PageAttempt:
        """Return the row that keeps it."""
        return PageAttempt(
            page=self.page,
            number=self.page.attempts_made,
            started_at=self.started_at,
            duration_ms=self.answer.duration_ms,
            status=self.answer.status,
            error=clip(self.answer.error, 300),
            body_head=self.answer.body_head,
        )

    def sent_entry(self, now: datetime) -> AlertEvent:
        """Return the entry that says that the page was taken."""
        return AlertEvent(
            alert=self.page.alert,
            kind=AlertEvent.Kind.PAGE_SENT,
            at=now,
            sentence=self._sent_sentence(),
        )

    def _sent_sentence(self) -> str:
        page, others = self.page, self.others
        how = f"(attempt {page.attempts_made}, {self.outcome})"
        if page.purpose != Page.Purpose.PAGE:
            told = _TOLD[Page.Purpose(page.purpose)]
            return f"{page.contact.label} of {page.owner.name} {told} {how}."
        plural = "page" if others == 1 else "pages"
        bundle = f" in one request with {others} other {plural}" if others else ""
        return f"Page delivered to {page.owner.name} by {page.contact.label}{bundle} {how}."
