"""Leases: one worker at a time holds a page, and a worker that dies lets go by itself.

A page is claimed in a short transaction, sent outside any, and its outcome is recorded only by
the token it was claimed with. An expired lease is claimed again under the same page id, so a
crash costs at most one duplicate, which the receiver knows by its `webhook-id`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import F, Q

from runbooks.models import Alert, Page, PageAttempt

#: Between the end of the request and the end of the lease: time to write the outcome.
LEASE_SLACK = timedelta(seconds=5)


@transaction.atomic
def claim_page(
    *, now: datetime, timeout: timedelta, busy_contacts: Collection[int] = ()
) -> Page | None:
    """Lease the page that is due the longest, and count the attempt; None when none is due.

    Pages that another worker holds, and those to `busy_contacts`, are passed over.
    """
    due = Page.objects.select_for_update(skip_locked=True, no_key=True).filter(
        Q(state=Page.State.PENDING) | Q(lease_expires_at__lte=now),
        # Said so that the partial index on due pages applies.
        state__in=[Page.State.PENDING, Page.State.LEASED],
        next_attempt_at__lte=now,
    )
    page = due.exclude(contact__in=busy_contacts).order_by("next_attempt_at", "created_at").first()
    if page is None:
        return None
    length = timeout + LEASE_SLACK
    if page.lease_expires_at is not None:
        _account_for_lost_attempt(page, began_at=page.lease_expires_at - length)
    expires = now + length
    Page.objects.filter(pk=page.pk).update(
        state=Page.State.LEASED,
        lease_token=uuid.uuid4(),
        lease_expires_at=expires,
        # So that the index on due pages also finds leases that expired.
        next_attempt_at=expires,
        attempts_made=F("attempts_made") + 1,
    )
    page.refresh_from_db()
    return page


def page_to_send(page: Page) -> Page | None:
    """Read the leased page again, with all it says; None when nobody wants it any more.

    Asked just before the request: an acknowledgement may have come after the claim.
    """
    return (
        _held(page)
        .filter(
            alert__response=Alert.Response.UNACKNOWLEDGED,
            alert__condition=Alert.Condition.FIRING,
        )
        .select_related(
            "owner",
            "contact",
            "alert__site__owner",
            "alert__node",
            "alert__runbook_version__runbook",
            "alert__policy_version",
            "alert__escalation",
        )
        .first()
    )


def settle(page: Page, **fields: object) -> bool:
    """Write the outcome and end the lease; False when the lease is no longer this worker's."""
    return bool(_held(page).update(lease_token=None, lease_expires_at=None, **fields))


def _held(page: Page) -> models.QuerySet[Page]:
    return Page.objects.filter(pk=page.pk, state=Page.State.LEASED, lease_token=page.lease_token)


def _account_for_lost_attempt(page: Page, *, began_at: datetime) -> None:
    """Say in the page's attempts that a worker ended before it wrote what came of its attempt."""
    PageAttempt.objects.create(
        page=page,
        number=page.attempts_made,
        started_at=began_at,
        error="The worker ended before it wrote down the answer; the page was sent again.",
    )
