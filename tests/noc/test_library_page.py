"""The library's pages: found by word and state, exported, imported, withdrawn, translated."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from runbooks.library.parse import parse_runbook
from runbooks.library.pictures import picture_hash
from runbooks.library.publishing import withdraw_edition
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.models import Run, Runbook, RunbookDraft, RunbookTranslation, RunbookVersion, RunEntry
from tests.factories import NOON, make_site, make_user
from tests.noc.detail_world import counted_queries, signed_in, stop_clock
from tests.noc.library_world import GAUGE, begun, engineer, in_review, words_of
from tests.runbooks.world import make_runbook, runbook_text

pytestmark = pytest.mark.django_db

LIBRARY = "/runbooks/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


def get(path: str, user: Any = None) -> str:
    answer = signed_in(user or make_user("viewer")).get(path)
    assert answer.status_code == 200
    return words_of(answer)


@pytest.fixture
def books() -> None:
    make_runbook("generic", title="Anything else")
    make_runbook("hot", title="Hot aisle", category="thermal", matches="thermal.envelope")
    gone = make_runbook("gone", title="Old fan", category="thermal")
    withdraw_edition(version=gone, reason="Wrong fan.", by=engineer(), now=NOON)


def titles(page: str) -> list[str]:
    return [title for title in ("Anything else", "Hot aisle", "Old fan") if title in page]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Anything else", "Hot aisle", "Old fan"]),
        ("?q=hot", ["Hot aisle"]),
        ("?q=thermal+envelope", ["Hot aisle"]),
        ("?q=open+the+door", ["Anything else", "Hot aisle"]),
        ("?category=thermal", ["Hot aisle", "Old fan"]),
        ("?state=in-force", ["Anything else", "Hot aisle"]),
        ("?state=withdrawn", ["Old fan"]),
        ("?state=in-review", []),
        ("?state=nonsense&category=nonsense", ["Anything else", "Hot aisle", "Old fan"]),
    ],
)
def test_the_address_says_what_is_shown(query: str, found: list[str], books: None) -> None:
    assert titles(get(LIBRARY + query)) == found


def test_a_runbook_says_that_its_next_edition_is_in_review(books: None) -> None:
    hot = RunbookVersion.objects.get(runbook__slug="hot")
    in_review(engineer(), hot.source.replace("Say so.", "Say it."), hot)
    page = signed_in(make_user("viewer")).get(f"{LIBRARY}?state=in-review")
    assert "in review of the next edition of Hot aisle" in words_of(page)


def test_a_review_that_is_overdue_is_found(books: None) -> None:
    text = runbook_text("late", title="Late one").replace("2031-01-01", "2029-12-31")
    publish_runbook(source=text, by=None, now=NOON)
    page = get(f"{LIBRARY}?state=overdue")
    assert "review overdue since 31 Dec 2029" in page
    assert titles(page) == []


def test_drafts_are_sorted_by_who_must_act() -> None:
    ann, ben = engineer(), engineer("Ben", "Diaz")
    begun(ann, runbook_text("one", title="Written by Ann"))
    in_review(ann, runbook_text("two", title="Submitted by Ann"))
    for_ann, for_ben = get(LIBRARY, ann), get(LIBRARY, ben)
    assert for_ann.index("Your drafts") < for_ann.index("Submitted by Ann")
    assert "Waiting for your review" not in for_ann
    assert for_ben.index("Waiting for your review") < for_ben.index("Submitted by Ann")
    assert for_ben.index("Drafts of others") < for_ben.index("Written by Ann")


def test_only_who_may_write_is_offered_to(books: None) -> None:
    assert "New runbook" in get(LIBRARY, engineer())
    reader = make_user("operator")
    assert "New runbook" not in get(LIBRARY, reader)
    for name in ("runbook-draft-new", "runbook-draft-import"):
        answer = signed_in(reader).post(reverse(f"noc:{name}"))
        assert answer.status_code == 403
        assert "takes the role of engineer or admin everywhere" in words_of(answer)
    at_one_site = make_user("engineer", make_site())
    assert signed_in(at_one_site).post(reverse("noc:runbook-draft-new")).status_code == 403


def test_the_library_costs_the_same_queries_for_any_number_of_runbooks(books: None) -> None:
    client = signed_in(make_user("viewer"))
    counts = []
    for _ in range(2):
        client.get(LIBRARY)
        with counted_queries() as seen:
            client.get(LIBRARY)
        counts.append(len(seen))
        publish_builtin_library(now=NOON)
    assert counts[0] == counts[1]


def test_everything_in_force_is_exported_with_its_pictures(books: None) -> None:
    text = runbook_text("seen").replace(
        "- type: confirm\n", "- type: confirm\n- picture: g.svg | It\n"
    )
    publish_runbook(source=text, by=None, now=NOON, media={"g.svg": GAUGE})
    answer = signed_in(make_user("viewer")).get(reverse("noc:runbooks-export"))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [
            "generic/generic.md",
            "hot/hot.md",
            "seen/seen.md",
            "seen/media/g.svg",
        ]
        assert archive.read("seen/seen.md").decode() == text
    assert answer["Content-Disposition"] == 'attachment; filename="runbooks.zip"'


def test_one_edition_is_exported_and_imported_as_a_draft(books: None) -> None:
    ann = engineer()
    answer = signed_in(ann).get(reverse("noc:runbook-export", args=["hot"]))
    upload = SimpleUploadedFile("hot.md", answer.content)
    signed_in(ann).post(reverse("noc:runbook-draft-import"), {"file": upload})
    draft = RunbookDraft.objects.get()
    assert draft.source == RunbookVersion.objects.get(runbook__slug="hot").source
    assert draft.base is not None


def test_a_plain_text_is_imported_with_what_is_still_to_be_done() -> None:
    ann = engineer()
    text = (
        "# Disk is full\n\n## Diagnosis\n\n- Look at the disk\n\n## Mitigation\n\n- Delete logs\n"
    )
    answer = signed_in(ann).post(reverse("noc:runbook-draft-import"), {"text": text}, follow=True)
    page = words_of(answer)
    assert "Disk is full" in page
    assert "There was no section 'Impact'; write it." in page


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "Paste a text or choose a file"),
        ({"file": SimpleUploadedFile("a.zip", b"PK\x03\x04nonsense")}, "The zip is damaged"),
        ({"file": SimpleUploadedFile("a.md", b"\xff\xfe")}, "not UTF-8"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_words(said: Any, sentence: str) -> None:
    answer = signed_in(engineer()).post(reverse("noc:runbook-draft-import"), said)
    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert not RunbookDraft.objects.exists()


def test_editions_say_who_published_when_and_why_one_is_withdrawn(books: None) -> None:
    ann = engineer()
    second = publish_runbook(
        source=runbook_text("hot", title="Hot row"), by=ann, now=NOON, note="Row, not aisle."
    )
    withdraw_edition(version=second, reason="It is an aisle.", by=ann, now=NOON)
    page = get(reverse("noc:runbook-editions", args=["hot"]))
    assert "Row, not aisle. Published 1 Jan 2030, 12:00:00 UTC by Ann Sato" in page
    assert "Withdrawn 1 Jan 2030, 12:00:00 UTC by Ann Sato: It is an aisle." in page
    assert page.index("v2 withdrawn") < page.index("v1 in force")


def test_withdrawing_says_first_what_is_used_instead(books: None) -> None:
    ann = engineer()
    there = reverse("noc:runbook-withdraw", args=["hot"])
    assert "Thermal envelope: new alerts get Anything else." in get(f"{there}?v=1", ann)
    make_runbook("hot", title="Hot row", category="thermal", matches="thermal.envelope")
    assert "New alerts get v1 of" in get(f"{there}?v=2", ann)
    assert "Nothing changes for new alerts" in get(f"{there}?v=1", ann)


def test_an_edition_is_withdrawn_with_a_reason(books: None) -> None:
    ann = engineer()
    there = f"{reverse('noc:runbook-withdraw', args=['hot'])}?v=1"
    refused = signed_in(ann).post(there, {"reason": ""})
    assert refused.status_code == 422
    assert 'id="f-fault" data-code="reason_missing"' in refused.content.decode()
    assert signed_in(ann).post(there, {"reason": "Wrong aisle."}).status_code == 302
    page = get(reverse("noc:runbook", args=["hot"]))
    assert "This edition is withdrawn: Wrong aisle." in page
    assert signed_in(make_user("operator")).post(there, {"reason": "x"}).status_code == 403


def test_usage_says_what_points_here_and_for_whom(books: None) -> None:
    text = runbook_text("hot", title="Hot row", category="thermal", matches="thermal.envelope")
    text = text.replace("language: en\n", "language: en\nsites: [osaka]\nclasses: [edge-2u]\n")
    publish_runbook(source=text, by=None, now=NOON)
    page = get(reverse("noc:runbook-usage", args=["hot"]))
    assert "Alerts of kind thermal envelope." in page
    assert "Only at osaka." in page
    assert "Only for nodes of class edge-2u." in page
    assert "No run in the last 90 days." in page


def test_usage_says_which_step_most_runs_leave_out(books: None) -> None:
    version = RunbookVersion.objects.get(runbook__slug="hot")
    site, kinds = make_site(), [RunEntry.Kind.STEP_SKIPPED] * 2 + [RunEntry.Kind.STEP_DONE] * 3
    for kind in kinds:
        run = Run.objects.create(
            site=site,
            runbook_version=version,
            language="en",
            created_at=NOON,
            started_at=NOON,
            state=Run.State.DONE,
            ended_at=NOON + timedelta(minutes=9),
        )
        RunEntry.objects.create(
            run=run,
            kind=kind,
            step_id="open-the-door",
            runbook_version=version,
            channel=RunEntry.Channel.BROWSER,
            received_at=NOON + timedelta(minutes=3),
        )
    page = get(reverse("noc:runbook-usage", args=["hot"]))
    assert "5 runs in the last 90 days: 5 done, 0 abandoned, 0 failed." in page
    assert "Half of those done took 9 min or less." in page
    assert "Step 2 was skipped in 40 % of runs." in page


def test_a_translation_is_added_and_read(books: None) -> None:
    ann = engineer()
    there = reverse("noc:runbook-translations", args=["hot"])
    own = RunbookVersion.objects.get(runbook__slug="hot")
    french = own.source.replace("language: en", "language: fr").replace("Say so.", "Dites-le.")
    assert signed_in(ann).post(there, {"source": french}).status_code == 302
    page = get(reverse("noc:runbook", args=["hot"]) + "?v=1&lang=fr")
    assert "Dites-le." in page
    refused = signed_in(ann).post(there, {"source": french.replace("max: 27", "max: 30")})
    assert refused.status_code == 422
    assert "another than in the edition" in words_of(refused)
    nowhere = signed_in(ann).get(reverse("noc:runbook", args=["hot"]) + "?lang=xx")
    assert nowhere.status_code == 404


def test_a_translation_brings_its_own_picture_along(books: None) -> None:
    ann = signed_in(engineer())
    english = runbook_text("valve").replace(
        "- type: confirm\n", "- type: confirm\n- picture: gauge.svg | The gauge\n", 1
    )
    publish_runbook(source=english, by=None, now=NOON, media={"gauge.svg": GAUGE})
    french = english.replace("language: en", "language: fr")
    there = reverse("noc:runbook-translations", args=["valve"])
    assert "Each takes the place of the edition’s by its name: gauge.svg." in get(there, engineer())
    dial = GAUGE.replace(b"h9", b"h7")
    said = {"source": french, "pictures": SimpleUploadedFile("Dial.svg", dial)}
    refused = ann.post(there, said)
    assert refused.status_code == 422
    assert "No step shows 'dial.svg'" in words_of(refused)
    said["pictures"] = SimpleUploadedFile("Gauge.svg", dial)
    assert ann.post(there, said).status_code == 302
    page = ann.get(reverse("noc:runbook", args=["valve"]) + "?lang=fr").content.decode()
    assert f"/runbooks/media/{picture_hash(dial)}" in page


def test_a_translation_comes_in_a_zip_as_an_edition_is_exported(books: None) -> None:
    english = runbook_text("valve")
    publish_runbook(source=english, by=None, now=NOON)
    document = parse_runbook(english.replace("language: en", "language: fr"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("valve.md", document.source)
    there = reverse("noc:runbook-translations", args=["valve"])
    upload = SimpleUploadedFile("valve.zip", packed.getvalue())
    assert signed_in(engineer()).post(there, {"file": upload}).status_code == 302
    assert RunbookTranslation.objects.get().language == "fr"


@pytest.mark.parametrize("query", ["?lang=%00", "?v=%00", "?v=99999999999", "?v=%D9%A3"])
def test_an_address_that_is_nonsense_is_not_found(query: str, books: None) -> None:
    there = reverse("noc:runbook", args=["hot"]) + query
    assert signed_in(make_user("viewer")).get(there).status_code == 404


def test_nonsense_in_a_form_is_no_error_of_the_server(books: None) -> None:
    ann = signed_in(engineer())
    begin = ann.post(reverse("noc:runbook-draft-new"), {"slug": "a\0b", "v": "1"})
    assert begin.status_code == 404
    there = reverse("noc:runbook-withdraw", args=["hot"]) + "?v=1"
    assert ann.post(there, {"reason": "\0"}).status_code == 422


def test_a_runbook_may_be_called_drafts() -> None:
    make_runbook("drafts", title="Close the draughts")
    assert Runbook.objects.get().slug == "drafts"
    for name in ("runbook", "runbook-editions", "runbook-diff", "runbook-usage"):
        assert "Close the draughts" in get(reverse(f"noc:{name}", args=["drafts"]))
