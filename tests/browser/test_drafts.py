"""Drafts in a real browser: seen while written, saved without loss, published by another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runbooks.library.drafts import begin_draft, submit_draft
from runbooks.library.services import publish_runbook
from runbooks.models import RunbookDraft, RunbookVersion
from tests.browser.conftest import OpenPage
from tests.browser.screens import elsewhere, faults_at_every_size, settle
from tests.factories import make_user
from tests.runbooks.world import runbook_text

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = runbook_text("hot", title="Hot aisle", category="thermal", matches="thermal.envelope")
NEXT = TEXT.replace("Say so.", "Say it aloud.").replace("- max: 27", "- max: 25")


@pytest.fixture
def ann(transactional_db: None) -> Any:
    """Somebody who writes."""
    return elsewhere(make_user, "engineer", first_name="Ann", last_name="Sato")


@pytest.fixture
def ben(transactional_db: None) -> Any:
    """Somebody who reviews."""
    return elsewhere(make_user, "engineer", first_name="Ben", last_name="Diaz")


@pytest.fixture
def book(transactional_db: None) -> RunbookVersion:
    """A runbook with two editions."""
    now = datetime.now(UTC)
    elsewhere(publish_runbook, source=TEXT, by=None, now=now)
    fixed = TEXT.replace("Answers get slower.", "Answers get much slower.")
    return elsewhere(publish_runbook, source=fixed, by=None, now=now, note="How much slower.")


def begin(ann: Any, book: RunbookVersion, text: str = TEXT) -> RunbookDraft:
    return elsewhere(begin_draft, by=ann, now=datetime.now(UTC), base=book, source=text)


def there(draft: RunbookDraft) -> str:
    return f"/runbooks/drafts/{draft.pk}/"


def line_of_caret(page: Page) -> int:
    found: int = page.get_by_label("Markdown").evaluate(
        "field => field.value.slice(0, field.selectionStart).split('\\n').length"
    )
    return found


@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_of_the_library_are_accessible_and_fit_every_screen(
    dark: bool, open_page: OpenPage, ann: Any, ben: Any, book: RunbookVersion
) -> None:
    draft, now = begin(ann, book), datetime.now(UTC)
    reviewed = begin(ann, book, NEXT)
    elsewhere(submit_draft, draft=reviewed, seen=1, by=ann, now=now, note="Cooler, and aloud.")
    addresses = [
        "/runbooks/",
        "/runbooks/hot/?v=1",
        "/runbooks/hot/editions/",
        "/runbooks/hot/diff/",
        "/runbooks/hot/usage/",
        "/runbooks/hot/translations/",
        "/runbooks/hot/withdraw/?v=2",
        "/runbooks/drafts/import/",
        there(draft),
        there(reviewed),
    ]
    page = settle(open_page(ben, dark=dark))
    faults = {}
    for address in addresses:
        settle(page).goto(address)
        page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        faults[address] = faults_at_every_size(settle(page))
    assert {address: found for address, found in faults.items() if found} == {}


def test_a_fault_leads_to_its_line_and_the_preview_follows_the_words(
    open_page: OpenPage, ann: Any, book: RunbookVersion
) -> None:
    page = settle(open_page(ann, there(begin(ann, book))))
    field = page.get_by_label("Markdown")
    field.fill(NEXT.replace("- type: confirm", "- type: confrim"))
    expect(page.get_by_text("Not saved", exact=True)).to_be_visible()
    line = NEXT.split("\n").index("- type: confirm") + 1
    page.get_by_role("link", name=f"Line {line}", exact=True).click()
    expect(field).to_be_focused()
    assert line_of_caret(page) == line
    field.fill(NEXT)
    expect(page.locator(".tabletframe")).to_contain_text("Say it aloud.")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status")).to_contain_text("Saved as revision 2.")
    page.get_by_role("button", name="Move step 2 up").click()
    expect(page.get_by_role("status")).to_contain_text("Step 2 is step 1 now.")
    expect(page.get_by_label("Markdown")).to_be_focused()


def test_two_who_write_at_once_lose_nothing(
    open_page: OpenPage, ann: Any, ben: Any, book: RunbookVersion
) -> None:
    draft = begin(ann, book)
    one, other = open_page(ann, there(draft)), open_page(ben, there(draft))
    other.get_by_label("Markdown").fill(TEXT.replace("In front.", "In front of it."))
    one.get_by_label("Markdown").fill(NEXT)
    one.get_by_role("button", name="Save Ctrl S").click()
    expect(one.get_by_role("status")).to_contain_text("Saved as revision 2.")
    other.get_by_role("button", name="Save Ctrl S").click()
    expect(other.get_by_role("heading", level=1)).to_have_text(
        "Ann Sato changed this draft while you wrote"
    )
    assert "In front of it." in other.get_by_label("Your text").input_value()
    assert "Say it aloud." in other.get_by_label("Their text, revision 2").input_value()
    assert faults_at_every_size(other) == []
    other.get_by_label("Your text").fill(NEXT.replace("In front.", "In front of it."))
    other.get_by_role("button", name="Save yours as the next revision").click()
    expect(other.get_by_role("status")).to_contain_text("Saved as revision 3.")


def test_without_a_script_it_is_saved_submitted_and_published_by_a_second_person(
    open_page: OpenPage, ann: Any, ben: Any, book: RunbookVersion
) -> None:
    draft = begin(ann, book)
    page = open_page(ann, there(draft), scripts=False)
    page.get_by_label("Markdown").fill(NEXT)
    page.get_by_label("What is new").fill("Say it aloud.")
    page.get_by_role("button", name="Save and submit").click()
    expect(page.get_by_text("a second person publishes it")).to_be_visible()
    expect(page.get_by_role("button", name="Publish")).to_have_count(0)
    review = open_page(ben, there(draft), scripts=False)
    expect(review.locator("ins").filter(has_text="it aloud.")).to_be_visible()
    review.get_by_role("button", name="Publish").click()
    expect(review.get_by_role("status")).to_contain_text("Edition 3 is published.")
