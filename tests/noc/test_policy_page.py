"""The policies' pages: steps in words, editions, publishing by a form, who is paged when."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse

from fleet.noc.policy_form import StepForm, edition_of, form_of, read_form
from fleet.noc.policy_words import spelling_of, step_words, word_groups
from runbooks.escalation.plan import read_steps
from runbooks.models import EscalationPolicy, EscalationPolicyVersion, Page
from runbooks.oncall.services import create_group
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import HTMX, signed_in, stop_clock
from tests.noc.paging_world import HOURS, make_europe, publish_for

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def standard() -> EscalationPolicy:
    """Two editions, followed by Lyon-Clinic; Anne is on call, Samira stands behind her."""
    anne = make_contact(owner=make_owner(name="Anne Roux"), label="phone").owner
    samira = make_contact(owner=make_owner(name="Samira Haddad")).owner
    europe = make_europe(anne, now=NOON)
    create_group(slug="directors", name="Directors", owners=[samira], by=None, now=NOON)
    policy = publish_for(europe, samira, now=NOON)
    make_site(
        name="Lyon-Clinic",
        slug="lyon-clinic",
        time_zone="Europe/Paris",
        owner=anne,
        policy=policy,
    )
    return policy


def page_at(name: str, *args: str, user: Any = None, query: str = "", **headers: str) -> str:
    reader = signed_in(user or make_user("viewer"))
    answer = reader.get(reverse(f"noc:{name}", args=args) + query, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def said_by(policy: EscalationPolicy) -> dict[str, Any]:
    """Return what the form of a policy sends when nothing is changed."""
    version = policy.versions.latest("number")
    form = form_of(version)
    said: dict[str, Any] = {
        "name": form.name,
        "repeat": form.repeat,
        "acknowledgement": form.acknowledgement_minutes,
        "steps": str(len(form.steps)),
        "act": "publish",
    }
    for number, step in enumerate(form.steps, start=1):
        said |= {
            f"notify-{number}": step.words,
            f"minutes-{number}": step.minutes,
            f"severity-{number}": step.severities,
            f"zone-{number}": step.zone,
            f"weekday-{number}": step.weekdays,
            f"from-{number}": step.opens,
            f"until-{number}": step.closes,
        }
    return said


def publish(said: dict[str, Any], *, slug: str = "standard", role: str = "engineer") -> Any:
    return signed_in(make_user(role)).post(reverse("noc:policy-edit", args=[slug]), said)


def newest(slug: str = "standard") -> EscalationPolicyVersion:
    return EscalationPolicyVersion.objects.filter(policy__slug=slug).latest("number")


def test_without_a_policy_the_page_says_the_next_step() -> None:
    page = page_at("policies", user=make_user("engineer"))
    assert "Without a policy no site can page anybody." in page
    assert f'href="{reverse("noc:policy-new")}"' in page


def test_steps_stand_in_words_with_their_conditions(standard: EscalationPolicy) -> None:
    page = page_at("policies")
    assert "Page <b>whoever is on call in Europe and the site&#x27;s owner</b>" in page
    assert "Then page <b>the group Directors</b>" in page
    assert "Only Mon to Fri, 08:00 to 18:00 on the site&#x27;s clocks." in page
    assert "<b>Samira Haddad and every engineer of the site</b>" in page
    assert "Only urgent and high alerts. Wait 15 min for an answer." in page
    assert "Up to 3 rounds. An acknowledged alert pages anew after 2 h." in page
    assert "Lyon-Clinic" in page


def test_a_word_whose_person_is_gone_says_so() -> None:
    (step,) = read_steps([{"notify": ["owner:99999"], "delay_seconds": 30}])
    words = step_words(1, step, spelling_of(word_groups()))
    assert (words.who, words.wait) == ("owner:99999 (not there any more)", "30 s")


def test_one_policy_shows_its_editions(standard: EscalationPolicy) -> None:
    page = page_at("policy", "standard")
    assert "edition 2, by the set-up" in page
    assert "Edition 1" in page
    assert "New edition" not in page


def test_the_preview_says_who_is_paged_when_and_writes_nothing(
    standard: EscalationPolicy,
) -> None:
    page = page_at(
        "policy", "standard", query="?site=lyon-clinic&severity=urgent&at=2030-01-02T21:00"
    )
    moments = page[page.index('id="policy-preview"') :]
    assert '<b class="num">at once</b>' in moments
    assert "Wed 2 Jan, 21:00 in Paris" in moments
    assert '<b>Anne Roux</b> <span class="small">by phone</span>' in moments
    assert "Its hours are closed at this time." in moments
    assert "after 20 min" in moments
    assert not Page.objects.exists()


def test_in_working_hours_the_second_step_is_taken(standard: EscalationPolicy) -> None:
    page = page_at("policy", "standard", query="?at=2030-01-02T10:00")
    assert "Its hours are closed" not in page[page.index('id="policy-preview"') :]


def test_htmx_gets_the_preview_alone(standard: EscalationPolicy) -> None:
    page = page_at("policy", "standard", query="?severity=low", **HTMX)
    assert page.startswith("<ol")
    assert "It pages urgent and high alerts only." in page


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("whenever", "The time of the alert is no time"),
        ("2030-03-31T02:30", "does not exist in Europe/Paris"),
        ("0001-01-01T00:00", "must lie in the years 2000 to 2200"),
        ("9999-12-31T23:59", "must lie in the years 2000 to 2200"),
    ],
)
def test_a_time_that_cannot_be_previewed_is_refused_in_words(
    standard: EscalationPolicy, at: str, sentence: str
) -> None:
    assert sentence in page_at("policy", "standard", query=f"?at={at}")


def test_a_site_that_is_hidden_is_not_offered(standard: EscalationPolicy) -> None:
    mine = make_site(name="Mine-1", slug="mine-1")
    viewer = make_user("viewer", site=mine)
    page = page_at("policy", "standard", user=viewer, query="?site=lyon-clinic")
    assert "Lyon-Clinic" not in page
    assert '<option value="mine-1" selected>' in page


def test_the_form_stands_as_the_newest_edition_and_sent_back_changes_nothing(
    standard: EscalationPolicy,
) -> None:
    page = page_at("policy-edit", "standard", user=make_user("engineer"))
    assert 'name="notify-1" value="schedule:europe" checked' in page
    assert 'name="severity-3" value="urgent" checked' in page
    assert 'name="from-2" type="time" value="08:00"' in page
    assert publish(said_by(standard)).status_code == 302
    assert newest().number == 2


def test_a_change_is_published_as_a_new_edition(standard: EscalationPolicy) -> None:
    engineer = make_user("engineer", first_name="Kim", last_name="Tan")
    said = said_by(standard) | {"minutes-1": "0.5", "notify-3": ["catch_all"], "repeat": "0"}
    address = reverse("noc:policy-edit", args=["standard"])
    page = signed_in(engineer).post(address, said, follow=True).content.decode()
    assert "Edition 3 is published." in page
    assert "by Kim Tan" in page
    assert newest().repeat == 0
    assert newest().steps[0]["delay_seconds"] == 30
    assert newest().steps[1]["hours"] == HOURS
    assert newest().steps[2]["notify"] == ["catch_all"]
    assert newest().acknowledgement_seconds == 7200


def test_a_step_that_names_nobody_is_left_out(standard: EscalationPolicy) -> None:
    publish(said_by(standard) | {"notify-2": []})
    assert [step["delay_seconds"] for step in newest().steps] == [300, 900]


def test_adding_a_step_publishes_nothing_and_keeps_what_was_typed(
    standard: EscalationPolicy,
) -> None:
    answer = publish(said_by(standard) | {"act": "add", "minutes-1": "7"})
    page = answer.content.decode()
    assert 'name="minutes-1" inputmode="decimal" value="7"' in page
    assert 'name="minutes-4"' in page
    assert newest().number == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"notify-1": ["owner:99999"]}, "there is no such owner"),
        ({"notify-1": ["mars:1"]}, "Step 1 cannot page"),
        ({"notify-1": ["schedule:mars"]}, "there is no such schedule"),
        ({"notify-1": [], "notify-2": [], "notify-3": []}, "A policy needs at least one step"),
        ({"minutes-1": "soon"}, "How long step 1 waits is a number of minutes"),
        ({"minutes-1": "-1"}, "How long step 1 waits is a number of minutes above 0"),
        ({"minutes-1": "nan"}, "How long step 1 waits is a number of minutes above 0"),
        ({"minutes-1": "9999"}, "Step 1 must wait"),
        ({"from-2": "08:00", "until-2": ""}, "The hours of step 2"),
        ({"zone-2": "Mars/Base"}, "need a time zone"),
        ({"from-2": "", "until-2": ""}, "Step 2 has weekdays without hours"),
        ({"severity-1": ["urgent"], "severity-2": ["urgent"], "severity-3": []}, ""),
        ({"repeat": "21"}, "repeated 0 to 20 times"),
        ({"repeat": "often"}, "Rounds after the first is a number"),
        ({"acknowledgement": "0.1"}, "An acknowledgement lasts"),
        ({"name": ""}, "Give the policy a name"),
    ],
)
def test_an_edition_that_cannot_be_followed_is_refused_by_name(
    changed: dict[str, Any], sentence: str, standard: EscalationPolicy
) -> None:
    refused = {"severity-3": ["urgent"], "severity-2": ["urgent"], "severity-1": ["high"]}
    answer = publish(said_by(standard) | (changed if sentence else refused))
    assert answer.status_code == 422
    page = answer.content.decode().replace("&#x27;", "'")
    assert (sentence or "No step pages low alerts") in page
    assert 'id="policy-fault"' in page
    assert newest().number == 2


def test_a_policy_is_written_from_nothing() -> None:
    engineer = signed_in(make_user("engineer"))
    said = {
        "name": "Asia Pacific",
        "repeat": "1",
        "steps": "1",
        "notify-1": ["site_owner"],
        "minutes-1": "5",
    }
    answer = engineer.post(reverse("noc:policy-new"), said)
    assert answer["Location"] == reverse("noc:policy", args=["asia-pacific"])
    version = newest("asia-pacific")
    assert version.steps == [{"notify": ["site_owner"], "delay_seconds": 300}]
    assert version.acknowledgement_seconds is None


@pytest.mark.parametrize("name", ["Standard", "new", "!!!"])
def test_a_new_policy_does_not_take_a_name_that_is_taken(
    name: str, standard: EscalationPolicy
) -> None:
    said = said_by(standard) | {"name": name, "repeat": "9"}
    answer = signed_in(make_user("engineer")).post(reverse("noc:policy-new"), said)
    assert answer.status_code == 422
    assert EscalationPolicyVersion.objects.count() == 2


@pytest.mark.parametrize("role", ["operator", "viewer", "owner"])
def test_policies_are_looked_at_by_all_and_changed_by_engineers_alone(
    role: str, standard: EscalationPolicy
) -> None:
    user = make_user(role)
    assert "New edition" not in page_at("policy", "standard", user=user)
    assert publish(said_by(standard) | {"repeat": "7"}, role=role).status_code == 403
    assert signed_in(user).get(reverse("noc:policy-new")).status_code == 403
    assert newest().number == 2


def test_an_edition_that_cannot_be_read_says_so() -> None:
    make_policy(slug="broken", steps=[{"notify": []}])
    page = page_at("policy", "broken")
    assert "This edition cannot be read. Publish it anew." in page


def test_garbage_in_the_form_is_read_without_a_fall() -> None:
    said = QueryDict("steps=99999&repeat=%00&minutes-1=&notify-1=x&weekday-1=9")
    form = read_form(said)
    assert len(form.steps) == 10
    assert form.steps[0].words == ("x",)


@pytest.mark.parametrize("count", ["11", "9" * 5_000, "²", "-1", "x", ""])
def test_steps_without_a_good_number_publish_nothing_instead_of_a_part(
    standard: EscalationPolicy, count: str
) -> None:
    said = said_by(standard) | {"steps": count}
    answer = signed_in(make_user("engineer")).post(
        reverse("noc:policy-edit", args=[standard.slug]), said
    )
    assert answer.status_code == 422
    assert "A policy has at most 10 steps" in answer.content.decode()
    assert newest().number == 2


def test_hours_without_days_mean_every_day() -> None:
    said = QueryDict("steps=1&repeat=0&minutes-1=5&notify-1=site_owner&from-1=22:00&until-1=06:00")
    (step,) = edition_of(read_form(said))["steps"]
    assert step["hours"]["weekdays"] == [0, 1, 2, 3, 4, 5, 6]
    assert StepForm().is_empty


def test_a_policy_that_is_not_there_is_not_found() -> None:
    reader = signed_in(make_user("engineer"))
    assert reader.get(reverse("noc:policy", args=["mars"])).status_code == 404
    assert reader.get(reverse("noc:policy-edit", args=["mars"])).status_code == 404
