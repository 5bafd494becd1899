"""The library and one runbook: readable, printable, and never obeyed by the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import Http404
from django.urls import reverse

from fleet.noc.runbook_board import bounds_in_words, runbook_page, runbook_view
from runbooks.library.document import RunbookStep
from runbooks.library.markdown import Markdown
from runbooks.library.services import publish_builtin_library
from runbooks.models import RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import signed_in, stop_clock
from tests.runbooks.world import make_runbook

pytestmark = pytest.mark.django_db

TODAY = NOON.date()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def get(path: str) -> str:
    answer = signed_in(make_user("remote_hands")).get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def step(**overrides: Any) -> RunbookStep:
    fields: dict[str, Any] = {
        "id": "a",
        "number": 1,
        "title": "Read",
        "kind": "reading",
        "body": "",
        "expect": "",
        "unit": "Pa",
        "minimum": None,
        "maximum": None,
        "is_mandatory": False,
        "is_destructive": False,
        "who": "either",
        "metric": "",
    }
    return RunbookStep(**(fields | overrides))


def test_the_library_lists_every_runbook_with_what_it_answers() -> None:
    publish_builtin_library(now=NOON)
    page = get(reverse("noc:runbooks"))
    assert "Thermal alarm" in page
    assert "Answers: thermal envelope, throttling" in page
    assert "Opened by hand or by another runbook" in page
    assert page.index(">Thermal<") < page.index(">Power<") < page.index(">General<")


def test_an_empty_library_says_how_to_fill_it() -> None:
    assert "manage.py load_runbooks" in get(reverse("noc:runbooks"))


def test_a_review_that_is_overdue_is_said() -> None:
    publish_builtin_library(now=NOON)
    assert "review overdue" in get(reverse("noc:runbooks"))


def test_the_newest_edition_is_shown_and_an_older_one_when_asked_for() -> None:
    make_runbook("generic", title="Do this first")
    make_runbook("generic", title="Do that first")
    address = reverse("noc:runbook", args=["generic"])
    newest, older = get(address), get(f"{address}?v=1")
    assert '<span class="chip">v2</span>' in newest
    assert "This is an older edition." not in newest
    assert '<span class="chip">v1</span>' in older
    assert "This is an older edition." in older
    assert "The newest is v2." in older


@pytest.mark.parametrize("query", ["?v=7", "?v=x", "?v=-1", "?v="])
def test_an_edition_that_is_not_there_is_not_found(query: str) -> None:
    make_runbook("generic")
    client = signed_in(make_user("viewer"))
    address = reverse("noc:runbook", args=["generic"])
    assert client.get(address + query).status_code == 404


def test_a_runbook_that_is_not_there_is_not_found() -> None:
    with pytest.raises(Http404):
        runbook_page(slug="nothing", number=None, today=TODAY)


def test_destructive_steps_and_those_that_must_be_done_are_marked_in_words() -> None:
    publish_builtin_library(now=NOON)
    page = get(reverse("noc:runbook", args=["reboot"]))
    assert "destructive</b>" in page
    assert "must be done" in page
    assert "Destructive: step" in page


def test_the_whole_runbook_is_open_so_that_it_can_be_printed() -> None:
    publish_builtin_library(now=NOON)
    page = get(reverse("noc:runbook", args=["reboot"]))
    assert page.count('<details class="how"') == page.count('<details class="how" open')


def test_the_name_of_another_runbook_leads_to_it() -> None:
    publish_builtin_library(now=NOON)
    page = get(reverse("noc:runbook", args=["silent-node"]))
    there = reverse("noc:runbook", args=["out-of-band-access"])
    assert f'<a href="{there}"><code>out-of-band-access</code></a>' in page


def test_an_edition_that_cannot_be_read_is_shown_as_it_was_written() -> None:
    version = make_runbook("generic")
    broken = RunbookVersion(
        runbook=version.runbook, number=9, source="## Meaning <b>x</b>", document={"format": 99}
    )
    view = runbook_view(broken, today=TODAY)
    assert view.source == "## Meaning <b>x</b>"
    assert view.steps == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"minimum": 20.0, "maximum": 125.0}, "20 to 125 Pa"),
        ({"minimum": 2000.0, "unit": "rpm"}, "at least 2,000 rpm"),
        ({"maximum": 2.5, "unit": "bar"}, "at most 2.5 bar"),
        ({"maximum": 32.0, "unit": "°C", "metric": "hw.temperature"}, "Temperature at most 32 °C"),
        ({"minimum": 0.0, "metric": "acme.flux"}, "acme.flux at least 0 Pa"),
        (
            {"maximum": 85.0, "unit": "%", "for_seconds": 900, "within_seconds": 1200},
            "at most 85 % for 15 min, reached within 20 min",
        ),
        (
            {"maximum": 85.0, "unit": "%", "device": "{{ alert.device }}", "metric": "acme.fill"},
            "/data acme.fill at most 85 %",
        ),
        ({}, ""),
    ],
)
def test_bounds_are_told_with_their_unit(fields: dict[str, Any], words: str) -> None:
    assert bounds_in_words(step(**fields), values={"alert.device": "/data"}) == words


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
        ("a <b>b</b>", "<p>a &lt;b&gt;b&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("# no heading", "<p># no heading</p>"),
    ],
)
def test_tags_in_a_runbook_are_shown_not_obeyed(source: str, safe: str) -> None:
    assert Markdown().block(source).strip() == safe


def test_a_picture_elsewhere_is_never_fetched() -> None:
    assert "<img" not in Markdown().block("![x](https://example.org/x.png)")


def test_a_value_cannot_begin_markup_of_its_own() -> None:
    text = Markdown({"node.name": "<b>*n*</b>\n# x"})
    filled = '<span class="filled">&lt;b&gt;*n*&lt;/b&gt; # x</span>'
    assert text.line("{{ node.name }}") == filled


def test_a_value_that_is_missing_becomes_a_phrase() -> None:
    unfilled = '<span class="unfilled" data-name="site.name">site name</span>'
    assert Markdown().line("at {{ site.name }}") == f"at {unfilled}"


def test_a_value_is_not_searched_for_variables() -> None:
    text = Markdown({"value": "{{ limit }}", "limit": "35 °C"})
    assert text.line("{{ value }}") == '<span class="filled">{{ limit }}</span>'
