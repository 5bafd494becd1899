"""Groups: made, changed by who saw the newest state, deleted once no policy names them."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.models import AuditEntry, Owner
from runbooks.escalation.plan import PlanError
from runbooks.escalation.policies import publish_policy
from runbooks.models import Alert, EscalationPolicyVersion, PagingGroup
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.services import change_group, create_group, delete_group
from tests.factories import NOON, make_owner, make_policy, make_site
from tests.runbooks.world import make_alert, make_library

pytestmark = pytest.mark.django_db

WORD = "group:power"


def make_group(*owners: Owner, **overrides: Any) -> PagingGroup:
    fields: dict[str, Any] = {"slug": "power", "name": "Power", "by": None, "now": NOON}
    return create_group(owners=owners or [make_owner()], **(fields | overrides))


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(OnCallError) as caught:
        call(by=None, now=NOON, **arguments)
    assert str(caught.value).endswith(".")
    return caught.value.code


def publish(*words: str) -> EscalationPolicyVersion:
    steps = [{"notify": list(words), "delay_seconds": 60}]
    return publish_policy(slug="night", name="Night", steps=steps, repeat=0, by=None, now=NOON)


def written() -> list[str]:
    rows = AuditEntry.objects.filter(action__startswith="paging_group.").order_by("pk")
    return list(rows.values_list("action", flat=True))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"name": " "}, "bad_name"),
        ({"name": "x" * 121}, "bad_name"),
        ({"slug": "no spaces"}, "bad_name"),
        ({"owners": []}, "empty_group"),
    ],
)
def test_a_group_that_no_policy_could_page_is_refused(changed: dict[str, Any], code: str) -> None:
    said: dict[str, Any] = {"slug": "power", "name": "Power", "owners": [make_owner()]}
    assert code_of(create_group, **(said | changed)) == code
    assert not PagingGroup.objects.exists()


def test_a_short_name_is_given_once() -> None:
    group = make_group()
    before = list(group.owners.all())
    assert code_of(create_group, slug="power", name="Mine", owners=[make_owner()]) == "group_exists"
    assert (PagingGroup.objects.get().name, list(group.owners.all())) == ("Power", before)


def test_a_change_gives_another_name_and_other_people_and_is_written_down() -> None:
    group, ana = make_group(), make_owner()
    change_group(group=group, revision=1, name="Mains", owners=[ana], by=None, now=NOON)
    group.refresh_from_db()
    assert (group.slug, group.name, group.revision) == ("power", "Mains", 2)
    assert list(group.owners.all()) == [ana]
    assert written() == ["paging_group.created", "paging_group.changed"]


def test_who_saw_an_older_state_changes_nothing() -> None:
    group = make_group()
    change_group(group=group, revision=1, name="Mains", owners=[make_owner()], by=None, now=NOON)
    stale = {"group": group, "revision": 1, "name": "Late", "owners": [make_owner()]}
    assert code_of(change_group, **stale) == "group_changed"
    assert PagingGroup.objects.get().name == "Mains"


def test_a_group_that_a_policy_names_stays_and_the_policy_is_named() -> None:
    group = make_group()
    publish(WORD)
    with pytest.raises(OnCallError, match="Power is paged by Night") as caught:
        delete_group(group=group, by=None, now=NOON)
    assert caught.value.code == "group_in_use"


def test_once_the_newest_edition_names_it_no_more_it_can_go() -> None:
    group = make_group()
    publish(WORD)
    publish("catch_all")
    delete_group(group=group, by=None, now=NOON)
    assert not PagingGroup.objects.exists()
    assert written()[-1] == "paging_group.deleted"


def test_an_open_alert_that_began_with_an_older_edition_holds_its_group() -> None:
    make_library()
    group = make_group()
    old = publish(WORD)
    alert = make_alert(site=make_site(policy=old.policy))
    publish("catch_all")
    assert code_of(delete_group, group=group) == "group_in_use"
    Alert.objects.filter(pk=alert.pk).update(response="closed", closed_at=NOON)
    delete_group(group=group, by=None, now=NOON)
    assert not PagingGroup.objects.exists()


def test_a_group_that_is_gone_is_deleted_once_and_can_be_named_no_more() -> None:
    group = make_group()
    make_policy()
    delete_group(group=group, by=None, now=NOON)
    assert code_of(delete_group, group=PagingGroup(pk=999, name="Power")) == "group_gone"
    with pytest.raises(PlanError, match="no such group"):
        publish(WORD)
