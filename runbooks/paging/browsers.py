"""Browsers as contacts: the subscription that a browser made becomes a way to page its user."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from fleet.models import Contact, Owner
from runbooks.paging.contact_input import ContactError
from runbooks.paging.contacts import (
    REMOVED,
    add_contact,
    change_contact,
    contacts_of,
    send_test_page,
)
from runbooks.paging.people import WORKING

_KEYS = ("p256dh", "auth")
_SHORTEST_KEY_BYTES = 16
_ITSELF = "the browser itself, whose subscription was renewed"


class SubscriptionUnknown(Exception):
    """A renewal of a subscription that nobody here has, or that its keys did not sign."""

    code = "subscription_unknown"
    sentence = (
        "No contact has the subscription that this would renew, or it is signed by other keys. "
        "Subscribe anew on your own page of contacts."
    )


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


def renew_subscription(
    *, endpoint: str, subscription: object, signed: bytes, signature: str, now: datetime
) -> bool:
    """Let a browser's new subscription take the place of the one at `endpoint`; tell whether it
    counts already.

    Browsers change their subscription by themselves, at night with nobody there: it is tested at
    once, and until the browser has shown the page what was in force stays so. `signature` is the
    base64url HMAC-SHA256 of `signed` with the old subscription's `auth`, which only that browser
    and we know. Call it outside a transaction. Raises SubscriptionUnknown, and ContactError as
    `change_contact` does.
    """
    url, secret = _read(subscription)
    same = Contact.objects.filter(kind=Contact.Kind.WEB_PUSH, url=endpoint)
    known = same.exclude(disabled_reason=REMOVED).select_related("owner__user").order_by("pk")
    contact = next((one for one in known if _is_signed(signed, signature, one.secret)), None)
    if contact is None:
        raise SubscriptionUnknown
    by = contact.owner.user
    changed = change_contact(contact=contact, url=url, secret=secret, by=by, now=now)
    send_test_page(contact=changed, by=by, now=now, asked_by=_ITSELF)
    return Contact.objects.filter(WORKING, pk=changed.pk, url=url, secret=secret).exists()


def _is_signed(signed: bytes, signature: str, secret: str) -> bool:
    """Tell whether the keys of a subscription made the signature."""
    try:
        auth = str(json.loads(secret)["auth"])
        key = base64.urlsafe_b64decode(auth + "=" * (-len(auth) % 4))
    except (ValueError, KeyError, TypeError):
        return False
    # An empty key is one that anybody can sign with.
    if len(key) < _SHORTEST_KEY_BYTES:
        return False
    made = base64.urlsafe_b64encode(hmac.new(key, signed, hashlib.sha256).digest()).rstrip(b"=")
    return hmac.compare_digest(made, signature.encode("utf-8", "replace"))


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
