"""The groups' pages: who is paged together, changed by who saw the newest state."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Owner
from runbooks.models import EscalationPolicy, PagingGroup
from runbooks.oncall.services import change_group, create_group
from tests.factories import NOON, make_contact, make_owner, make_policy, make_site, make_user
from tests.noc.detail_world import counted_queries, signed_in, stop_clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def anne() -> Owner:
    """Somebody who can be paged."""
    return make_contact(owner=make_owner(name="Anne Roux")).owner


@pytest.fixture
def crew(anne: Owner) -> PagingGroup:
    """A group of Anne alone."""
    return create_group(slug="crew", name="Power crew", owners=[anne], by=None, now=NOON)


def page_of(*, user: Any = None, group: PagingGroup | None = None) -> str:
    address = reverse("noc:group", args=[group.slug]) if group else reverse("noc:groups")
    answer = signed_in(user or make_user("viewer")).get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_groups_own_page_marks_groups_in_the_menu(crew: PagingGroup) -> None:
    assert 'href="/oncall/groups/" aria-current="true"' in page_of(group=crew)


def send(address: str, *, by: Any = None, **said: Any) -> Any:
    return signed_in(by or make_user("engineer")).post(address, said, follow=True)


def change(group: PagingGroup, **said: Any) -> Any:
    fields = {"revision": "1", "name": group.name, "owner": []}
    return send(reverse("noc:group", args=[group.slug]), **(fields | said))


def policy_naming(group: PagingGroup) -> EscalationPolicy:
    steps = [{"notify": [f"group:{group.slug}"], "delay_seconds": 300}]
    return make_policy(name="Night shift", steps=steps)


def test_without_a_group_the_page_says_the_next_step() -> None:
    page = page_of(user=make_user("engineer"))
    assert "No group yet" in page
    assert f'name it in a step of <a href="{reverse("noc:policies")}">' in page


def test_the_list_says_who_is_in_it_whom_it_misses_and_which_policies_page_it(anne: Owner) -> None:
    ben = make_owner(name="Ben Okafor")
    group = create_group(slug="crew", name="Crew", owners=[anne, ben], by=None, now=NOON)
    policy_naming(group)
    page = page_of()
    assert "1 group of people is paged together" in page
    assert "2 people, <b>1 cannot be paged</b>" in page
    assert "Anne Roux, Ben Okafor" in page
    assert "Night shift</a>" in page


def test_a_group_is_made_by_the_form(anne: Owner) -> None:
    answer = send(reverse("noc:groups"), name="Power crew", owner=[str(anne.pk)])
    assert "The group Power crew is made." in answer.content.decode()
    group = PagingGroup.objects.get()
    assert (group.slug, list(group.owners.all())) == ("power-crew", [anne])


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"name": "", "owner": "1"}, "name", "Give a name"),
        ({"name": "Crew"}, "people", "A group without people reaches nobody"),
        ({"name": "Crew", "owner": "²"}, "people", "A group without people reaches nobody"),
    ],
)
def test_what_is_missing_is_said_beside_its_field(
    said: dict[str, str], field: str, sentence: str
) -> None:
    answer = send(reverse("noc:groups"), **said)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page[page.index(f'id="fault-{field}"') :]
    assert f'aria-describedby="fault-{field}"' in page
    assert f'value="{said["name"]}"' in page


def test_a_name_that_is_taken_is_refused_and_what_was_ticked_stays(crew: PagingGroup) -> None:
    other = make_owner()
    create_group(slug="crew-two", name="Crew two", owners=[other], by=None, now=NOON)
    page = send(reverse("noc:groups"), name="Crew two", owner=[str(other.pk)]).content.decode()
    assert "has the short name &#x27;crew-two&#x27; already" in page
    assert f'value="{other.pk}" checked' in page


def test_it_is_renamed_and_its_people_change(crew: PagingGroup) -> None:
    ben = make_owner(name="Ben Okafor")
    answer = change(crew, name="Mains crew", owner=[str(ben.pk)])
    assert "The group is changed." in answer.content.decode()
    crew.refresh_from_db()
    assert (crew.slug, crew.name, list(crew.owners.all())) == ("crew", "Mains crew", [ben])


def test_a_stale_form_changes_nothing_and_shows_what_stands_now(
    crew: PagingGroup, anne: Owner
) -> None:
    change_group(group=crew, revision=1, name="Mains crew", owners=[anne], by=None, now=NOON)
    answer = change(crew, name="Power crew", owner=[str(make_owner().pk)])
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody changed Mains crew meanwhile." in page
    assert 'name="revision" value="2"' in page
    assert 'value="Mains crew"' in page
    assert f'value="{anne.pk}" checked' in page


def test_one_that_no_policy_pages_is_deleted(crew: PagingGroup) -> None:
    answer = send(reverse("noc:group-delete", args=["crew"]))
    assert "The group Power crew is deleted." in answer.content.decode()
    assert not PagingGroup.objects.exists()


def test_one_in_use_offers_no_button_and_is_refused_with_the_policies_named(
    crew: PagingGroup,
) -> None:
    policy_naming(crew)
    engineer = make_user("engineer")
    assert reverse("noc:group-delete", args=["crew"]) not in page_of(user=engineer, group=crew)
    answer = send(reverse("noc:group-delete", args=["crew"]), by=engineer)
    assert answer.status_code == 422
    assert "Power crew is paged by Night shift." in answer.content.decode()
    assert PagingGroup.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_change_groups_sees_no_form_and_is_told_why(
    crew: PagingGroup, role: str
) -> None:
    reader = make_user(role)
    page = page_of(user=reader, group=crew)
    assert "You may look." in page
    assert 'name="revision"' not in page
    for address in ("/oncall/groups/", "/oncall/groups/crew/", "/oncall/groups/crew/delete/"):
        answer = send(address, by=reader, name="Mine")
        assert answer.status_code == 403
        assert "takes the role of engineer or admin everywhere" in answer.content.decode()


def test_an_engineer_of_one_site_may_not_change_what_all_sites_share(crew: PagingGroup) -> None:
    local = make_user("engineer", site=make_site())
    assert send("/oncall/groups/crew/delete/", by=local).status_code == 403


def test_somebody_without_a_role_sees_nothing(crew: PagingGroup) -> None:
    assert signed_in(make_user()).get("/oncall/groups/crew/").status_code == 403
    assert signed_in(make_user("viewer")).get("/oncall/groups/none/").status_code == 404


def test_the_lists_queries_do_not_grow_with_groups(crew: PagingGroup, anne: Owner) -> None:
    reader = signed_in(make_user("viewer"))
    reader.get(reverse("noc:groups"))
    with counted_queries() as few:
        reader.get(reverse("noc:groups"))
    for number in range(5):
        policy_naming(
            create_group(slug=f"g{number}", name=f"G{number}", owners=[anne], by=None, now=NOON)
        )
    with counted_queries() as many:
        reader.get(reverse("noc:groups"))
    assert len(many) == len(few)
