"""Drafts: written under each other's eyes, published by a second person, or put away."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from django.contrib.auth.models import User
from django.http import Http404

from fleet.models import AuditEntry
from runbooks.library.desk import (
    DueReview,
    draft_for_page,
    due_for_review,
    look_at_draft,
    may_review,
    open_drafts,
)
from runbooks.library.document import RunbookError
from runbooks.library.drafts import (
    add_pictures,
    begin_draft,
    comment_on_draft,
    discard_draft,
    rebase_draft,
    save_draft,
    send_back_draft,
    submit_draft,
)
from runbooks.library.errors import LibraryError, StaleDraft
from runbooks.library.media import pictures_of
from runbooks.library.publishing import publish_draft, withdraw_edition
from runbooks.library.selectors import document_of, library_for_page, version_for_page
from runbooks.models import RunbookDraft, RunbookVersion
from tests.factories import NOON, make_user
from tests.runbooks.world import make_runbook, runbook_text, seconds

pytestmark = pytest.mark.django_db

LATER = NOON + seconds(60)
NEW = runbook_text("reboot", title="Reboot with care")
GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
DIAL = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
WITH_PICTURE = NEW.replace("- type: confirm\n", "- type: confirm\n- picture: gauge.svg | It\n")


@pytest.fixture
def ann() -> User:
    return make_user(first_name="Ann", last_name="Sato")


@pytest.fixture
def ben() -> User:
    return make_user(first_name="Ben", last_name="Diaz")


def refusal(caught: pytest.ExceptionInfo[LibraryError]) -> str:
    assert str(caught.value).endswith(".")
    return caught.value.code


def written(by: User, text: str = NEW, base: RunbookVersion | None = None) -> RunbookDraft:
    draft = begin_draft(by=by, now=NOON, base=base)
    return save_draft(draft=draft, source=text, seen=1, by=by, now=NOON)


def submitted(by: User, text: str = NEW, base: RunbookVersion | None = None) -> RunbookDraft:
    return submit_draft(draft=written(by, text, base), seen=2, by=by, now=NOON)


def published(draft: RunbookDraft, by: User, now: datetime = LATER) -> RunbookVersion:
    return publish_draft(draft=draft, seen=draft.revision, by=by, now=now, note="Safer.")


def test_a_draft_begins_from_an_edition_from_a_text_or_from_an_empty_form(ann: User) -> None:
    first = make_runbook("reboot")
    assert begin_draft(by=ann, now=NOON, base=first).source == first.source
    assert begin_draft(by=ann, now=NOON, source="Any text").source == "Any text\n"
    empty = begin_draft(by=ann, now=NOON)
    assert look_at_draft(empty, today=date(2030, 1, 1)).code == "empty_value"


def test_a_save_over_the_revision_one_saw_is_the_next_revision(ann: User) -> None:
    draft = written(ann)
    assert (draft.revision, draft.source, draft.updated_by) == (2, NEW, ann)


def test_a_save_over_another_revision_names_the_editor_and_keeps_the_text(
    ann: User, ben: User
) -> None:
    draft = written(ann)
    with pytest.raises(StaleDraft, match="Ann Sato changed this draft") as caught:
        save_draft(draft=draft, source="Mine", seen=1, by=ben, now=LATER)
    assert (caught.value.text, caught.value.revision) == ("Mine", 2)
    draft.refresh_from_db()
    assert draft.source == NEW


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "a" * 200_001])
def test_what_cannot_be_kept_is_refused_with_a_sentence(ann: User, text: str) -> None:
    draft = begin_draft(by=ann, now=NOON)
    with pytest.raises(LibraryError) as caught:
        save_draft(draft=draft, source=text, seen=1, by=ann, now=NOON)
    assert refusal(caught) in ("bad_character", "too_long")


def test_a_second_person_publishes_and_the_edition_says_by_whom_and_why(
    ann: User, ben: User
) -> None:
    first = make_runbook("reboot")
    draft = submitted(ann, base=first)
    assert may_review(draft, ben)
    version = published(draft, ben)
    assert (version.number, version.note, version.published_by) == (2, "Safer.", ben)
    draft.refresh_from_db()
    assert (draft.state, draft.version, draft.reviewed_by) == ("published", version, ben)
    kinds = [remark.kind for remark in draft_for_page(draft.pk).remarks.all()]
    assert kinds == ["saved", "submitted", "published"]
    actions = AuditEntry.objects.order_by("id").values_list("action", "actor_id")
    assert list(actions) == [
        ("draft.begun", ann.pk),
        ("draft.submitted", ann.pk),
        ("draft.published", ben.pk),
    ]


def test_whoever_submitted_or_wrote_a_draft_does_not_publish_it(ann: User, ben: User) -> None:
    draft = written(ann)
    draft = save_draft(draft=draft, source=NEW + "\n", seen=2, by=ben, now=NOON)
    cleo = make_user()
    draft = submit_draft(draft=draft, seen=3, by=cleo, now=NOON)
    for person in (ann, ben, cleo):
        assert not may_review(draft, person)
        with pytest.raises(LibraryError) as caught:
            published(draft, person)
        assert refusal(caught) == "same_person"
    assert published(draft, make_user()).number == 1


def test_whoever_brought_the_text_or_a_picture_does_not_publish_it(ann: User, ben: User) -> None:
    draft = begin_draft(by=ann, now=NOON, source=WITH_PICTURE)
    draft = add_pictures(draft=draft, pictures={"gauge.svg": GAUGE}, by=ben, now=NOON)
    draft = submit_draft(draft=draft, seen=2, by=make_user(), now=NOON)
    assert not may_review(draft, ann)
    assert not may_review(draft, ben)


def test_the_pictures_of_a_draft_go_into_its_edition(ann: User, ben: User) -> None:
    draft = begin_draft(by=ann, now=NOON, source=WITH_PICTURE, pictures={"gauge.svg": GAUGE})
    first = published(submit_draft(draft=draft, seen=1, by=ann, now=NOON), ben)
    assert pictures_of(document_of(first)) == {"gauge.svg": GAUGE}
    again = begin_draft(by=ann, now=LATER, base=first)
    again = add_pictures(draft=again, pictures={"gauge.svg": DIAL}, by=ann, now=LATER)
    second = published(submit_draft(draft=again, seen=2, by=ann, now=LATER), ben)
    assert pictures_of(document_of(second)) == {"gauge.svg": DIAL}


def test_a_draft_that_shows_a_missing_picture_is_not_submitted(ann: User) -> None:
    draft = written(ann, WITH_PICTURE)
    with pytest.raises(RunbookError) as caught:
        submit_draft(draft=draft, seen=2, by=ann, now=NOON)
    assert caught.value.code == "picture_missing"
    look = look_at_draft(draft, today=date(2030, 1, 1))
    assert (look.code, look.line) == ("picture_missing", caught.value.line)


def test_what_was_not_seen_is_not_submitted_and_not_published(ann: User, ben: User) -> None:
    draft = written(ann)
    with pytest.raises(StaleDraft):
        submit_draft(draft=draft, seen=1, by=ann, now=NOON)
    draft = submit_draft(draft=draft, seen=2, by=ann, now=NOON)
    with pytest.raises(StaleDraft) as caught:
        publish_draft(draft=draft, seen=1, by=ben, now=NOON, note="Safer.")
    assert str(caught.value) == (
        "Ann Sato changed this draft meanwhile; nothing was done with it. Read what is new, then "
        "decide."
    )


def test_a_draft_in_review_is_not_written_in(ann: User) -> None:
    draft = submitted(ann)
    with pytest.raises(LibraryError) as caught:
        save_draft(draft=draft, source="Other", seen=2, by=ann, now=NOON)
    assert refusal(caught) == "draft_moved_on"
    with pytest.raises(LibraryError):
        add_pictures(draft=draft, pictures={"gauge.svg": GAUGE}, by=ann, now=NOON)


def test_a_draft_sent_back_is_written_in_again(ann: User, ben: User) -> None:
    draft = send_back_draft(draft=submitted(ann), text="Say what is lost.", by=ben, now=LATER)
    with pytest.raises(LibraryError) as caught:
        published(draft, ben)
    assert refusal(caught) == "draft_moved_on"
    assert save_draft(draft=draft, source=NEW + "\n", seen=2, by=ann, now=LATER).revision == 3


def test_a_note_and_a_reason_are_needed(ann: User, ben: User) -> None:
    draft = submitted(ann)
    with pytest.raises(LibraryError) as caught:
        publish_draft(draft=draft, seen=2, by=ben, now=NOON, note=" ")
    assert refusal(caught) == "note_missing"
    with pytest.raises(LibraryError) as caught:
        send_back_draft(draft=draft, text="", by=ben, now=NOON)
    assert refusal(caught) == "reason_missing"


@pytest.mark.parametrize("words", ["a\0b", "a\ud800b"])
def test_words_that_cannot_be_kept_are_refused(ann: User, ben: User, words: str) -> None:
    with pytest.raises(LibraryError) as caught:
        submit_draft(draft=written(ann), seen=2, by=ann, now=NOON, note=words)
    assert refusal(caught) == "bad_character"
    draft = submitted(ann)
    with pytest.raises(LibraryError) as caught:
        publish_draft(draft=draft, seen=2, by=ben, now=NOON, note=words)
    assert refusal(caught) == "bad_character"
    version = published(draft, ben)
    with pytest.raises(LibraryError) as caught:
        withdraw_edition(version=version, reason=words, by=ben, now=NOON)
    assert refusal(caught) == "bad_character"


def test_a_comment_stands_at_its_step(ann: User, ben: User) -> None:
    draft = submitted(ann)
    comment_on_draft(draft=draft, text="Which door?", step_id="open-the-door", by=ben, now=NOON)
    remark = draft_for_page(draft.pk).remarks.all()[2]
    assert (remark.kind, remark.step_id, remark.text) == (
        "commented",
        "open-the-door",
        "Which door?",
    )
    assert may_review(draft, ben)


@pytest.mark.parametrize(("text", "code"), [("", "empty_comment"), ("a" * 1001, "too_long")])
def test_a_comment_says_something_and_not_too_much(ann: User, text: str, code: str) -> None:
    with pytest.raises(LibraryError) as caught:
        comment_on_draft(draft=written(ann), text=text, by=ann, now=NOON)
    assert refusal(caught) == code


def test_a_new_runbook_does_not_take_the_slug_of_another(ann: User) -> None:
    make_runbook("reboot")
    with pytest.raises(LibraryError) as caught:
        submitted(ann)
    assert refusal(caught) == "slug_taken"


def test_a_runbook_keeps_its_slug(ann: User) -> None:
    with pytest.raises(LibraryError) as caught:
        submitted(ann, runbook_text("restart"), make_runbook("reboot"))
    assert refusal(caught) == "slug_changed"


def test_a_draft_without_a_change_is_not_submitted(ann: User) -> None:
    first = make_runbook("reboot")
    with pytest.raises(LibraryError) as caught:
        submitted(ann, first.source, first)
    assert refusal(caught) == "nothing_changed"


def test_an_edition_published_meanwhile_is_not_written_over_unseen(ann: User, ben: User) -> None:
    first = make_runbook("reboot")
    draft = submitted(ann, base=first)
    second = make_runbook("reboot", title="Reboot gently")
    with pytest.raises(LibraryError) as caught:
        published(draft, ben)
    assert refusal(caught) == "base_outdated"
    draft = send_back_draft(draft=draft, text="Take over edition 2.", by=ben, now=LATER)
    draft = rebase_draft(draft=draft, onto=second, by=ann, now=LATER)
    draft = submit_draft(draft=draft, seen=2, by=ann, now=LATER)
    assert published(draft, ben).number == 3


def test_a_discarded_draft_stays_readable_and_leaves_the_desk(ann: User) -> None:
    draft = written(ann)
    assert open_drafts() == [draft]
    discard_draft(draft=draft, by=ann, now=NOON, reason="Not needed.")
    assert open_drafts() == []
    assert draft_for_page(draft.pk).source == NEW
    with pytest.raises(LibraryError):
        discard_draft(draft=draft, by=ann, now=NOON)
    with pytest.raises(Http404):
        draft_for_page(draft.pk + 1)


def test_a_review_without_another_change_is_a_draft_with_a_later_day(ann: User, ben: User) -> None:
    first = make_runbook("reboot")
    assert due_for_review(by=date(2031, 1, 1)) == [DueReview(first, "Facilities", date(2031, 1, 1))]
    assert due_for_review(by=date(2030, 12, 31)) == []
    front = {"review_by": "2032-01-01", "owner": "Platform: nights"}
    draft = begin_draft(by=ann, now=NOON, base=first, front=front)
    version = published(submit_draft(draft=draft, seen=1, by=ann, now=NOON), ben)
    document = document_of(version)
    assert (document.owner, document.review_by) == ("Platform: nights", date(2032, 1, 1))
    assert document.steps == document_of(first).steps
    assert due_for_review(by=date(2031, 1, 1)) == []


# Withdrawn editions


def test_a_withdrawn_edition_leaves_the_page_to_the_one_before(ann: User) -> None:
    first = make_runbook("reboot")
    second = make_runbook("reboot", title="Reboot with care", now=LATER)
    withdraw_edition(version=second, reason="Step 3 is wrong.", by=ann, now=LATER)
    assert version_for_page("reboot") == first
    assert version_for_page("reboot", 2).withdrawal.reason == "Step 3 is wrong."
    assert [entry.version for entry in library_for_page()] == [first]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject) == ("edition.withdrawn", "runbook reboot")


def test_a_runbook_whose_editions_are_all_withdrawn_shows_its_newest(ann: User) -> None:
    first = make_runbook("reboot")
    second = make_runbook("reboot", title="Reboot with care", now=LATER)
    withdraw_edition(version=second, reason="Wrong.", by=ann, now=LATER)
    withdraw_edition(version=first, reason="Wrong too.", by=ann, now=LATER)
    assert version_for_page("reboot") == second
    assert library_for_page() == []


def test_an_edition_is_withdrawn_once_and_with_a_reason(ann: User) -> None:
    first = make_runbook("reboot")
    with pytest.raises(LibraryError) as caught:
        withdraw_edition(version=first, reason=" ", by=ann, now=NOON)
    assert refusal(caught) == "reason_missing"
    withdraw_edition(version=first, reason="Wrong.", by=ann, now=NOON)
    with pytest.raises(LibraryError) as caught:
        withdraw_edition(version=first, reason="Wrong.", by=ann, now=NOON)
    assert refusal(caught) == "already_withdrawn"


def test_the_last_edition_of_the_generic_runbook_stays(ann: User) -> None:
    first = make_runbook("generic")
    second = make_runbook("generic", title="Better", now=LATER)
    withdraw_edition(version=first, reason="Old.", by=ann, now=NOON)
    with pytest.raises(LibraryError) as caught:
        withdraw_edition(version=second, reason="Old.", by=ann, now=NOON)
    assert refusal(caught) == "last_generic"
