"""Going back: the text of an older edition becomes a draft, and with a second person an edition."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from runbooks.library.drafts import save_draft, submit_draft
from runbooks.library.errors import LibraryError
from runbooks.library.media import pictures_of
from runbooks.library.publishing import publish_draft, withdraw_edition
from runbooks.library.restoring import restore_edition
from runbooks.library.selectors import document_of, version_for_page
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.library.translations import languages_of, publish_translation
from runbooks.models import RunbookDraft, RunbookVersion
from tests.factories import NOON, make_user
from tests.runbooks.test_translations import DIAL, GAUGE, GERMAN, TEXT

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user(first_name="Ann", last_name="Sato")


@pytest.fixture
def first() -> RunbookVersion:
    """The first of two editions; it can be read in German too, and its picture is another."""
    version = publish_runbook(source=TEXT, by=None, now=NOON, media={"gauge.svg": GAUGE})
    publish_translation(version=version, source=GERMAN, by=None, now=NOON)
    worse = TEXT.replace("It gets warm.", "Nothing happens.")
    publish_runbook(source=worse, by=None, now=NOON, media={"gauge.svg": DIAL})
    return version


def restored(version: RunbookVersion, by: User) -> RunbookDraft:
    return restore_edition(version=version, by=by, now=NOON)


def published(draft: RunbookDraft, by: User) -> RunbookVersion:
    asked = submit_draft(draft=draft, seen=draft.revision, by=by, now=NOON, note=draft.note)
    return publish_draft(draft=asked, seen=asked.revision, by=make_user(), now=NOON, note="Back.")


def code_of(caught: pytest.ExceptionInfo[LibraryError]) -> str:
    return caught.value.code


def test_the_text_and_the_pictures_are_as_they_were(first: RunbookVersion, ann: User) -> None:
    draft = restored(first, ann)
    assert draft.base is not None
    assert (draft.source, draft.base.number) == (first.source, 2)
    assert draft.note == "Goes back to edition 1."
    version = published(draft, ann)
    assert (version.number, version.content_hash) == (3, first.content_hash)
    assert pictures_of(document_of(version)) == {"gauge.svg": GAUGE}
    assert version_for_page("fan") == version


def test_the_edition_has_the_translations_of_the_older_one(
    first: RunbookVersion, ann: User
) -> None:
    version = published(restored(first, ann), ann)
    assert languages_of(version) == ["en-GB", "de"]
    assert version.translations.get().source == GERMAN


def test_a_later_review_day_keeps_the_translations_and_other_words_do_not(
    first: RunbookVersion, ann: User
) -> None:
    draft = restored(first, ann)
    later = draft.source.replace("review_by: 2031-01-01", "review_by: 2032-01-01")
    reviewed = published(save_draft(draft=draft, source=later, seen=1, by=ann, now=NOON), ann)
    assert languages_of(reviewed) == ["en-GB", "de"]
    again = restored(first, ann)
    other = again.source.replace("It gets warm.", "It gets hot.")
    changed = published(save_draft(draft=again, source=other, seen=1, by=ann, now=NOON), ann)
    assert languages_of(changed) == ["en-GB"]


def test_who_restores_it_does_not_publish_it(first: RunbookVersion, ann: User) -> None:
    draft = submit_draft(draft=restored(first, ann), seen=1, by=make_user(), now=NOON)
    with pytest.raises(LibraryError) as caught:
        publish_draft(draft=draft, seen=1, by=ann, now=NOON, note="Back.")
    assert code_of(caught) == "same_person"


def test_what_is_in_force_or_withdrawn_is_not_restored(first: RunbookVersion, ann: User) -> None:
    with pytest.raises(LibraryError) as caught:
        restored(version_for_page("fan"), ann)
    assert code_of(caught) == "nothing_changed"
    withdraw_edition(version=first, reason="Wrong.", by=ann, now=NOON)
    with pytest.raises(LibraryError) as caught:
        restored(version_for_page("fan", 1), ann)
    assert code_of(caught) == "edition_withdrawn"


def test_what_comes_with_the_product_is_not_put_back_by_itself(ann: User) -> None:
    generic = next(v for v in publish_builtin_library(now=NOON) if v.runbook.slug == "generic")
    newer = generic.source.replace("minutes: ", "minutes: 1")
    publish_runbook(source=newer, by=ann, now=NOON)
    back = published(restored(generic, ann), ann)
    in_use = {version.runbook.slug: version for version in publish_builtin_library(now=NOON)}
    assert in_use["generic"] == back
