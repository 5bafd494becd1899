"""Numbers to call: what is one, who answers by it, and whom to call at a site in an emergency."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from fleet.models import AuditEntry, Owner, Site
from fleet.services.phones import (
    EmergencyNumber,
    PhoneError,
    emergency_numbers_of,
    numbers_seen,
    read_phone,
    set_emergency_numbers,
    set_phone,
)
from tests.factories import NOON, make_owner, make_site, make_user

FIRE = EmergencyNumber("Fire brigade", "112")
POWER = EmergencyNumber("Power company", "+1 202 555 0142")


def keep(site: Site, *numbers: EmergencyNumber, seen: str | None = None) -> None:
    seen = numbers_seen(site=site) if seen is None else seen
    set_emergency_numbers(site=site, numbers=numbers, seen=seen, by=None, now=NOON)


@pytest.mark.parametrize("text", ["112", "+44 (20) 7946-0123", "  +1  202 555 0143 ", "0" * 30])
def test_a_number_has_digits_and_what_is_written_between_them(text: str) -> None:
    assert read_phone(text=text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text", ["", "12", "- - -", "0" * 31, "12 call", "+1;202", "١١٢", "112\u00ad", "ext. 112"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(PhoneError, match="3 to 30 characters") as refusal:
        read_phone(text=text)
    assert refusal.value.code == "bad_phone"


@pytest.mark.django_db
def test_a_number_that_changes_is_written_down_and_one_that_does_not_is_not() -> None:
    owner, user = make_owner(), make_user()
    assert set_phone(owner=owner, phone=" +1 202 555 0143", by=user, now=NOON)
    assert not set_phone(owner=owner, phone="+1 202 555 0143", by=user, now=NOON)
    entry = AuditEntry.objects.get(action="owner.phone_changed")
    assert (entry.actor, entry.subject) == (user, owner.name)
    assert entry.detail == {"owner_id": owner.pk, "phone": "+1 202 555 0143"}
    set_phone(owner=owner, phone=" ", by=user, now=NOON)
    assert Owner.objects.get(pk=owner.pk).phone == ""


@pytest.mark.django_db
def test_the_database_keeps_no_number_that_nobody_can_dial() -> None:
    with pytest.raises(IntegrityError, match="a_phone_number_can_be_dialled"), transaction.atomic():
        make_owner(phone="call me")


@pytest.mark.django_db
def test_a_site_keeps_its_emergency_numbers_in_their_order() -> None:
    site = make_site()
    keep(site, POWER, FIRE)
    assert emergency_numbers_of(site=Site.objects.get(pk=site.pk)) == [POWER, FIRE]
    entry = AuditEntry.objects.get(action="site.emergency_numbers_changed")
    assert entry.subject == site.slug
    assert [one["label"] for one in entry.detail["numbers"]] == ["Power company", "Fire brigade"]
    keep(site, POWER, FIRE)
    assert AuditEntry.objects.filter(action="site.emergency_numbers_changed").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([EmergencyNumber("Fire brigade", "one one two")], "bad_phone"),
        ([EmergencyNumber("  ", "112")], "label_missing"),
        ([EmergencyNumber("x" * 61, "112")], "label_too_long"),
        ([FIRE] * 11, "too_many_numbers"),
    ],
)
def test_numbers_that_help_nobody_are_refused_together(
    numbers: list[EmergencyNumber], code: str
) -> None:
    site = make_site()
    keep(site, POWER)
    with pytest.raises(PhoneError) as refusal:
        keep(site, FIRE, *numbers)
    assert refusal.value.code == code
    assert emergency_numbers_of(site=Site.objects.get(pk=site.pk)) == [POWER]


@pytest.mark.django_db
def test_ten_numbers_are_not_too_many() -> None:
    site = make_site()
    keep(site, *[FIRE] * 10)
    assert len(emergency_numbers_of(site=site)) == 10


@pytest.mark.django_db
@pytest.mark.parametrize("between", [[FIRE], []])
def test_numbers_that_somebody_else_changed_meanwhile_are_not_written_over(
    between: list[EmergencyNumber],
) -> None:
    site = make_site()
    keep(site, POWER)
    seen = numbers_seen(site=site)
    keep(site, *between)
    with pytest.raises(PhoneError) as refusal:
        keep(site, FIRE, POWER, seen=seen)
    assert refusal.value.code == "numbers_changed"
    assert emergency_numbers_of(site=Site.objects.get(pk=site.pk)) == between
