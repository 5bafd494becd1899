"""The frame of every page: who you are, what is open, how fresh it is, what you prefer."""

from __future__ import annotations

import hashlib
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import reverse

from fleet.lengths import duration_words, exact_words
from fleet.noc.shell import Shell
from fleet.noc.tags import unbroken
from tests.factories import NOON, make_node, make_site, make_user
from tests.noc.fleet_world import Kind, make_fleet, raise_alert

pytestmark = pytest.mark.django_db

STATIC = Path(django_settings.BASE_DIR) / "static"
TEMPLATES = Path(django_settings.BASE_DIR) / "templates"


def signed_in(client: Client, role: str | None = "operator", **user: Any) -> Client:
    client.force_login(make_user(role, **user))
    return client


def page(client: Client, path: str = "/", **headers: str) -> str:
    return client.get(path, headers=headers).content.decode()


# --- the frame -----------------------------------------------------------------------------


def test_every_entry_of_the_menu_leads_to_a_page(client: Client) -> None:
    signed_in(client)
    targets = re.findall(r'data-go="\w" ?>|<a href="(/[^"]*)"[^>]* data-go', page(client))
    assert targets == ["/", "/alerts/", "/oncall/", "/runbooks/"]
    assert [client.get(target).status_code for target in targets] == [200] * 4


@pytest.mark.parametrize(
    ("path", "entry", "kind"),
    [("/", "Fleet", "page"), ("/alerts/", "Alerts", "page"), ("/runbooks/", "Runbooks", "page")],
)
def test_the_menu_says_where_one_is(client: Client, path: str, entry: str, kind: str) -> None:
    marked = re.findall(r'aria-current="(\w+)" data-go="\w">(\w+)', page(signed_in(client), path))
    assert marked == [(kind, entry)]


def test_a_page_about_one_site_belongs_to_the_fleet(client: Client) -> None:
    site = make_site()
    signed_in(client)
    marked = re.findall(
        r'aria-current="(\w+)" data-go="\w">(\w+)', page(client, f"/sites/{site.slug}/")
    )
    assert marked == [("true", "Fleet")]


def test_the_header_counts_open_alerts_by_severity_and_leads_to_them(client: Client) -> None:
    site = next(iter(make_fleet(nodes=1).values()))
    raise_alert(site, Kind.THERMAL_ENVELOPE, "Inlet 38.4 °C")
    counts = page(signed_in(client), "/counts/")
    assert re.findall(r'href="([^"]+)".*?</svg>(\d+)<', counts) == [
        ("/alerts/?severity=1", "1"),
        ("/alerts/?severity=2", "0"),
        ("/alerts/?severity=3", "0"),
    ]
    assert "<html" not in counts


def test_the_data_age_starts_from_the_newest_reading_the_reader_may_see(client: Client) -> None:
    mine = make_node(last_received_at=NOON)
    make_node(last_received_at=NOON + timedelta(hours=1))
    client.force_login(make_user("operator", mine.site))
    assert 'data-newest="2030-01-01T12:00:00+00:00"' in page(client)


@pytest.mark.parametrize(
    ("roles", "word"),
    [(["viewer", "engineer"], "Engineer"), (["remote_hands"], "Remote hands"), ([], "No role yet")],
)
def test_the_menu_names_the_widest_role(roles: list[str], word: str) -> None:
    user = make_user()
    for role in roles:
        user.memberships.create(role=role)
    request = RequestFactory().get("/")
    request.user = user
    assert Shell(request).role == word


def test_a_fragment_pays_nothing_for_the_frame(
    client: Client, django_assert_num_queries: Any
) -> None:
    signed_in(client, is_superuser=True)
    page(client, "/counts/")
    # The session, the user, the counts.
    with django_assert_num_queries(3):
        page(client, "/counts/")


# --- what a reader prefers -----------------------------------------------------------------


def test_a_chosen_theme_stands_in_the_page_itself(client: Client) -> None:
    signed_in(client)
    answer = client.post("/preferences/", {"theme": "dark", "next": "/alerts/"})
    assert answer["Location"] == "/alerts/"
    assert 'data-theme="dark"' in page(client)


def test_going_back_to_the_systems_theme_forgets_the_choice(client: Client) -> None:
    signed_in(client)
    client.post("/preferences/", {"theme": "dark"})
    client.post("/preferences/", {"theme": "auto"})
    assert "data-theme" not in page(client)


@pytest.mark.parametrize("name", ["keys", "blink"])
def test_single_keys_and_blinking_can_be_turned_off(client: Client, name: str) -> None:
    signed_in(client)
    client.post("/preferences/", {name: "off"})
    assert f'data-{name}="off"' in page(client)
    client.post("/preferences/", {name: "on"})
    assert f'data-{name}="off"' not in page(client)


def test_a_theme_nobody_offered_is_not_kept(client: Client) -> None:
    signed_in(client)
    client.post("/preferences/", {"theme": '"><script>'})
    client.cookies["hw_theme"] = '"><script>'
    assert "data-theme" not in page(client)


# --- words and marks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (6000, "1 h 40 min"),
    ]
    + [(86_400, "1 d"), (90_000, "1 d 1 h"), (90_000 * 8, "8 d")],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (90, "1 min 30 s"), (300, "5 min"), (90_060, "1 d 1 h 1 min")],
)
def test_a_length_that_somebody_set_is_said_to_the_second(seconds: float, words: str) -> None:
    assert exact_words(seconds) == words


@pytest.mark.parametrize("typed", ["Mezzanine", "Mezzanine.", "Mezzanine. "])
def test_what_somebody_typed_ends_in_one_full_stop(typed: str) -> None:
    assert Template("{{ typed|full_stop }}").render(Context({"typed": typed})) == "Mezzanine."


def test_times_carry_their_instant_and_their_zone() -> None:
    source = "{% ago at %}|{% until at %}|{% clock at %}|{% clock at 'Asia/Tokyo' %}|{% stamp at %}"
    context = Context({"at": NOON, "now": NOON + timedelta(minutes=4)})
    said = re.sub(r' title="[^"]*"', "", Template(source).render(context)).split("|")
    instant = 'datetime="2030-01-01T12:00:00Z"'
    assert said == [
        f"<time {instant} data-ago>4 min</time>",
        f"<time {instant} data-until>now</time>",
        f"<time {instant}>12:00:00 UTC</time>",
        f"<time {instant}>21:00 in Tokyo</time>",
        f"<time {instant}>1 Jan 2030, 12:00:00 UTC</time>",
    ]


def test_a_severity_is_a_shape_and_a_word() -> None:
    said = Template("{% sev 1 %}{% sev 2 'Osaka' %}").render(Context())
    assert re.findall(r'class="icon (\w+)"', said) == ["p1", "p2"]
    assert re.sub(r"<[^>]+>", "", said) == "urgentOsaka, high"


@pytest.mark.parametrize(
    ("said", "bound"),
    [
        ("38.4 °C", "38.4\u00a0°C"),
        ("12 % of 10 min.", "12\u00a0% of 10\u00a0min."),
        ("4 nodes", "4 nodes"),
    ],
)
def test_a_number_keeps_its_unit_on_its_line(said: str, bound: str) -> None:
    assert unbroken(said) == bound


def test_every_mark_that_a_template_draws_is_in_the_sprite() -> None:
    drawn = {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r'{% icon "(\w+)"', path.read_text())
    }
    sprite = set(re.findall(r'<symbol id="(\w+)"', (STATIC / "icons.svg").read_text()))
    assert drawn | {"p1", "p2", "p3", "stale", "maint", "ok"} <= sprite


def test_both_dark_themes_are_the_same() -> None:
    css = (STATIC / "css/tokens.css").read_text()
    lists = re.findall(r"color-scheme: dark;(.*?)}", css, re.DOTALL)
    system, chosen = (" ".join(one.split()) for one in lists)
    assert system == chosen


def test_what_others_wrote_is_as_they_published_it() -> None:
    listed = tomllib.loads((STATIC / "vendor/vendor.toml").read_text())["script"]
    licences = (Path(django_settings.BASE_DIR) / "docs/third-party.md").read_text()
    for script in listed:
        content = (STATIC / "vendor" / script["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == script["sha256"]
        assert f"`{script['file']}`" in licences
    assert {script["file"] for script in listed} == {
        path.name for path in (STATIC / "vendor").glob("*.js")
    }


# --- when something is missing or broken ---------------------------------------------------


def test_a_page_that_is_not_there_says_so_in_the_frame(client: Client) -> None:
    answer = signed_in(client).get("/sites/nowhere/")
    assert answer.status_code == 404
    assert "There is no such site, or you may not see it." in answer.content.decode()
    assert 'class="bar"' in answer.content.decode()


def test_an_address_that_leads_nowhere_is_told_in_words(client: Client) -> None:
    assert "This address leads to no page." in page(signed_in(client), "/nowhere/")


def test_a_broken_page_says_that_paging_goes_on(client: Client) -> None:
    assert "Paging does not depend on it" in Template("{% include '500.html' %}").render(Context())


def test_every_name_of_the_dashboard_has_an_address() -> None:
    assert reverse("noc:fleet") == "/"
    assert reverse("noc:healthz") == "/healthz"
    assert reverse("noc:alert-acknowledge", args=[7]) == "/alerts/7/acknowledge/"
