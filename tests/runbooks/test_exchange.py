"""Runbooks go from one library to another, and those of others come in as drafts."""

from __future__ import annotations

import pytest

from runbooks.library.document import RunbookError
from runbooks.library.drafts import submit_draft
from runbooks.library.exchange import begin_import, export_edition
from runbooks.library.parse import parse_runbook
from runbooks.library.publishing import publish_draft
from runbooks.library.selectors import document_of
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.models import Runbook, RunbookDraft
from tests.factories import NOON, make_user
from tests.pure.foreign_runbooks import FOUR_HEADINGS
from tests.runbooks.world import make_runbook, runbook_text

pytestmark = pytest.mark.django_db

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
TEXT = runbook_text("reboot").replace(
    "- type: confirm\n", "- type: confirm\n- picture: gauge.svg | The gauge\n"
)


def bring(data: bytes, name: str = "file.md") -> tuple[RunbookDraft, tuple[str, ...]]:
    found = begin_import(data=data, name=name, by=make_user(), now=NOON)
    return found.draft, found.warnings


def test_an_edition_that_comes_back_changes_nothing() -> None:
    for version in publish_builtin_library(now=NOON):
        exported = export_edition(version)
        draft, warnings = bring(exported.data, exported.name)
        assert (draft.source, draft.base, warnings) == (version.source, version, ())


def test_an_edition_with_pictures_is_the_identical_document_in_another_library() -> None:
    version = publish_runbook(source=TEXT, by=None, now=NOON, media={"gauge.svg": GAUGE})
    exported = export_edition(version)
    assert (exported.name, exported.content_type) == ("reboot.zip", "application/zip")
    draft, _ = bring(exported.data)
    assert draft.media == dict(document_of(version).media)
    assert draft.source == version.source


def test_a_text_of_ours_begins_the_next_edition_of_its_runbook() -> None:
    first = make_runbook("reboot")
    draft, _ = bring(runbook_text("reboot", title="Reboot with care").encode())
    assert (draft.runbook, draft.base) == (first.runbook, first)
    submit_draft(draft=draft, seen=1, by=make_user(), now=NOON)
    version = publish_draft(draft=draft, seen=1, by=make_user(), now=NOON, note="With care.")
    assert (version.runbook, version.number) == (first.runbook, 2)


def test_a_text_of_ours_with_a_fault_comes_in_as_it_is_and_the_fault_is_said() -> None:
    text = runbook_text("reboot").replace("- type: confirm", "- type: confess")
    draft, warnings = bring(text.encode())
    assert draft.source == text
    assert "no step type 'confess'" in warnings[0]


def test_a_runbook_of_others_comes_in_as_a_draft_that_parses() -> None:
    draft, warnings = bring(FOUR_HEADINGS.encode(), "anything.md")
    document = parse_runbook(draft.source)
    assert (document.slug, draft.runbook, draft.state) == (
        "edge-disk-almost-full",
        None,
        "writing",
    )
    assert len(warnings) >= 3
    assert not Runbook.objects.exists()


def test_a_text_without_a_title_is_called_like_its_file() -> None:
    draft, _ = bring(b"Turn it off and on.", "books/modem-hangs.md")
    assert parse_runbook(draft.source).title == "modem-hangs"


def test_a_file_that_is_neither_begins_nothing() -> None:
    with pytest.raises(RunbookError) as caught:
        bring(b"\xff\xfe")
    assert caught.value.code == "bad_bundle"
    assert not RunbookDraft.objects.exists()
