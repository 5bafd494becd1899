"""Every way to get a page out, by the kind of contact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from fleet.models import Contact
from runbooks.paging.content import PageFacts
from runbooks.paging.outcome import Answer
from runbooks.paging.transports import (
    alertmanager,
    apprise_services,
    mail,
    pagerduty,
    slack,
    teams,
    web_push,
    webhook,
)
from runbooks.paging.transports.endpoint import (
    Asker,
    Endpoint,
    EndpointError,
    Transport,
    endpoint_of,
)
from runbooks.paging.transports.masking import masked

__all__ = [
    "ASKERS",
    "CHECKS",
    "TRANSPORTS",
    "Endpoint",
    "EndpointError",
    "Transport",
    "endpoint_of",
]

_Kind = Contact.Kind

#: What a kind asks of an address and a secret, beyond what pages may go to at all. Each raises
#: EndpointError.
CHECKS: Mapping[str, Callable[[Endpoint], None]] = {
    _Kind.WEBHOOK: webhook.check,
    _Kind.PAGERDUTY: pagerduty.check,
    _Kind.WEB_PUSH: web_push.check,
    _Kind.EMAIL: mail.check,
    _Kind.APPRISE: apprise_services.check,
}

#: Kinds whose receivers can be asked what became of a page.
ASKERS: Mapping[str, Asker] = {_Kind.WEBHOOK: webhook.ask}


def _without_secrets(
    transport: Transport,
    facts: PageFacts,
    *,
    endpoint: Endpoint,
    at: datetime,
    timeout_seconds: float,
    allowed: Sequence[str],
) -> Answer:
    """Send, and keep the endpoint's secrets out of what is recorded of the answer."""
    answer = transport(
        facts, endpoint=endpoint, at=at, timeout_seconds=timeout_seconds, allowed=allowed
    )
    return masked(answer, endpoint=endpoint)


TRANSPORTS: Mapping[str, Transport] = {
    kind: partial(_without_secrets, transport)
    for kind, transport in {
        _Kind.WEBHOOK: webhook.send,
        _Kind.PAGERDUTY: pagerduty.send,
        _Kind.ALERTMANAGER: alertmanager.send,
        _Kind.SLACK: slack.send,
        _Kind.TEAMS: teams.send,
        _Kind.WEB_PUSH: web_push.send,
        _Kind.EMAIL: mail.send,
        _Kind.APPRISE: apprise_services.send,
    }.items()
}
