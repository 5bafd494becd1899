"""Telephone numbers for people to call: of owners, and of those who help at a site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db import transaction

from fleet.live import LiveEvent, publish_on_commit
from fleet.models import AuditEntry, Owner, Site

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_NUMBERS: Final = 10
LONGEST_LABEL: Final = 60
#: ASCII digits: what a telephone dials. Three of them at least, as in 112.
_DIALLED: Final = re.compile(r"(?=(?:[^0-9]*[0-9]){3})[0-9+() -]{3,30}")


class PhoneError(Exception):
    """A number that was not kept; `code` says why to machines, the sentence to people."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class EmergencyNumber:
    """Whom to call in an emergency at a site, such as the security of the building."""

    label: str
    number: str


def read_phone(*, text: str) -> str:
    """Return a telephone number as it is kept. Raises PhoneError: `bad_phone`."""
    number = " ".join(text.split())
    if not _DIALLED.fullmatch(number):
        raise PhoneError(
            "bad_phone",
            "A phone number has 3 to 30 characters: digits, spaces, +, - and parentheses. Write "
            "one like +1 202 555 0143.",
        )
    return number


@transaction.atomic
def set_phone(*, owner: Owner, phone: str, by: User | None, now: datetime) -> bool:
    """Keep by which number people call the owner, empty for none; False where it is so already.

    Raises PhoneError: `bad_phone`.
    """
    number = read_phone(text=phone) if phone.strip() else ""
    changed = Owner.objects.filter(pk=owner.pk).exclude(phone=number).update(phone=number)
    if changed:
        AuditEntry.objects.create(
            at=now,
            actor=by,
            action="owner.phone_changed",
            subject=str(owner)[:200],
            detail={"owner_id": owner.pk, "phone": number},
        )
    owner.phone = number
    return bool(changed)


def emergency_numbers_of(*, site: Site) -> list[EmergencyNumber]:
    """Return whom to call at the site in an emergency, in their order."""
    return [EmergencyNumber(row["label"], row["number"]) for row in site.emergency_numbers]


def numbers_seen(*, site: Site) -> str:
    """Return what a form says of the numbers that it showed: of one state always the same."""
    return json.dumps([asdict(one) for one in emergency_numbers_of(site=site)])


@transaction.atomic
def set_emergency_numbers(
    *,
    site: Site,
    numbers: Iterable[EmergencyNumber],
    seen: str,
    by: User | None,
    now: datetime,
) -> None:
    """Keep whom to call at the site in an emergency; `seen` are those of `numbers_seen`.

    Raises PhoneError: `bad_phone`, `label_missing`, `label_too_long`, `too_many_numbers`,
    `numbers_changed`.
    """
    wanted = [_read(one) for one in numbers]
    if len(wanted) > MOST_NUMBERS:
        raise PhoneError(
            "too_many_numbers",
            f"A site has {MOST_NUMBERS} emergency numbers at most; leave the others out.",
        )
    locked = Site.objects.select_for_update(no_key=True).get(pk=site.pk)
    if numbers_seen(site=locked) != seen:
        raise PhoneError(
            "numbers_changed",
            f"Somebody else changed the numbers of {site} meanwhile. They are shown as they stand; "
            "change them again.",
        )
    site.emergency_numbers = [asdict(one) for one in wanted]
    if wanted == emergency_numbers_of(site=locked):
        return
    site.save(update_fields=["emergency_numbers"])
    AuditEntry.objects.create(
        at=now,
        actor=by,
        action="site.emergency_numbers_changed",
        subject=site.slug,
        detail={"numbers": site.emergency_numbers, "numbers_before": locked.emergency_numbers},
    )
    publish_on_commit(LiveEvent.SITE_CHANGED, site_id=site.pk, id=site.pk)


def _read(one: EmergencyNumber) -> EmergencyNumber:
    label = " ".join(one.label.split())
    if not label:
        raise PhoneError(
            "label_missing", f"Say whose number {one.number.strip()} is, such as Fire brigade."
        )
    if len(label) > LONGEST_LABEL:
        raise PhoneError(
            "label_too_long", f"Say in {LONGEST_LABEL} characters whose number it is: {label[:20]}…"
        )
    try:
        return EmergencyNumber(label, read_phone(text=one.number))
    except PhoneError as refusal:
        raise PhoneError(refusal.code, f"{label}: {refusal.sentence}") from refusal
