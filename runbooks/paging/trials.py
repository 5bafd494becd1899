"""Test pages: a contact counts once one got through to it as it is now.

A push service's answer says only that it took the page, so a browser says itself that it showed
it, by a signed address that came in the page.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Q

from fleet.models import Contact
from fleet.names import name_of
from runbooks.paging.contact_input import ContactError
from runbooks.paging.contact_rows import REMOVED, contacts_of, replaced_by, take_away, write_down
from runbooks.paging.content import PageFacts
from runbooks.paging.links import LIFETIME, LinkError
from runbooks.paging.outcome import Answer, Fate, describe, fate_of, gone_sentence
from runbooks.paging.own import own_facts
from runbooks.paging.transports.registry import TRANSPORTS, endpoint_of

logger = logging.getLogger(__name__)

_TOOK = "The push service took the test page"
_SIGNER = Signer(sep=".", salt="runbooks.paging.trials.shown")


def send_test_page(
    *, contact: Contact, by: User | None, now: datetime, asked_by: str = ""
) -> Answer:
    """Send the contact a test page, and record whether it counts from now on.

    The page says who asked for it: `asked_by` in words, or else `by`. A browser counts once it
    says that it showed the page (`confirm_test`): its push service only took it.
    Takes as long as its receiver, at most HEARTHWATCH_PAGE_TIMEOUT_SECONDS; call it outside a
    transaction. Raises ContactError (`contact_removed`).
    """
    current = contacts_of(contact.owner).filter(pk=contact.pk).select_related("owner").first()
    if current is None:
        raise ContactError("contact_removed", "This contact was removed. Add a new one.")
    answer = TRANSPORTS[current.kind](
        _test_facts(current, asked_by or _name_of(by), now),
        endpoint=endpoint_of(current, now),
        at=now,
        timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
        allowed=settings.HEARTHWATCH_PAGE_HOSTS,
    )
    said = describe(answer, kind=current.kind)
    logger.info("contact.tested", extra={"contact_id": current.pk, "outcome": said})
    _note_test(current, answer, by, now)
    return answer


@transaction.atomic
def confirm_test(*, token: str, now: datetime) -> int | None:
    """Keep that a browser showed its test page; return 1 where that is news, and 0 where not.

    None for a token that is none of a test page. It is good for a day, for the contact as it was
    tested, and counts once. Raises LinkError (`link_expired`).
    """
    try:
        number, written, printed = _SIGNER.unsign(token).split("-")
        contact_id, written_at = int(number, 16), datetime.fromtimestamp(int(written, 16), UTC)
    except (BadSignature, ValueError, OverflowError):
        return None
    if now >= written_at + LIFETIME:
        raise LinkError("link_expired", "This test page is more than a day old. Send another one.")
    rows = Contact.objects.select_for_update(of=("self",)).select_related("owner")
    contact = rows.filter(pk=contact_id).exclude(disabled_reason=REMOVED).first()
    if contact is None or _print_of(contact) != printed:
        return 0
    if contact.tested_at is not None and contact.tested_at >= written_at:
        return 0
    tested: dict[str, object] = {
        "tested_at": now,
        "disabled_reason": "",
        "last_test_at": now,
        "last_test_outcome": "The browser showed the test page.",
    }
    Contact.objects.filter(pk=contact.pk).update(**tested)
    logger.info("contact.test_shown", extra={"contact_id": contact.pk})
    write_down("contact.tested", contact, None, now, has_passed=True)
    _let_take_over(contact, tested)
    return 1


@transaction.atomic
def _note_test(contact: Contact, answer: Answer, by: User | None, now: datetime) -> None:
    """Record what came of a test page to `contact` as it was read before it was sent.

    Nothing is recorded where its address was changed meanwhile. A failed test leaves a contact in
    force that passed one before, but for a receiver that says it has gone.
    """
    fate = fate_of(answer)
    has_passed = fate is Fate.SENT and contact.kind != Contact.Kind.WEB_PUSH
    tested: dict[str, object] = {
        "last_test_at": now,
        "last_test_outcome": _outcome(contact, answer),
    }
    if has_passed:
        tested |= {"tested_at": now, "disabled_reason": ""}
    elif fate is Fate.GONE:
        tested["disabled_reason"] = gone_sentence(answer, now=now)
    as_it_was = Contact.objects.filter(pk=contact.pk, url=contact.url, secret=contact.secret)
    # A browser may have shown the page before its push service answered.
    was_shown = Q(kind=Contact.Kind.WEB_PUSH, tested_at__gte=now)
    if not as_it_was.exclude(Q(disabled_reason=REMOVED) | was_shown).update(**tested):
        return
    write_down("contact.tested", contact, by, now, has_passed=has_passed)
    if has_passed:
        _let_take_over(contact, tested)


def _outcome(contact: Contact, answer: Answer) -> str:
    said = describe(answer, kind=contact.kind)
    if fate_of(answer) is Fate.SENT and contact.kind == Contact.Kind.WEB_PUSH:
        return f"{_TOOK} ({said}). It counts once the browser shows it."
    if fate_of(answer) is Fate.SENT:
        return f"The test page got through ({said})."
    return f"The test page did not get through: {said}"[:300]


def is_not_shown_yet(contact: Contact) -> bool:
    """Tell whether a push service took the last test page and the browser has not shown it."""
    return contact.last_test_outcome.startswith(_TOOK)


def _name_of(by: User | None) -> str:
    return name_of(by) if by is not None else "The command line"


def _test_facts(contact: Contact, who: str, now: datetime) -> PageFacts:
    return own_facts(
        purpose="test",
        page_id=f"msg_{uuid4().hex}",
        owner_name=contact.owner.name,
        reason=f"{who} tests this contact",
        summary=f"Test page for {contact.owner.name} by {contact.label}, asked for by {who}. "
        "Nothing is wrong and nothing is to be done.",
        now=now,
        shown_url=_shown_url(contact, now),
    )


def _shown_url(contact: Contact, now: datetime) -> str:
    if contact.kind != Contact.Kind.WEB_PUSH:
        return ""
    token = _SIGNER.sign(f"{contact.pk:x}-{int(now.timestamp()):x}-{_print_of(contact)}")
    return f"{settings.HEARTHWATCH_BASE_URL}/p/{token}/shown/"


def _print_of(contact: Contact) -> str:
    """Return what tells the contact as it is from what it was or will be."""
    return hashlib.sha256(f"{contact.url} {contact.secret}".encode()).hexdigest()[:32]


def _let_take_over(tested_one: Contact, tested: dict[str, object]) -> None:
    """Let the contact in force say what the tested one says; it keeps its id and its place."""
    replaced = replaced_by(tested_one)
    if replaced is None:
        return
    in_force = Contact.objects.filter(pk=replaced.pk)
    in_force.update(
        label=tested_one.label,
        url=tested_one.url,
        secret=tested_one.secret,
        previous_secret="",
        previous_secret_until=None,
    )
    # By itself: the database forgets a test when the address changes in the same statement.
    in_force.update(**tested)
    take_away(tested_one)
