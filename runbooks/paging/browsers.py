"""Browsers as contacts: the subscription that a browser made becomes a way to page its user."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from fleet.models import Contact, Owner
from runbooks.paging.contact_input import ContactError
from runbooks.paging.contacts import add_contact, change_contact, contacts_of

_KEYS = ("p256dh", "auth")


def subscribe_browser(
    *,
    owner: Owner,
    subscription: object,
    label: str,
    known_as: int | None,
    by: User | None,
    now: datetime,
) -> Contact:
    """Keep a browser's subscription; return the contact that is to be tested next.

    `subscription` is what the browser's `PushSubscription.toJSON()` says. `known_as` is the
    contact that the browser was before: it stays in force until the new subscription has passed
    its test. Raises ContactError as `add_contact` does, and `bad_subscription`.
    """
    url, secret = _read(subscription)
    browsers = contacts_of(owner).filter(kind=Contact.Kind.WEB_PUSH)
    known = browsers.filter(url=url).first()
    if known is None and known_as is not None:
        known = browsers.filter(pk=known_as).first()
    if known is not None:
        return change_contact(contact=known, label=label, url=url, secret=secret, by=by, now=now)
    return add_contact(
        owner=owner,
        kind=Contact.Kind.WEB_PUSH,
        label=label,
        url=url,
        secret=secret,
        by=by,
        now=now,
    )


def _read(subscription: object) -> tuple[str, str]:
    """Return the address and the keys, in the words of a contact; raises ContactError."""
    said: dict[str, Any] = subscription if isinstance(subscription, dict) else {}
    url, keys = said.get("endpoint"), said.get("keys")
    pair = [keys.get(name) for name in _KEYS] if isinstance(keys, dict) else [None]
    if not isinstance(url, str) or not all(isinstance(key, str) for key in pair):
        raise ContactError(
            "bad_subscription",
            "The browser's subscription cannot be read. Subscribe anew in that browser.",
        )
    return url, json.dumps(dict(zip(_KEYS, pair, strict=True)))
