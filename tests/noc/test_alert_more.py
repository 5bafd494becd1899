"""The rarer acts on an alert: escalate, pass on, hand over, shelve, and what holds it back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from runbooks.alerts.services import acknowledge_alert, close_alert
from runbooks.escalation.services import next_move
from runbooks.models import Alert, AlertEvent, Escalation, Page, StormMember, Suppression
from runbooks.paging.services import deliver_due_pages
from tests.factories import NOON, make_contact, make_owner, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, hot_alert, signed_in, stop_clock
from tests.runbooks.world import make_finding

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def act(alert: Alert, name: str, user: object, **said: object) -> tuple[int, str]:
    """Do one act as a browser with scripts does it; return the status and the page."""
    client = signed_in(user)
    answer = client.post(reverse(f"noc:alert-{name}", args=[alert.pk]), said, headers=HTMX)
    return answer.status_code, " ".join(answer.content.decode().split())


def test_only_an_open_alert_that_comes_and_goes_says_when_it_closes_by_itself() -> None:
    alert = hot_alert()
    Alert.objects.filter(pk=alert.pk).update(is_flapping=True)
    user = make_user("operator")
    assert "closes by itself" in act(alert, "acknowledge", user)[1]
    assert "closes by itself" not in act(alert, "close", user, reason="fan changed")[1]


def test_escalating_takes_the_next_step_now() -> None:
    alert = hot_alert()
    sequence = Escalation.objects.get(alert=alert).sequence
    status, _ = act(alert, "escalate", make_user("operator"), seen_sequence=sequence)
    assert status == 200
    assert Escalation.objects.get(alert=alert).sequence == sequence + 1
    assert Escalation.objects.get(alert=alert).last_step_at == NOW


def test_a_page_that_is_a_step_behind_escalates_nothing() -> None:
    alert = hot_alert()
    status, page = act(alert, "escalate", make_user("operator"), seen_sequence=0)
    assert status == 409
    assert 'role="alert"' in page
    assert Escalation.objects.get(alert=alert).sequence == 1


def test_a_step_is_chosen_by_its_number_and_the_page_says_whom_it_pages() -> None:
    alert = hot_alert()
    first = alert.site.owner
    assert first is not None
    page = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    options = re.findall(r"<option[^>]*>(Step \d[^<]*)</option>", page.content.decode())
    assert options == [f"Step 1: {first.name}", "Step 2: reaches nobody now"]
    sequence = Escalation.objects.get(alert=alert).sequence
    said = {"seen_sequence": sequence, "step": "1"}
    assert act(alert, "escalate", make_user("operator"), **said)[0] == 200
    assert Page.objects.filter(alert=alert, owner=first).count() == 2


@pytest.mark.parametrize("step", ["2", "0", "-1", "x", "99", "9" * 30])
def test_a_step_that_reaches_nobody_is_refused(step: str) -> None:
    alert = hot_alert()
    sequence = Escalation.objects.get(alert=alert).sequence
    said = {"seen_sequence": sequence, "step": step}
    status, page = act(alert, "escalate", make_user("operator"), **said)
    assert status == 409
    assert "reaches nobody now. Choose another step" in page
    assert Escalation.objects.get(alert=alert).sequence == sequence


def test_an_alert_is_taken_and_kept_for_as_long_as_one_says() -> None:
    alert, user = hot_alert(), make_user("operator")
    status, page = act(alert, "keep", user, minutes="30")
    assert status == 200
    assert "Keep it, from now on for" in page
    alert.refresh_from_db()
    assert alert.acknowledgement_ends_at == NOW + timedelta(minutes=30)
    act(alert, "keep", user, minutes="4320")
    alert.refresh_from_db()
    assert alert.acknowledgement_ends_at == NOW + timedelta(days=3)


@pytest.mark.parametrize("minutes", ["", "x", "4", "5761", "-30", "9" * 30])
def test_a_length_that_is_none_takes_nothing(minutes: str) -> None:
    alert = hot_alert()
    status, page = act(alert, "keep", make_user("operator"), minutes=minutes)
    assert status == 422
    assert "An acknowledgement lasts between 5 minutes and 4 days" in page
    alert.refresh_from_db()
    assert alert.response == Alert.Response.UNACKNOWLEDGED


@pytest.mark.parametrize("garbage", ["", "x", "-1", "9" * 30])
def test_garbage_for_a_step_is_refused_and_escalates_nothing(garbage: str) -> None:
    alert = hot_alert()
    due = Escalation.objects.get(alert=alert).next_due_at
    status, _ = act(alert, "escalate", make_user("operator"), seen_sequence=garbage)
    assert status == 409
    assert Escalation.objects.get(alert=alert).next_due_at == due


def test_passing_on_pages_the_chosen_person_at_once() -> None:
    alert = hot_alert()
    mei = make_contact(owner=make_owner(name="Mei Tanaka")).owner
    status, page = act(alert, "pass-on", make_user("operator"), to=mei.pk)
    assert status == 200
    assert Page.objects.filter(alert=alert, owner=mei).exists()
    assert "Paged <b>Mei Tanaka</b>" in page


@pytest.mark.parametrize("to", ["", "0", "999999", "garbage"])
def test_passing_on_to_nobody_asks_for_a_person(to: str) -> None:
    status, page = act(hot_alert(), "pass-on", make_user("operator"), to=to)
    assert status == 422
    assert "Choose a person first; nothing was done." in page


def test_choosing_a_person_begins_at_the_people_one_may_see() -> None:
    alert = hot_alert()
    stranger = make_contact(owner=make_owner(name="Far Away")).owner
    make_site(owner=stranger)
    operator = make_user("operator", site=alert.site)
    shown = signed_in(operator).get(reverse("noc:alert", args=[alert.pk])).content.decode()
    assert f'<option value="{alert.site.owner_id}">' in shown
    assert "Far Away" not in shown
    status, page = act(alert, "pass-on", operator, to=stranger.pk)
    assert status == 422
    assert "Choose a person first; nothing was done." in page
    assert "Far Away" not in page
    assert not Page.objects.filter(owner=stranger).exists()


def test_only_people_who_can_be_paged_are_offered() -> None:
    make_owner(name="Nobody Reachable")
    alert = hot_alert()
    answer = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    page = answer.content.decode()
    assert alert.site.owner is not None
    assert f'<option value="{alert.site.owner_id}">' in page
    assert "Nobody Reachable" not in page


def test_handing_over_gives_it_to_a_colleague_who_may_act_here() -> None:
    alert = hot_alert()
    anne, mei = make_user("operator"), make_user("operator", first_name="Mei", last_name="Tanaka")
    acknowledge_alert(alert=alert, by=anne, now=NOW)
    status, page = act(alert, "hand-over", anne, to=mei.pk)
    assert status == 200
    assert "<b>Mei Tanaka</b> has it" in page


def test_nobody_without_rights_at_the_site_can_be_handed_an_alert() -> None:
    alert = hot_alert()
    anne, stranger = make_user("operator"), make_user("operator", site=make_site())
    acknowledge_alert(alert=alert, by=anne, now=NOW)
    status, _ = act(alert, "hand-over", anne, to=stranger.pk)
    assert status == 422
    alert.refresh_from_db()
    assert alert.acknowledged_by == anne


def test_a_shelved_alert_says_until_when_and_why_and_can_be_taken_back() -> None:
    alert = hot_alert()
    user = make_user("operator", first_name="Anne", last_name="Roux")
    status, page = act(alert, "shelve", user, hours=4, shelf_reason="part ordered")
    assert status == 200
    assert "<b>Shelved</b>" in page
    assert "part ordered" in page
    assert "Held back: nobody is paged." in page
    status, page = act(alert, "unshelve", user)
    assert status == 200
    assert "Held back" not in page
    assert Suppression.objects.get().ended_at == NOW


@pytest.mark.parametrize(("hours", "reason"), [("0", "x"), ("169", "x"), ("", "x"), ("2", "")])
def test_a_shelf_needs_an_end_and_a_reason_and_keeps_what_was_typed(
    hours: str, reason: str
) -> None:
    alert = hot_alert()
    user = make_user("operator")
    status, page = act(alert, "shelve", user, hours=hours, shelf_reason=reason)
    assert status == 422
    assert f'value="{reason}"' in page
    assert not Suppression.objects.exists()


def test_who_may_only_look_can_do_none_of_it() -> None:
    alert = hot_alert()
    viewer = make_user("viewer")
    for name in ("escalate", "keep", "pass-on", "hand-over", "shelve", "unshelve"):
        status, _ = act(alert, name, viewer, to=viewer.pk, hours=1, shelf_reason="x")
        assert status == 403 or name == "hand-over"
    assert Escalation.objects.get(alert=alert).sequence == 1
    assert not Suppression.objects.exists()


def test_an_acknowledgement_that_runs_out_says_when() -> None:
    alert = hot_alert()
    user = make_user("operator")
    acknowledge_alert(alert=alert, by=user, now=NOW)
    Alert.objects.filter(pk=alert.pk).update(acknowledgement_ends_at=NOW + timedelta(minutes=30))
    page = signed_in(user).get(reverse("noc:alert", args=[alert.pk])).content.decode()
    assert "paging begins anew" in page
    assert "30 min" in page


def test_an_owner_without_an_account_is_named_as_the_one_who_has_it() -> None:
    alert = hot_alert()
    acknowledge_alert(
        alert=alert, by=None, owner=alert.site.owner, now=NOW, channel=AlertEvent.Channel.LINK
    )
    page = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    assert alert.site.owner is not None
    assert f"<b>{alert.site.owner.name}</b> has it" in page.content.decode()


def test_a_storm_shows_what_it_stands_for() -> None:
    alert = hot_alert()
    finding = make_finding(site=alert.site, summary="Inlet of rack 9 at 41 °C")
    StormMember.objects.create(storm=alert, finding=finding, joined_at=NOON)
    Alert.objects.filter(pk=alert.pk).update(
        is_storm=True, member_count=812, firing_member_count=790
    )
    page = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    html = page.content.decode()
    assert "790 of 812 still fire" in html
    assert "Inlet of rack 9 at 41 °C" in html
    assert "and 811 more of the same kind" in html


def test_pages_that_were_to_go_out_are_cancelled_by_the_shelf() -> None:
    alert = hot_alert()
    act(alert, "shelve", make_user("operator"), hours=1, shelf_reason="known")
    assert set(Page.objects.values_list("state", flat=True)) == {Page.State.CANCELLED}
    assert deliver_due_pages(now=NOW, next_of=next_move).sent == 0


def test_a_screen_that_missed_a_change_that_matters_is_told_and_changes_nothing() -> None:
    alert = hot_alert()
    seen = Alert.objects.get(pk=alert.pk).revision
    anne, mei = make_user("operator", first_name="Anne"), make_user("operator")
    acknowledge_alert(alert=alert, by=anne, now=NOW)
    status, page = act(alert, "close", mei, reason="false alarm", seen_revision=seen)
    assert status == 409
    assert 'role="alert"' in page
    alert.refresh_from_db()
    assert alert.response == Alert.Response.ACKNOWLEDGED


def test_a_shelf_that_missed_a_change_that_matters_takes_nothing() -> None:
    alert = hot_alert()
    seen = Alert.objects.get(pk=alert.pk).revision
    acknowledge_alert(alert=alert, by=make_user("operator", first_name="Anne"), now=NOW)
    said = {"hours": 1, "shelf_reason": "known", "seen_revision": seen}
    status, page = act(alert, "shelve", make_user("operator"), **said)
    assert (status, Suppression.objects.count()) == (409, 0)
    assert "changed since you looked: Anne took it" in page


def test_an_owner_without_an_account_is_shown_as_who_closed_it() -> None:
    alert = hot_alert()
    close_alert(
        alert=alert,
        by=None,
        owner=make_owner(name="Ken Mori"),
        reason="Fan replaced.",
        now=NOW,
        channel=AlertEvent.Channel.LINK,
    )
    page = signed_in(make_user("operator")).get(reverse("noc:alert", args=[alert.pk]))
    text = " ".join(page.content.decode().split())
    assert re.search(r"Closed <time.*?> ago by Ken Mori: Fan replaced", text)
    assert "<b>Ken Mori</b>: Closed: Fan replaced." in text
