"""The heartbeats' page: what comes, what is late, a key shown once, pauses with their reason."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Site
from runbooks.alerts.intake import take_in_findings
from runbooks.heartbeats.pauses import pause_heartbeat
from runbooks.heartbeats.services import check_heartbeats, note_heartbeat, revoke_heartbeat
from runbooks.models import Alert, Heartbeat
from tests.factories import make_node, make_site, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.oncall_more_world import day, expect, hour, make_heartbeats
from tests.runbooks.world import make_library

pytestmark = pytest.mark.django_db

minute = timedelta(minutes=1)
SAID = {
    "name": "nightly backup",
    "site": "osaka-3",
    "node": "",
    "period": "1",
    "period_unit": "days",
    "grace": "90",
    "grace_unit": "minutes",
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def site() -> Site:
    """A live site on the clocks of Tokyo, with one node."""
    make_library()
    site = make_site(name="Osaka-3", slug="osaka-3")
    make_node(site=site, name="node-1")
    return site


def page_of(user: Any = None, **headers: str) -> str:
    reader = signed_in(user or make_user("viewer"))
    answer = reader.get(reverse("noc:heartbeats"), headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def row_of(heartbeat: Heartbeat, page: str) -> str:
    start = page.index(f'id="heartbeat-{heartbeat.pk}"')
    return page[start : page.find('id="heartbeat-', start + 1)]


def create(*, by: Any = None, **said: str) -> Any:
    return signed_in(by or make_user("engineer")).post(reverse("noc:heartbeats"), SAID | said)


def act(heartbeat: Heartbeat, name: str, *, by: Any = None, **said: str) -> Any:
    address = reverse("noc:heartbeat-change", args=[heartbeat.pk, name])
    return signed_in(by or make_user("engineer")).post(address, said, follow=True)


def key_in(answer: Any) -> str:
    found = re.search(r"/api/v1/heartbeat/(hwb_[-\w]+)", answer.content.decode())
    assert found is not None
    return found[1]


def test_without_one_the_page_says_the_next_step_with_a_line_to_copy(site: Site) -> None:
    page = page_of(make_user("engineer"))
    assert "Nothing owes us a sign of life" in page
    assert "Make one: it comes with a key, shown once." in page
    assert "curl -fsS -m 10 --retry 3 -o /dev/null http" in page
    assert "An engineer or admin of a site can make one." in page_of()


def test_each_state_is_said_in_a_word_and_the_late_ones_come_first(site: Site) -> None:
    made = make_heartbeats(site, now=NOW)
    page = page_of()
    assert "1 heartbeat is late" in page
    words = re.findall(
        r'class="sev (?:p2|stale|maint|ok)"><svg.*?</svg><span>([\w ]+)</span>', page
    )
    assert words == ["Late", "Never seen", "Paused", "Well"]
    alert = Alert.objects.get()
    late = row_of(made["late"].heartbeat, page)
    assert f'<a href="{reverse("noc:alert", args=[alert.pk])}">alert {alert.pk}</a>' in late
    assert "Every 1 h, 10 min of grace." in late
    assert "Sun 30 Dec, 21:20 in Tokyo" in late
    assert "node-1" in late
    slug = alert.runbook_version.runbook.slug
    assert reverse("noc:runbook", args=[slug]) in late
    paused = row_of(made["paused"].heartbeat, page)
    assert "by the command line: The host is rebuilt until Friday" in paused
    assert "Not seen since it was made" in row_of(made["never"].heartbeat, page)


def test_one_is_late_from_its_time_on_even_before_it_was_looked_for(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW - 2 * hour)
    row = row_of(heartbeat, page_of())
    assert "<span>Late</span>" in row
    assert f"{reverse('noc:alerts')}?site=osaka-3" in row


def test_the_page_asks_for_the_list_alone(site: Site) -> None:
    assert page_of(**HTMX).startswith('<div id="heartbeats"')


def test_one_is_made_and_its_key_is_shown_once(site: Site) -> None:
    engineer = make_user("engineer")
    answer = create(by=engineer, node="node-1")
    key = key_in(answer)
    assert "shown this once" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    made = Heartbeat.objects.get()
    assert (made.period_seconds, made.grace_seconds) == (86_400, 5_400)
    assert (made.node, made.created_by) == (site.nodes.get(), engineer)
    assert key not in page_of(engineer)
    assert note_heartbeat(key=key, now=NOW) == made


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"name": " "}, "name", "A heartbeat has a name"),
        ({"site": ""}, "site", "Choose the site it comes from."),
        ({"site": "mars"}, "site", "Choose the site it comes from."),
        ({"node": "node-9"}, "node", "Osaka-3 has no node"),
        ({"period": "soon"}, "period", "Give a whole number"),
        ({"period": "9", "period_unit": "seconds"}, "period", "A heartbeat comes every 10"),
        ({"period_unit": "years"}, "period", "Give a whole number"),
        ({"grace": "-1"}, "grace", "Give a whole number"),
        ({"grace": "32", "grace_unit": "days"}, "grace", "The grace of a heartbeat"),
        ({"grace": "9999999", "grace_unit": "days"}, "grace", "The grace of a heartbeat"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    site: Site, said: dict[str, str], field: str, sentence: str
) -> None:
    answer = create(**said)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page[page.index(f'id="fault-{field}"') :]
    assert f'aria-describedby="fault-{field}"' in page
    assert not Heartbeat.objects.exists()


def test_a_name_that_is_taken_is_refused_and_what_was_typed_stays(site: Site) -> None:
    expect(site, "nightly backup", now=NOW)
    page = create(grace="7").content.decode()
    assert "has a heartbeat" in page[page.index('id="fault-name"') :]
    assert 'name="grace" aria-label="Number" inputmode="numeric" required value="7"' in page


def test_one_is_paused_with_a_reason_and_resumed(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW - 2 * hour)
    engineer = make_user("engineer", first_name="Kim", last_name="Tan")
    check_heartbeats(now=NOW)
    take_in_findings(now=NOW)
    act(heartbeat, "pause", by=engineer, reason="Disk swapped")
    take_in_findings(now=NOW)
    assert "by Kim Tan: Disk swapped" in row_of(heartbeat, page_of())
    assert Alert.objects.get().condition == Alert.Condition.CLEARED
    page = act(heartbeat, "resume").content.decode()
    assert "backup is expected again, from now on." in page
    heartbeat.refresh_from_db()
    assert heartbeat.late_at == NOW + 70 * minute


def test_a_pause_without_a_reason_is_refused_in_its_place(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW)
    answer = act(heartbeat, "pause", reason=" ")
    row = row_of(heartbeat, answer.content.decode())
    assert answer.status_code == 422
    assert "Say in 1 to 300 letters why" in row
    assert f'id="change-{heartbeat.pk}" open' in row


def test_a_new_key_is_shown_once_and_the_old_one_opens_nothing(site: Site) -> None:
    heartbeat, old = expect(site, "backup", now=NOW)
    answer = act(heartbeat, "rotate", prefix=heartbeat.prefix)
    assert note_heartbeat(key=old, now=NOW) is None
    assert note_heartbeat(key=key_in(answer), now=NOW) == heartbeat


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pause", "was paused meanwhile: Disk swapped"),
        ("rotate", "Somebody made a new key for backup at Osaka-3 meanwhile"),
    ],
)
def test_a_stale_button_says_what_was_done_meanwhile(site: Site, name: str, sentence: str) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW)
    pause_heartbeat(heartbeat=heartbeat, reason="Disk swapped", by=None, now=NOW)
    answer = act(heartbeat, name, reason="Again", prefix="hwb_other")
    assert answer.status_code == 409
    assert sentence in answer.content.decode()


def test_one_is_deleted_and_deleting_it_again_says_so(site: Site) -> None:
    heartbeat, key = expect(site, "backup", now=NOW)
    assert "backup is deleted." in act(heartbeat, "delete").content.decode()
    assert note_heartbeat(key=key, now=NOW) is None
    answer = act(heartbeat, "delete")
    assert (answer.status_code, "nothing is left to do" in answer.content.decode()) == (409, True)


def test_who_may_only_look_sees_no_buttons_and_is_told_why(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW)
    operator = make_user("operator", site=site)
    page = page_of(operator)
    assert "You may look." in page
    assert "Change …" not in page
    assert create(by=operator).status_code == 403
    for name in ("pause", "resume", "rotate", "delete"):
        answer = act(heartbeat, name, by=operator, reason="x")
        assert answer.status_code == 403
        assert "takes the role of engineer or admin there" in answer.content.decode()


def test_a_site_that_is_hidden_hides_its_heartbeats(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW)
    stranger = make_user("engineer", site=make_site(name="Kobe-1", slug="kobe-1"))
    page = page_of(stranger)
    assert "backup</b>" not in page
    assert 'value="osaka-3"' not in page
    assert act(heartbeat, "delete", by=stranger).status_code == 404
    assert create(by=stranger).status_code == 422
    assert Heartbeat.objects.filter(revoked_at__isnull=True).count() == 1


def test_an_act_that_is_none_is_not_found(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW)
    assert act(heartbeat, "explode").status_code == 404


def test_one_that_was_revoked_is_not_listed(site: Site) -> None:
    heartbeat, _ = expect(site, "backup", now=NOW - day)
    revoke_heartbeat(heartbeat=heartbeat, by=None, now=NOW)
    assert "backup</b>" not in page_of()


def test_the_lists_queries_do_not_grow_with_heartbeats(site: Site) -> None:
    expect(site, "first", now=NOW)
    reader = signed_in(make_user("viewer"))
    reader.get(reverse("noc:heartbeats"))
    with counted_queries() as few:
        reader.get(reverse("noc:heartbeats"))
    make_heartbeats(site, now=NOW)
    with counted_queries() as many:
        reader.get(reverse("noc:heartbeats"))
    assert len(many) == len(few)
