"""Pictures of editions: kept by hash, pinned to the edition, taken from the one before."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.http import Http404

from runbooks.library.document import RunbookError
from runbooks.library.media import media_for_page, pictures_of, sizes_of
from runbooks.library.selectors import document_of, version_for_page
from runbooks.library.services import publish_builtin_library, publish_runbook
from runbooks.models import Runbook, RunbookMedia, RunbookVersion
from tests.factories import NOON
from tests.runbooks.world import runbook_text

pytestmark = pytest.mark.django_db

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
DIAL = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
TEXT = runbook_text("reboot").replace(
    "- type: confirm\n", "- type: confirm\n- picture: gauge.svg | The gauge\n"
)


def publish(text: str = TEXT, media: dict[str, bytes] | None = None) -> RunbookVersion:
    return publish_runbook(source=text, by=None, now=NOON, media=media)


def test_an_edition_pins_the_bytes_of_its_pictures() -> None:
    first = publish(media={"gauge.svg": GAUGE})
    second = publish(media={"gauge.svg": DIAL})
    assert (first.number, second.number) == (1, 2)
    assert pictures_of(document_of(first)) == {"gauge.svg": GAUGE}
    assert pictures_of(document_of(second)) == {"gauge.svg": DIAL}


def test_a_picture_that_is_not_given_is_named_with_its_line() -> None:
    with pytest.raises(RunbookError) as caught:
        publish(media={"dial.svg": DIAL})
    assert caught.value.code == "picture_missing"
    assert TEXT.split("\n")[caught.value.line - 1] == "- picture: gauge.svg | The gauge"
    assert not Runbook.objects.exists()
    assert not RunbookMedia.objects.exists()


def test_the_next_edition_keeps_the_pictures_of_the_one_before() -> None:
    publish(media={"gauge.svg": GAUGE})
    second = publish(TEXT.replace("Say so.", "Say so at once."))
    assert second.number == 2
    assert pictures_of(document_of(second)) == {"gauge.svg": GAUGE}


def test_the_same_text_with_the_same_pictures_is_one_edition() -> None:
    assert publish(media={"gauge.svg": GAUGE}) == publish(media={"gauge.svg": GAUGE})
    assert publish() == publish(media={"gauge.svg": GAUGE})


def test_the_same_bytes_are_kept_once_and_what_no_step_shows_not_at_all() -> None:
    publish(media={"gauge.svg": GAUGE, "dial.svg": DIAL})
    publish(TEXT.replace("slug: reboot", "slug: other"), media={"gauge.svg": GAUGE})
    assert RunbookMedia.objects.count() == 1


def test_a_picture_that_could_act_stops_the_publication() -> None:
    with pytest.raises(RunbookError, match="gauge.svg holds an element <script>"):
        publish(media={"gauge.svg": GAUGE.replace(b"<path", b"<script/><path")})
    assert not RunbookVersion.objects.exists()


def test_a_picture_is_found_by_its_hash_and_never_changes() -> None:
    digest = dict(document_of(publish(media={"gauge.svg": GAUGE})).media)["gauge.svg"]
    found = media_for_page(digest)
    assert (found.content_type, bytes(found.data)) == ("image/svg+xml", GAUGE)
    assert sizes_of([digest, "0" * 64]) == {digest: len(GAUGE)}
    with pytest.raises(Http404):
        media_for_page("0" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        RunbookMedia.objects.update(name="other.svg")


def test_builtin_pictures_are_published_with_the_runbooks_beside_them(tmp_path: Path) -> None:
    (tmp_path / "reboot.md").write_text(TEXT, encoding="utf-8")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "gauge.svg").write_bytes(GAUGE)
    publish_builtin_library(now=NOON, folder=tmp_path)
    assert pictures_of(document_of(version_for_page("reboot"))) == {"gauge.svg": GAUGE}
