"""Numbers to call on the dashboard: who may change them, and where they are links that dial."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Owner, Site
from fleet.services.phones import EmergencyNumber, emergency_numbers_of, numbers_seen
from runbooks.escalation.services import advance_due_escalations
from runbooks.runs.services import dispatch_run
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import counted_queries, signed_in, stop_clock
from tests.runbooks.run_world import make_run
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db

PHONE = "+1 202 555 0143"
LINK = '<a class="phone" href="tel:+12025550143">+1 202 555 0143</a>'


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def mei() -> Owner:
    """Somebody with an account who answers for nothing yet."""
    return make_contact(owner=make_owner(name="Mei Tanaka", user=make_user("owner"))).owner


def page_of(path: str, user: Any) -> str:
    answer = signed_in(user).get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def say_phone(owner: Owner, phone: str, *, by: Any) -> Any:
    address = reverse("noc:contact-phone", args=[owner.pk])
    return signed_in(by).post(address, {"phone": phone}, follow=True)


def save_numbers(site: Site, lines: list[tuple[str, str]], *, by: Any, seen: str = "") -> Any:
    said = {
        "label": [label for label, _ in lines],
        "number": [number for _, number in lines],
        "seen": seen or numbers_seen(site=site),
    }
    return signed_in(by).post(reverse("noc:site-numbers", args=[site.slug]), said, follow=True)


def test_a_person_says_their_own_number(mei: Owner) -> None:
    page = say_phone(mei, PHONE, by=mei.user).content.decode()
    assert f"Mei Tanaka is called by {PHONE}." in page
    assert f'value="{PHONE}"' in page
    say_phone(mei, "", by=mei.user)
    assert Owner.objects.get(pk=mei.pk).phone == ""


def test_who_may_change_a_persons_site_may_change_their_number(mei: Owner) -> None:
    site = make_site(owner=mei)
    engineer = make_user("engineer", site)
    assert say_phone(mei, PHONE, by=engineer).status_code == 200
    assert Owner.objects.get(pk=mei.pk).phone == PHONE
    # Their contacts are another matter: pages would go where an engineer says.
    assert "You may look." in page_of(reverse("noc:contact", args=[mei.pk]), engineer)


def test_others_only_read_the_number(mei: Owner) -> None:
    Owner.objects.filter(pk=mei.pk).update(phone=PHONE)
    operator = make_user("operator", make_site(owner=mei))
    assert say_phone(mei, "112", by=operator).status_code == 403
    page = page_of(reverse("noc:contact", args=[mei.pk]), operator)
    assert LINK in page
    assert 'name="phone"' not in page


def test_what_is_no_number_is_refused_and_stays_in_the_field(mei: Owner) -> None:
    answer = say_phone(mei, "call me", by=mei.user)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "A phone number has 3 to 30 characters" in page
    assert 'value="call me"' in page


def test_who_may_change_a_site_says_whom_to_call_there() -> None:
    site = make_site()
    engineer = make_user("engineer", site)
    lines = [("Fire brigade", "112"), ("", " "), ("Power company", PHONE)]
    page = " ".join(save_numbers(site, lines, by=engineer).content.decode().split())
    assert f"The emergency numbers of {site.name} are saved." in page
    assert '<dt>Fire brigade</dt><dd><a class="phone" href="tel:112">112</a></dd>' in page
    assert f"<dt>Power company</dt><dd>{LINK}</dd>" in page
    assert 'value="Fire brigade"' in page_of(
        reverse("noc:site-numbers", args=[site.slug]), engineer
    )


def test_others_see_a_sites_numbers_and_cannot_change_them() -> None:
    site = make_site(emergency_numbers=[{"label": "Fire brigade", "number": "112"}])
    operator = make_user("operator", site)
    assert save_numbers(site, [], by=operator).status_code == 403
    page = page_of(reverse("noc:site", args=[site.slug]), operator)
    assert "tel:112" in page
    assert "Change the numbers" not in page


def test_refused_numbers_stay_in_the_form() -> None:
    site, engineer = make_site(), make_user("engineer")
    answer = save_numbers(site, [("Fire brigade", "one one two")], by=engineer)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'data-code="bad_phone"' in page
    assert 'value="one one two"' in page


def test_a_stale_form_shows_the_numbers_as_they_stand() -> None:
    site, engineer = make_site(), make_user("engineer")
    stale = numbers_seen(site=site)
    save_numbers(site, [("Power company", PHONE)], by=engineer)
    answer = save_numbers(site, [("Fire brigade", "112")], by=engineer, seen=stale)
    assert answer.status_code == 409
    assert f'value="{PHONE}"' in answer.content.decode()
    kept = emergency_numbers_of(site=Site.objects.get(pk=site.pk))
    assert kept == [EmergencyNumber("Power company", PHONE)]


def test_the_site_shows_by_which_number_its_owner_is_called(mei: Owner) -> None:
    site = make_site(owner=mei)
    user = make_user("operator")
    assert "tel:" not in page_of(reverse("noc:site", args=[site.slug]), user)
    Owner.objects.filter(pk=mei.pk).update(phone=PHONE)
    assert LINK in page_of(reverse("noc:site", args=[site.slug]), user)


def test_who_knows_shows_the_numbers_of_those_paged_and_those_to_come(mei: Owner) -> None:
    Owner.objects.filter(pk=mei.pk).update(phone=PHONE)
    make_library()
    alert = make_alert(site=make_site(owner=mei))
    address, user = reverse("noc:alert", args=[alert.pk]), make_user("operator")
    assert f"Pages Mei Tanaka ({LINK})" in page_of(address, user)
    advance_due_escalations(now=NOON)
    assert f"Paged <b>Mei Tanaka</b> ({LINK})" in page_of(address, user)


def test_dispatch_shows_the_numbers_of_those_who_can_be_sent() -> None:
    run = make_run()
    hands = make_user("remote_hands", run.site, first_name="Ken", last_name="Mori")
    make_owner(user=hands, phone=PHONE)
    address = reverse("noc:run-dispatch", args=[run.pk])
    with counted_queries() as before:
        assert f"Ken Mori, {PHONE}</option>" in page_of(address, run.lead)
    make_owner(user=make_user("remote_hands", run.site), phone="112")
    with counted_queries() as after:
        page_of(address, run.lead)
    assert len(after) == len(before)
    dispatch_run(run=run, to=hands, by=run.lead, now=NOON)
    assert f"dispatched to <b>Ken Mori</b>, {LINK}." in page_of(address, run.lead)
