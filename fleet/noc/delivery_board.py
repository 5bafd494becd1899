"""What the delivery log shows: every page, where it went, what answered, how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page as Sheet
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import QueryDict

from fleet.access import Action, AnyUser, sites_visible_to, sites_where
from fleet.models import Contact, Site
from fleet.noc.oncall_rights import owners_visible_to, sees_everything
from fleet.noc.whole_numbers import read_whole
from runbooks.models import Page
from runbooks.paging.contact_rows import REMOVED
from runbooks.paging.deliveries import (
    OwnerLoad,
    dead_pages_for,
    deliveries_for,
    pages_per_owner,
)

#: Rows on one sheet of the log.
ROWS: Final = 50
#: More requests than these in ten minutes are more than somebody can take in.
LOAD_LIMIT: Final = 5
_TABS: Final = (
    ("dead", "Dead letters"),
    ("", "All"),
    ("pending", "Waiting"),
    ("leased", "On their way"),
    ("sent", "Arrived"),
    ("cancelled", "Cancelled"),
)
_STATES: Final = {
    "pending": ("p3", "waiting"),
    "leased": ("maint", "on its way"),
    "sent": ("ok", "arrived"),
    "cancelled": ("ok", "cancelled"),
    "dead": ("p1", "dead"),
}
_RECEIPTS: Final = {
    "queued": "queued by the receiver",
    "delivered": "delivered to the phone",
    "read": "read",
    "failed": "the receiver could not deliver it",
}


@dataclass(frozen=True, slots=True)
class LogFilters:
    """What the reader asked for; it stands in the address. `state` is `dead` to begin with."""

    state: str = "dead"
    site: str = ""
    contact: int = 0
    sheet: int = 1

    @classmethod
    def read(cls, query: QueryDict) -> LogFilters:
        """Return the filters in an address; words it does not know count as not given."""
        state = query.get("state", "dead")
        return cls(
            state=state if state in dict(_TABS) else "dead",
            site=query.get("site", ""),
            contact=_number(query.get("contact", "")),
            sheet=max(1, _number(query.get("sheet", ""))),
        )

    @property
    def query(self) -> str:
        """The filters as they stand in the address, with their question mark."""
        pairs: dict[str, str] = {"state": self.state}
        if self.site:
            pairs["site"] = self.site
        if self.contact:
            pairs["contact"] = str(self.contact)
        if self.sheet > 1:
            pairs["sheet"] = str(self.sheet)
        return f"?{urlencode(pairs)}"


@dataclass(frozen=True, slots=True)
class Tab:
    """One state to look at."""

    label: str
    query: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One page; `latency` is from being owed to being taken by the receiver, empty until then."""

    page: Page
    mark: str
    word: str
    latency: str
    receipt: str
    travels_with: int
    may_redeliver: bool


@dataclass(frozen=True, slots=True)
class DeliveryBoard:
    """The whole page."""

    filters: LogFilters
    tabs: Sequence[Tab]
    rows: Sequence[DeliveryRow]
    sheet: Sheet[Page]
    earlier: str
    later: str
    dead_count: int
    sites: Sequence[Site]
    contacts: Sequence[Contact]
    load: Sequence[OwnerLoad]
    load_limit: int = LOAD_LIMIT


def delivery_board(*, user: AnyUser, filters: LogFilters, now: datetime) -> DeliveryBoard:
    """Return one sheet of the log as `user` may see it."""
    sites = list(sites_visible_to(user).only("slug", "name", "time_zone").order_by("name"))
    contacts = list(
        Contact.objects.filter(owner__in=owners_visible_to(user))
        .exclude(disabled_reason=REMOVED)
        .select_related("owner")
        .order_by("owner__name", "position")
    )
    found = _narrow(user, filters, sites, contacts)
    sheet = Paginator(found, ROWS).get_page(filters.sheet)
    pages = list(sheet.object_list)
    answerable = set(
        sites_where(user, Action.RESPOND)
        .filter(pk__in={page.alert.site_id for page in pages})
        .values_list("pk", flat=True)
    )
    dead_count = dead_pages_for(user).count()
    return DeliveryBoard(
        filters=filters,
        tabs=[
            Tab(
                label,
                replace(filters, state=state, sheet=1).query,
                filters.state == state,
                dead_count if state == "dead" else None,
            )
            for state, label in _TABS
        ],
        rows=[_row(page, page.alert.site_id in answerable) for page in pages],
        sheet=sheet,
        earlier=_turn(filters, sheet.next_page_number()) if sheet.has_next() else "",
        later=_turn(filters, sheet.previous_page_number()) if sheet.has_previous() else "",
        dead_count=dead_count,
        sites=sites,
        contacts=contacts,
        load=pages_per_owner(now=now) if sees_everything(user) else [],
    )


def page_for(user: AnyUser, page_id: UUID) -> Page | None:
    """Return one page of a site at which `user` may act, None where there is none."""
    at = sites_where(user, Action.RESPOND)
    return Page.objects.filter(pk=page_id, alert__site__in=at).select_related("alert").first()


def latency_words(milliseconds: float | None) -> str:
    """Return how long a page took: `340 ms`, `2.4 s`, `3 min 5 s`; empty without an answer."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _narrow(
    user: AnyUser, filters: LogFilters, sites: Sequence[Site], contacts: Sequence[Contact]
) -> QuerySet[Page]:
    site = next((row for row in sites if row.slug == filters.site), None)
    contact = next((row for row in contacts if row.pk == filters.contact), None)
    return deliveries_for(user, state=filters.state or None, site=site, contact=contact)


def _row(page: Page, may_respond: bool) -> DeliveryRow:
    mark, word = _STATES[page.state]
    if page.state == Page.State.SENT and page.receipt == Page.Receipt.QUEUED:
        mark, word = "p3", "handed on"
    latency = getattr(page, "latency_ms", None)
    return DeliveryRow(
        page=page,
        mark=mark,
        word=word,
        latency=latency_words(None if latency is None else float(latency)),
        receipt=_receipt(page),
        travels_with=getattr(page, "bundled_count", 0),
        may_redeliver=may_respond and page.state == Page.State.DEAD,
    )


def _receipt(page: Page) -> str:
    words = _RECEIPTS.get(page.receipt, "")
    if page.contact.kind == Contact.Kind.WEB_PUSH and page.receipt == Page.Receipt.DELIVERED:
        words = "shown by the browser"
    if page.is_follow_up_owed:
        return f"{words}; the next contact is tried once the alert is not held back"
    return f"{words}; the next contact was tried" if page.failed_over_at else words


def _turn(filters: LogFilters, sheet: int) -> str:
    return replace(filters, sheet=sheet).query


def _number(text: str) -> int:
    return read_whole(text, digits=9) or 0
