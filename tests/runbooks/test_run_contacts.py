"""Whom a run says to call: by phone where there is a number, in an emergency first of all."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import Owner
from runbooks.models import Run
from runbooks.runs.pack import pack_of
from runbooks.runs.values import values_for_site
from tests.factories import NOON, make_contact, make_owner, make_site
from tests.runbooks.run_world import make_run

pytestmark = pytest.mark.django_db

PHONE = "+1 202 555 0143"


def contacts_of(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pack_of(run=run, me=None, now=NOON)["contacts"]
    return found


def test_emergency_numbers_come_before_the_people_who_answer() -> None:
    owner = make_contact(owner=make_owner(name="Mei Tanaka", phone=PHONE)).owner
    make_owner(name="Samira Haddad", is_catch_all=True, phone="+33 1 99 00 10 12")
    make_contact(owner=owner, kind="email", url="mailto:mei@example.com", position=2)
    numbers = [{"label": "Fire brigade", "number": "112"}]
    run = make_run(site=make_site(owner=owner, emergency_numbers=numbers))
    emergency, site_owner, catch_all, _ = contacts_of(run)
    assert emergency == {
        "role": "In an emergency",
        "name": "Fire brigade",
        "phone": "112",
        "how": "",
    }
    assert (site_owner["phone"], site_owner["how"]) == (PHONE, "mei@example.com")
    assert (catch_all["name"], catch_all["phone"]) == ("Samira Haddad", "+33 1 99 00 10 12")


def test_the_lead_is_called_by_their_own_number() -> None:
    run = make_run()
    assert contacts_of(run)[-1]["phone"] == ""
    make_owner(user=run.lead, phone=PHONE)
    assert contacts_of(run)[-1]["phone"] == PHONE


def test_how_the_owner_is_reached_is_their_number_else_what_their_contact_is_called() -> None:
    site = make_site(owner=make_contact(label="desk").owner)
    assert values_for_site(site, None)["owner.contact"] == "desk"
    Owner.objects.filter(pk=site.owner_id).update(phone=PHONE)
    site.refresh_from_db()
    assert values_for_site(site, None)["owner.contact"] == PHONE
