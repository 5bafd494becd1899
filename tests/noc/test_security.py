"""What no page may ever contain, and what nobody may do without a right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from runbooks.models import Alert, AlertEvent, Runbook
from tests.factories import make_site, make_user
from tests.noc.fleet_world import Kind, make_fleet, make_incidents, raise_alert

pytestmark = pytest.mark.django_db

TEMPLATES = Path(settings.BASE_DIR) / "templates"
SCRIPTS = Path(settings.BASE_DIR) / "static/js"
#: Attributes that name something to fetch, and elements that only name where to go.
FETCHED = {"src", "href", "action", "poster", "formaction", "hx-get", "hx-post"}
OPEN_TO_ALL = {"/login/", "/healthz", "/readyz"}


class Watcher(HTMLParser):
    """Notes what a strict policy would stop, and what leads to another host."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "style" or (tag == "script" and not self._is_fine(given)):
            self.faults.append(f"<{tag}> inline")
        for name, value in given.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self.faults.append(f"<{tag} {name}>")
            if name.startswith(("hx-vals", "hx-headers", "hx-confirm")) and "js:" in value:
                self.faults.append(f"<{tag} {name}> runs a script")
            if name.startswith("hx-trigger") and "[" in value:
                self.faults.append(f"<{tag} {name}> filters by a script")
            if name in FETCHED and not value.startswith(("/", "#", "?")):
                self.faults.append(f"<{tag} {name}={value}> is not ours")
            if name in FETCHED and value.startswith("//"):
                self.faults.append(f"<{tag} {name}={value}> is not ours")

    @staticmethod
    def _is_fine(given: dict[str, str]) -> bool:
        return "src" in given or given.get("type") == "application/json"


def faults_of(page: str) -> list[str]:
    watcher = Watcher()
    watcher.feed(page)
    return watcher.faults


@pytest.mark.parametrize(
    "bad",
    [
        "<script>go()</script>",
        "<style>p{}</style>",
        '<p style="color: red">',
        '<button onclick="go()">',
        '<p hx-on:click="go()">',
        '<p hx-vals="js:{a: 1}">',
        '<p hx-trigger="click[ctrlKey]">',
        '<img src="https://elsewhere.example/a.png">',
        '<img src="//elsewhere.example/a.png">',
    ],
)
def test_the_watcher_can_tell(bad: str) -> None:
    assert len(faults_of(bad)) == 1


@pytest.fixture
def addresses() -> list[str]:
    """Every page there is, with something on it."""
    make_incidents(make_fleet())
    alert = Alert.objects.first()
    runbook = Runbook.objects.first()
    assert alert is not None
    assert runbook is not None
    node = alert.site.nodes.first()
    assert node is not None
    return [
        "/",
        "/counts/",
        "/alerts/",
        f"/alerts/{alert.pk}/",
        f"/alerts/{alert.pk}/row/",
        f"/sites/{alert.site.slug}/",
        f"/nodes/{node.pk}/",
        "/runbooks/",
        f"/runbooks/{runbook.slug}/",
        "/preferences/",
        "/nothing/here/",
    ]


def pages(client: Client, addresses: list[str]) -> Iterator[tuple[str, str]]:
    client.force_login(make_user("operator"))
    for address in addresses:
        yield address, client.get(address).content.decode()
        yield (
            f"{address} part",
            client.get(address, headers={"HX-Request": "true"}).content.decode(),
        )
    client.logout()
    yield "/login/", client.get("/login/").content.decode()


def test_no_page_holds_a_script_a_style_or_another_host(
    client: Client, addresses: list[str]
) -> None:
    found = {address: faults_of(page) for address, page in pages(client, addresses)}
    assert {address: faults for address, faults in found.items() if faults} == {}


def test_every_page_comes_with_the_strict_policy(client: Client, addresses: list[str]) -> None:
    client.force_login(make_user("operator"))
    for address in addresses:
        answer = client.get(address)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"


def test_no_page_is_shown_to_somebody_not_signed_in(client: Client, addresses: list[str]) -> None:
    answers = {address: client.get(address) for address in addresses if address != "/nothing/here/"}
    shown = [address for address, answer in answers.items() if answer.status_code != 302]
    assert shown == []
    assert all(answer["Location"].startswith("/login/?next=") for answer in answers.values())


def test_the_pages_open_to_all_are_these_alone(client: Client) -> None:
    assert {path for path in OPEN_TO_ALL if client.get(path).status_code == 200} == OPEN_TO_ALL


def test_nothing_is_changed_without_the_pages_own_token() -> None:
    strict = Client(enforce_csrf_checks=True)
    site = make_site()
    alert = raise_alert(site, Kind.DISK_FULL, "Disk 92 % full")
    strict.force_login(make_user("operator"))
    targets = ["/logout/", "/preferences/", "/login/", f"/alerts/{alert.pk}/acknowledge/"]
    assert [strict.post(target).status_code for target in targets] == [403] * len(targets)
    alert.refresh_from_db()
    assert alert.response == Alert.Response.UNACKNOWLEDGED


def test_logging_out_needs_a_press_and_no_mere_visit(client: Client) -> None:
    client.force_login(make_user("operator"))
    assert client.get("/logout/").status_code == 405


def test_what_machines_report_is_text_on_the_page(client: Client) -> None:
    site = make_site(name="<b>Osaka</b>", region="<i>Asia</i>")
    raise_alert(site, Kind.DISK_FULL, "<script>alert(1)</script>")
    client.force_login(make_user("operator", first_name="<u>Mei</u>"))
    page = client.get("/").content.decode()
    assert [
        word for word in ("<b>Osaka", "<i>Asia", "<script>alert", "<u>Mei") if word in page
    ] == []


def test_no_template_marks_text_as_safe_by_itself() -> None:
    marks = re.compile(r"\|\s*safe\b|{%\s*autoescape\s+off")
    assert [path.name for path in TEMPLATES.rglob("*.html") if marks.search(path.read_text())] == []


def test_no_script_of_ours_writes_markup_or_runs_text() -> None:
    ways = re.compile(
        r"innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function"
    )
    assert [path.name for path in SCRIPTS.glob("*.js") if ways.search(path.read_text())] == []


def test_what_no_database_keeps_is_taken_out_of_every_form_and_address() -> None:
    alert = raise_alert(make_site(), Kind.THERMAL_ENVELOPE, "Hot.")
    operator = Client()
    operator.force_login(make_user("operator"))
    at = f"/alerts/{alert.pk}/"
    typed = {"text": "Fan\0 is loud.", "client_action_id": "a\0b"}
    assert operator.post(f"{at}comment/", typed).status_code == 302
    said = AlertEvent.objects.get(alert=alert, kind="commented")
    assert (said.sentence, said.client_action_id) == ("Fan is loud.", "ab")
    assert operator.get("/silences/preview/", {"site": "\0", "matchers": "a"}).status_code != 500
    assert operator.get("/oncall/deliveries/", {"site": "x\0y"}).status_code == 200
