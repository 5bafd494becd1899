"""Acknowledgements that come from pages: by the link in one, by a receiver's reply, by the API.

Whoever got the page acts as the owner it was sent to. They may have no account: the page is what
they have been trusted with, and acknowledging its alert is all it opens.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from fleet.services.engine import Module
from runbooks.alerts.errors import AlertError
from runbooks.alerts.services import acknowledge_alert
from runbooks.models import Alert, AlertEvent, Page
from runbooks.paging.links import LinkError
from runbooks.paging.worklist import work_through

logger = logging.getLogger(__name__)

Channel = AlertEvent.Channel


@transaction.atomic
def acknowledge_by_link(*, page: Page, now: datetime) -> None:
    """Take the alert for the owner whom the link's page was sent to; the link is used up.

    Raises LinkError (`link_used`), and AlertNotWaiting or AlertClosed, which leave it unused.
    """
    # The alert's lock makes one press of two at the same moment the first.
    Alert.objects.select_for_update(no_key=True).get(pk=page.alert_id)
    if not Page.objects.filter(pk=page.pk, link_used_at__isnull=True).exists():
        raise LinkError(
            "link_used",
            "This link was used already; it works once. Log in to act on the alert again.",
            page,
        )
    _acknowledge(page, Channel.LINK, now)
    Page.objects.filter(pk=page.pk).update(link_used_at=now)


@transaction.atomic
def acknowledge_by_api(*, page: Page, now: datetime) -> None:
    """Take the alert because the page's receiver asked for it; asked twice, it happens once.

    Raises AlertNotWaiting and AlertClosed.
    """
    _acknowledge(page, Channel.API, now)


def take_in_replies(*, now: datetime, limit: int = 200) -> int:
    """Acknowledge the alerts whose pages were answered with the wish to; return how many pages.

    A reply that comes too late, to an alert that is closed or taken, is passed over.
    """
    # The alert is locked, not the page: others lock alerts first.
    owed = (
        Page.objects.select_for_update(skip_locked=True, no_key=True, of=("alert",))
        .filter(replied_at__isnull=False, link_used_at__isnull=True)
        .select_related("alert", "owner__user")
        .order_by("replied_at", "pk")
    )
    return work_through(
        owed, partial(_take_in, now=now), module=Module.RESPONSE, limit=limit, event="reply.failed"
    )


def _take_in(page: Page, *, now: datetime) -> None:
    try:
        with transaction.atomic():
            _acknowledge(page, Channel.REPLY, now)
    except AlertError as refusal:
        logger.info("reply.too_late", extra={"alert_id": page.alert_id, "code": refusal.code})
    Page.objects.filter(pk=page.pk, link_used_at__isnull=True).update(link_used_at=now)


def _acknowledge(page: Page, channel: AlertEvent.Channel, now: datetime) -> None:
    user = _user_of(page)
    acknowledge_alert(
        alert=page.alert,
        by=user,
        owner=None if user else page.owner,
        channel=channel,
        now=now,
        # A page's link and its reply act once; the API may be asked again after a release.
        client_action_id=None if channel is Channel.API else f"{channel}-{page.pk.hex}",
    )


def _user_of(page: Page) -> User | None:
    """Return the owner's own account, where they have one that is not switched off."""
    user = page.owner.user
    return user if user is not None and user.is_active else None
