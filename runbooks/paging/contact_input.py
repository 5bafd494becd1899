"""What people write down of a contact, read and judged."""

from __future__ import annotations

from django.conf import settings

from fleet.models import Contact
from runbooks.paging.addresses import AddressError, find_target
from runbooks.paging.signature import new_secret
from runbooks.paging.transports import pagerduty
from runbooks.paging.transports.registry import CHECKS, Endpoint, EndpointError
from runbooks.refused import Refused

_LONGEST_LABEL, _LONGEST_TEXT = 80, 1000
#: Kinds whose address is no URL that the server itself connects to.
_NOT_CONNECTED_TO = (Contact.Kind.EMAIL, Contact.Kind.APPRISE)


class ContactError(Refused):
    """A contact that cannot be made or changed so: a `code` for machines, a sentence."""


def read_endpoint(*, kind: str, url: str, secret: str) -> Endpoint:
    """Return what was written, made whole: defaults filled in, a webhook's secret made.

    Raises ContactError. Blocks while the name in the address is looked up.
    """
    if kind not in Contact.Kind.values:
        raise ContactError(
            "unknown_kind", f"There is no kind {kind!r}. There are: {', '.join(Contact.Kind)}."
        )
    url, secret = _completed(kind, url.strip(), secret.strip())
    if max(len(url), len(secret)) > _LONGEST_TEXT:
        raise ContactError("too_long", "An address or secret has at most 1,000 characters.")
    endpoint = Endpoint(kind=kind, url=url, secrets=(secret,) if secret else ())
    try:
        if kind in CHECKS:
            CHECKS[kind](endpoint)
        if kind not in _NOT_CONNECTED_TO:
            find_target(url, allowed=settings.HEARTHWATCH_PAGE_HOSTS)
    except EndpointError as refusal:
        raise ContactError(refusal.code, refusal.sentence) from None
    except AddressError as refusal:
        # A name that nobody can look up right now may be there tomorrow; the test page will tell.
        if refusal.is_permanent:
            raise ContactError(refusal.code, refusal.sentence) from None
    return endpoint


def read_label(label: str) -> str:
    """Return a contact's name on one line; raises ContactError."""
    label = " ".join(label.split())
    if not label:
        raise ContactError("label_missing", "Give the contact a name, such as 'phone'.")
    if len(label) > _LONGEST_LABEL:
        raise ContactError("label_too_long", "A contact's name has at most 80 characters.")
    return label


def _completed(kind: str, url: str, secret: str) -> tuple[str, str]:
    if kind == Contact.Kind.PAGERDUTY and not url:
        url = pagerduty.DEFAULT_URL
    if kind == Contact.Kind.WEBHOOK and not secret:
        secret = new_secret()
    if kind == Contact.Kind.EMAIL and not url.startswith("mailto:"):
        url = f"mailto:{url}"
    return url, secret
