"""A draft's page: written without loss, reviewed by a second person, published or sent back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from runbooks.library.drafts import save_draft
from runbooks.library.pictures import picture_hash
from runbooks.library.publishing import publish_draft
from runbooks.models import RunbookDraft, RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import HTMX, NOW, counted_queries, signed_in, stop_clock
from tests.noc.library_world import (
    GAUGE,
    address,
    begun,
    engineer,
    in_review,
    long_text,
    send,
    words_of,
)
from tests.runbooks.world import make_runbook, runbook_text

pytestmark = pytest.mark.django_db

NEW = runbook_text("new-one", title="Reboot with care")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def preview(user: Any, draft: RunbookDraft, text: str) -> str:
    there = reverse("noc:runbook-draft-preview", args=[draft.pk])
    answer = signed_in(user).post(there, {"source": text}, headers=HTMX)
    assert answer.status_code == 200
    page: str = answer.content.decode()
    return page


def test_a_draft_begins_empty_or_from_an_edition_or_with_another_review_day() -> None:
    ann = engineer()
    make_runbook("generic")
    there = reverse("noc:runbook-draft-new")
    signed_in(ann).post(there)
    signed_in(ann).post(there, {"slug": "generic", "v": "1"})
    review = {"slug": "generic", "v": "1", "owner": "Night shift", "review_by": "2032-05-01"}
    signed_in(ann).post(there, review)
    reviewed, copied, empty = RunbookDraft.objects.order_by("-pk")
    assert "slug: new-runbook" in empty.source
    assert copied.base == RunbookVersion.objects.get()
    assert 'owner: "Night shift"' in reviewed.source
    assert signed_in(ann).post(there, {"slug": "generic", "v": "7"}).status_code == 404


def test_an_older_edition_is_restored_as_a_draft_from_its_page() -> None:
    ann = engineer()
    make_runbook("generic", title="Do this first")
    make_runbook("generic", title="Do that first")
    read, restore = (
        reverse(name, args=["generic"]) for name in ("noc:runbook", "noc:runbook-restore")
    )
    button = "Restore this text as a draft"
    assert button in words_of(signed_in(ann).get(f"{read}?v=1"))
    assert button not in words_of(signed_in(ann).get(read))
    assert button not in words_of(signed_in(make_user("viewer")).get(f"{read}?v=1"))
    page = words_of(signed_in(ann).post(restore, {"v": "1"}, follow=True))
    draft = RunbookDraft.objects.get()
    assert "Do this first" in draft.source
    assert "A draft that goes back to v1, compared with v2" in page
    assert 'value="Goes back to edition 1."' in signed_in(ann).get(address(draft)).content.decode()
    refused = words_of(signed_in(ann).post(restore, {"v": "2"}, follow=True))
    assert "is in force already; there is nothing to go back to." in refused
    assert signed_in(make_user("viewer")).post(restore, {"v": "1"}).status_code == 403
    assert signed_in(ann).post(restore, {"v": "9"}).status_code == 404


def test_what_is_typed_is_saved_as_the_next_revision() -> None:
    ann = engineer()
    draft = begun(ann)
    answer = send(ann, draft, "save", source=NEW.replace("\n", "\r\n"))
    assert answer.status_code == 302
    draft.refresh_from_db()
    assert (draft.revision, draft.source) == (2, NEW)


def test_a_second_editor_gets_both_texts_and_goes_on_from_their_own() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = begun(ann)
    send(ann, draft, "save", source=NEW)
    answer = send(ben, draft, "save", source=draft.source.replace("Say so.", "Say it aloud."))
    page = words_of(answer)
    assert answer.status_code == 409
    assert "Ann Sato changed this draft while you wrote" in page
    assert "Say it aloud." in page
    assert "Reboot with care" in page
    assert 'name="seen" value="2"' in answer.content.decode()
    draft.refresh_from_db()
    assert draft.source == NEW
    mine = draft.source.replace("Say so.", "Say it aloud.")
    signed_in(ben).post(address(draft), {"act": "save", "seen": "2", "source": mine})
    draft.refresh_from_db()
    assert (draft.revision, draft.updated_by) == (3, ben)


def test_words_typed_while_the_draft_went_into_review_are_shown_again() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = begun(ann)
    send(ann, draft, "submit")
    answer = send(ben, draft, "save", source=NEW)
    assert answer.status_code == 409
    assert "Reboot with care" in words_of(answer)
    assert "This draft is in review by now" in words_of(answer)


def test_who_typed_nothing_is_told_nothing_of_a_conflict() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = begun(ann)
    send(ann, draft, "save", source=NEW)
    assert send(ben, draft, "comment", comment="Which door?").status_code == 302
    draft.refresh_from_db()
    assert (draft.revision, draft.source) == (2, NEW)
    assert not draft.remarks.filter(by=ben, kind="saved").exists()


def test_another_editor_is_named_before_one_saves() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = begun(ann)
    there = reverse("noc:runbook-draft-standing", args=[draft.pk]) + "?seen=1&state=writing"
    assert signed_in(ben).get(there).content.strip() == b""
    save_draft(draft=draft, source=NEW, seen=1, by=ann, now=NOON)
    assert "Ann Sato saved revision 2" in words_of(signed_in(ben).get(there))


def test_a_second_editor_sees_before_typing_who_has_the_draft_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = begun(ann)
    there = reverse("noc:runbook-draft-standing", args=[draft.pk]) + "?seen=1&state=writing"
    assert "Ann Sato has" not in words_of(signed_in(ann).get(address(draft)))
    assert "Ann Sato has this draft open too." in words_of(signed_in(ben).get(address(draft)))
    assert "Ben Diaz has this draft open too." in words_of(signed_in(ann).get(there))
    stop_clock(monkeypatch, NOW + timedelta(minutes=12))
    assert "Ann Sato had it open 12 min ago." in words_of(signed_in(ben).get(there))
    stop_clock(monkeypatch, NOW + timedelta(days=2))
    assert "Ann Sato" not in words_of(signed_in(ben).get(there))


def test_who_only_reads_a_draft_is_no_editor_of_it() -> None:
    draft = begun(engineer())
    signed_in(make_user("viewer")).get(address(draft))
    assert not draft.visits.exists()


def test_a_fault_stands_with_its_line_and_the_preview_returns_when_it_is_mended() -> None:
    ann = engineer()
    draft = begun(ann)
    page = preview(ann, draft, NEW.replace("- type: confirm", "- type: confrim"))
    line = NEW.split("\n").index("- type: confirm") + 1
    assert f'href="#f-source" data-line="{line}"' in page
    assert "tabletframe" not in page
    assert "tabletframe" in preview(ann, draft, NEW)
    draft.refresh_from_db()
    assert draft.revision == 1


def test_advice_and_the_size_of_the_pack_stand_beside_the_text() -> None:
    ann = engineer()
    draft = begun(ann, NEW.replace("### Open the door", "### The door"))
    page = " ".join(preview(ann, draft, draft.source).split())
    assert "begin the title with a verb" in page
    assert "bytes of the 25.0 MB a tablet takes along" in page


def test_a_step_is_inserted_behind_another_with_what_was_typed() -> None:
    ann = engineer()
    draft = begun(ann)
    answer = send(ann, draft, "insert:reading", source=NEW, after="1")
    draft.refresh_from_db()
    titles = [line for line in draft.source.split("\n") if line.startswith("### ")]
    assert titles[:3] == ["### Look at {{ site.name }}", "### New reading", "### Open the door"]
    assert "title: Reboot with care" in draft.source
    line = draft.source.split("\n").index("### New reading") + 1
    assert answer.url == f"{address(draft)}?line={line}"


def test_steps_change_places_by_buttons() -> None:
    ann = engineer()
    draft = begun(ann)
    send(ann, draft, "up:2")
    draft.refresh_from_db()
    assert draft.source.index("### Open the door") < draft.source.index("### Look at")
    answer = send(ann, draft, "up:1")
    assert answer.status_code == 422
    assert "first or the last" in words_of(answer)


def test_pictures_are_added_under_a_name_that_a_text_may_write() -> None:
    ann = engineer()
    draft = begun(ann)
    upload = SimpleUploadedFile("Gauge Front.SVG", GAUGE)
    send(ann, draft, "pictures", pictures=upload)
    seen = signed_in(ann).get(address(draft))
    page = words_of(seen)
    assert "gauge-front.svg" in page
    assert f'href="/runbooks/media/{picture_hash(GAUGE)}"' in seen.content.decode()
    assert "shown by no step" in page
    draft.refresh_from_db()
    unsafe = SimpleUploadedFile("bad.svg", GAUGE.replace(b"<path", b"<script/><path"))
    answer = send(ann, draft, "pictures", pictures=unsafe)
    assert answer.status_code == 422
    assert "save it as plain SVG" in words_of(answer)


def test_a_comment_stands_with_its_step() -> None:
    ann = engineer()
    draft = begun(ann)
    send(ann, draft, "comment", comment="Which door?", step="open-the-door")
    page = words_of(signed_in(ann).get(address(draft)))
    assert "Ann Sato: Which door?" in page
    answer = send(ann, draft, "comment", comment=" ")
    assert answer.status_code == 422
    assert 'id="f-comment-fault"' in answer.content.decode()


def test_a_text_that_is_no_runbook_is_saved_and_not_submitted() -> None:
    ann = engineer()
    draft = begun(ann)
    answer = send(ann, draft, "submit", source="Only words", note="x")
    assert answer.status_code == 422
    assert "put the front matter first" in words_of(answer)
    draft.refresh_from_db()
    assert (draft.state, draft.source) == ("writing", "Only words\n")
    assert 'name="seen" value="2"' in answer.content.decode()


def test_the_reviewer_sees_what_is_new_and_publishes() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    base = make_runbook("generic")
    draft = in_review(ann, base.source.replace("Say so.", "Say it aloud."), base)
    page = signed_in(ben).get(address(draft))
    assert "What is new against v1" in words_of(page)
    assert "<ins>" in page.content.decode()
    answer = send(ben, draft, "publish", note="Say it aloud.")
    assert answer.url == reverse("noc:runbook", args=["generic"])
    assert RunbookVersion.objects.get(number=2).published_by == ben


def test_who_wrote_it_cannot_publish_it_and_is_told_why() -> None:
    ann = engineer()
    draft = in_review(ann)
    assert 'value="publish"' not in signed_in(ann).get(address(draft)).content.decode()
    answer = send(ann, draft, "publish", note="Mine.")
    assert answer.status_code == 422
    assert "ask a second person to publish it" in words_of(answer)
    assert not RunbookVersion.objects.exists()


def test_a_review_of_an_older_revision_publishes_nothing() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = in_review(ann)
    answer = send(ben, draft, "publish", note="Good.", seen="0")
    assert answer.status_code == 409
    assert not RunbookVersion.objects.exists()


def test_it_is_sent_back_with_words_or_discarded() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    draft = in_review(ann)
    assert send(ben, draft, "send-back", reason="").status_code == 422
    send(ben, draft, "send-back", reason="Name the door.")
    draft.refresh_from_db()
    page = words_of(signed_in(ann).get(address(draft)))
    assert "Ben Diaz sent back: Name the door." in page
    send(ann, draft, "discard", why="Not needed.")
    draft.refresh_from_db()
    assert draft.state == "discarded"


def test_an_edition_published_meanwhile_is_taken_over_and_said_so() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    base = make_runbook("generic")
    draft = begun(ann, base.source.replace("Say so.", "Say it aloud."), base)
    other = in_review(ben, base.source.replace("In front.", "In front of it."), base)
    publish_draft(draft=other, seen=1, by=ann, now=NOON, note="Clearer.")
    assert "v2 was published since" in words_of(signed_in(ann).get(address(draft)))
    send(ann, draft, "rebase")
    draft.refresh_from_db()
    assert draft.base is not None
    assert draft.base.number == 2


def test_a_reader_reads_a_draft_and_may_not_write() -> None:
    draft = begun(engineer())
    reader = make_user("operator")
    page = signed_in(reader).get(address(draft)).content.decode()
    assert "Open the door" in page
    assert "<textarea" not in page
    answer = send(reader, draft, "save", source=NEW)
    assert answer.status_code == 403
    assert "role of engineer or admin" in words_of(answer)
    there = reverse("noc:runbook-draft-preview", args=[draft.pk])
    assert signed_in(reader).post(there, {"source": ""}).status_code == 403


def test_an_act_that_is_not_known_changes_nothing() -> None:
    ann = engineer()
    assert send(ann, begun(ann), "burn").status_code == 422


@pytest.mark.parametrize("act", ["save", "submit", "comment", "discard", "insert:check"])
def test_what_no_database_keeps_is_no_error_of_the_server(act: str) -> None:
    ann = engineer()
    said = dict.fromkeys(("note", "comment", "step", "why", "after"), "a\0b")
    assert send(ann, begun(ann), act, **said).status_code in {302, 422}
    typed = send(ann, begun(ann, NEW.replace("new-one", "other")), act, source="a\0b")
    assert typed.status_code in {302, 422}


def test_markup_in_a_draft_is_shown_not_obeyed() -> None:
    ann = engineer()
    draft = begun(ann, "<script>alert(1)</script></textarea>")
    assert "<script>alert" not in signed_in(ann).get(address(draft)).content.decode()


def test_a_hundred_steps_cost_as_many_queries_as_four() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    base = make_runbook("generic")
    small = in_review(ann, base.source.replace("Say so.", "Say it aloud."), base)
    large = in_review(ann, long_text())
    counts = []
    for draft in (small, large):
        client = signed_in(ben)
        client.get(address(draft))
        with counted_queries() as seen:
            assert client.get(address(draft)).status_code == 200
        counts.append(len(seen))
    assert counts[1] <= counts[0]
