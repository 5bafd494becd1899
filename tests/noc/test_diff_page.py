"""What is new between two editions: said by words and signs, the same for a hundred steps."""

from __future__ import annotations

import pytest
from django.urls import reverse

from fleet.noc.runbook_diff_board import diff_board, lines_between
from runbooks.library.difference import Mark
from runbooks.library.parse import parse_runbook
from runbooks.library.services import publish_runbook
from runbooks.models import RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import counted_queries, signed_in, stop_clock
from tests.noc.library_world import long_text, words_of
from tests.runbooks.world import make_runbook

pytestmark = pytest.mark.django_db

THERE = "/runbooks/generic/diff/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def editions() -> list[RunbookVersion]:
    first = make_runbook("generic")
    door = "### Open the door\n- type: confirm\n\nSay so.\n\n"
    text = first.source.replace(door, "").replace("minutes: 20", "minutes: 25")
    text = text.replace("Answers get slower.", "Answers get much slower.")
    text = text.replace("- max: 27", "- max: 25")
    text = text.replace("## Verify", "### Close the door\n- type: confirm\n\nShut it.\n\n## Verify")
    return [first, publish_runbook(source=text, by=None, now=NOON, note="Cooler.")]


def page(query: str = "?from=1&to=2") -> str:
    answer = signed_in(make_user("viewer")).get(THERE + query)
    assert answer.status_code == 200
    return words_of(answer)


def test_steps_are_added_removed_and_changed_in_words(editions: list[RunbookVersion]) -> None:
    words = page()
    assert "+ added Step 4 Close the door" in words
    assert "- removed Was step 2 Open the door" in words
    assert "changed Step 2, was 3 Read the inlet" in words
    assert "Step 1 is the same." in words


def test_each_word_has_its_sign_so_paper_shows_it(editions: list[RunbookVersion]) -> None:
    words = page()
    assert "minutes-removed: 20 (end) +added: 25 (end)" in words
    assert "max-removed: 27 (end) +added: 25 (end)" in words
    assert "Answers get +added: much (end) slower." in words


def test_a_step_that_moved_is_said_to_have_moved() -> None:
    first = make_runbook("generic")
    look = "### Look at {{ site.name }}\n- type: instruction\n\nOpen the site page.\n\n"
    text = first.source.replace(look, "").replace("### Call", f"{look}### Call")
    publish_runbook(source=text, by=None, now=NOON)
    words = page("")
    assert "moved Step 3, was 1 Look at" in words
    assert "1 step moved" in words


def test_without_a_choice_the_newest_is_compared_with_the_one_before(
    editions: list[RunbookVersion],
) -> None:
    assert "v1 to v2" in page("")


def test_the_same_edition_twice_or_only_one_has_nothing_to_compare() -> None:
    make_runbook("generic")
    assert "nothing to compare" in page("")
    make_runbook("generic", title="Do that")
    assert "Choose two editions" in page("?from=2&to=2")


@pytest.mark.parametrize("query", ["?from=1&to=9", "?from=x", "?to=99999999999"])
def test_an_edition_that_is_not_there_is_not_found(query: str) -> None:
    make_runbook("generic")
    assert signed_in(make_user("viewer")).get(THERE + query).status_code == 404


def test_an_edition_of_an_older_form_is_a_sentence_not_an_error() -> None:
    first = make_runbook("generic")
    RunbookVersion.objects.create(
        runbook=first.runbook,
        number=2,
        content_hash="x",
        source="old",
        document={"format": 99},
        published_at=NOON,
    )
    assert "cannot be compared" in page()


def test_a_hundred_steps_compare_with_as_many_queries_as_four(
    editions: list[RunbookVersion],
) -> None:
    publish_runbook(source=long_text("long"), by=None, now=NOON)
    publish_runbook(source=long_text("long", said="Look twice."), by=None, now=NOON)
    client = signed_in(make_user("viewer"))
    counts = []
    for slug in ("generic", "long"):
        there = reverse("noc:runbook-diff", args=[slug])
        client.get(there)
        with counted_queries() as seen:
            assert client.get(there).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_alike_stretches_are_one_line() -> None:
    before = parse_runbook(long_text())
    after = parse_runbook(long_text().replace("Check number 50\n", "Check number fifty\n"))
    rows = diff_board(before, after).rows
    assert [row.same for row in rows] == [
        "Steps 1 to 49 are the same.",
        "",
        "Steps 51 to 100 are the same.",
    ]


def test_two_texts_are_told_apart_by_lines_with_what_is_far_left_out() -> None:
    lines = [f"line {number}\n" for number in range(40)]
    changed = [*lines[:20], "another\n", *lines[21:]]
    pieces = lines_between("".join(lines), "".join(changed))
    assert [piece.mark for piece in pieces] == [Mark.KEPT, Mark.REMOVED, Mark.ADDED, Mark.KEPT]
    assert pieces[0].text == "line 0\nline 1\n…\nline 18\nline 19\n"
    assert (pieces[1].text, pieces[2].text) == ("line 20\n", "another\n")
    assert lines_between("", "") == []
