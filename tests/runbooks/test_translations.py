"""An edition in another language: the same steps in other words, and which one is shown."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test.utils import CaptureQueriesContext

from fleet.models import AuditEntry
from runbooks.library.document import RunbookError
from runbooks.library.errors import LibraryError
from runbooks.library.media import pictures_of
from runbooks.library.selectors import document_of
from runbooks.library.services import publish_runbook
from runbooks.library.translations import document_in, languages_of, publish_translation
from runbooks.models import RunbookTranslation, RunbookVersion
from tests.factories import NOON, make_user

pytestmark = pytest.mark.django_db

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
DIAL = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
TEXT = """\
---
slug: fan
title: Fan stands
category: thermal
matches: [thermal.envelope]
owner: Facilities
review_by: 2031-01-01
minutes: 20
language: en-GB
---

## Meaning

A fan stands.

## Impact

It gets warm.

## Safety

Mind your fingers.

## Steps

### Look at the fan
- type: branch
- id: look
- options: It stands -> read | It turns -> end
- picture: gauge.svg | The gauge

### Read the pressure
- type: reading
- id: read
- unit: Pa
- max: 125
- mandatory: yes
- expect: Below 80 Pa

In front.

## Verify

It turns.

## Escalate

Call.
"""
GERMAN = (
    TEXT.replace("language: en-GB", "language: de")
    .replace("Fan stands", "Lüfter steht")
    .replace("Look at the fan", "Den Lüfter ansehen")
    .replace("It stands ->", "Er steht ->")
    .replace("It turns ->", "Er dreht ->")
    .replace("| The gauge", "| Das Manometer")
    .replace("Below 80 Pa", "Unter 80 Pa")
)


@pytest.fixture
def version() -> RunbookVersion:
    return publish_runbook(source=TEXT, by=None, now=NOON, media={"gauge.svg": GAUGE})


def translate(version: RunbookVersion, text: str = GERMAN) -> RunbookTranslation:
    return publish_translation(version=version, source=text, by=make_user(), now=NOON)


def test_a_translation_says_the_same_in_other_words(version: RunbookVersion) -> None:
    translate(version)
    document = document_in(version, "de")
    assert document.steps[0].options[0].label == "Er steht"
    assert pictures_of(document) == {"gauge.svg": GAUGE}
    assert languages_of(version) == ["en-GB", "de"]
    assert AuditEntry.objects.get().action == "translation.published"


def test_an_answer_has_one_name_in_the_log_in_every_language(version: RunbookVersion) -> None:
    translate(version)
    options = document_in(version, "de").steps[0].options
    assert [(o.label, o.choice) for o in options] == [
        ("Er steht", "It stands"),
        ("Er dreht", "It turns"),
    ]
    assert [o.choice for o in document_of(version).steps[0].options] == ["It stands", "It turns"]


def test_a_picture_with_words_in_it_may_be_another(version: RunbookVersion) -> None:
    publish_translation(
        version=version, source=GERMAN, by=None, now=NOON, media={"gauge.svg": DIAL}
    )
    assert pictures_of(document_in(version, "de")) == {"gauge.svg": DIAL}
    assert pictures_of(document_of(version)) == {"gauge.svg": GAUGE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("language: de", "language: en-GB"),
        ("slug: fan", "slug: fans"),
        ("minutes: 20", "minutes: 30"),
        ("matches: [thermal.envelope]", "matches: []"),
        ("- id: look", "- id: looking"),
        ("-> read", "-> end"),
        (" | Er dreht -> end", " | Er dreht -> end | Weiss nicht -> end"),
        ("- type: reading", "- type: verify\n- metric: hw.temperature"),
        ("- unit: Pa", "- unit: hPa"),
        ("- max: 125", "- max: 126"),
        ("- max: 125", "- max: 125\n- min: 1"),
        ("- mandatory: yes", "- mandatory: no"),
        ("- mandatory: yes", "- mandatory: yes\n- destructive: yes"),
        ("- mandatory: yes", "- mandatory: yes\n- who: noc"),
        ("- picture: gauge.svg | Das Manometer\n", ""),
        ("## Verify", "### Noch etwas\n- type: check\n\n## Verify"),
    ],
)
def test_a_translation_that_changes_what_is_done_is_refused(
    version: RunbookVersion, old: str, new: str
) -> None:
    with pytest.raises(RunbookError) as caught:
        translate(version, GERMAN.replace(old, new, 1))
    assert caught.value.code == "translation_differs"
    assert not RunbookTranslation.objects.exists()


def test_a_translation_is_published_once_and_never_changes(version: RunbookVersion) -> None:
    first = translate(version)
    assert translate(version) == first
    with pytest.raises(LibraryError, match="translate that") as caught:
        translate(version, GERMAN.replace("Unter", "Weniger als"))
    assert caught.value.code == "translation_exists"
    with pytest.raises(IntegrityError), transaction.atomic():
        RunbookTranslation.objects.update(language="fr")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("de-AT", "de-AT"),
        ("de-at", "de-AT"),
        ("de", "de"),
        ("de-CH", "de"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("en", "en-GB"),
        ("en-US", "en-GB"),
        ("ja", "en-GB"),
        ("", "en-GB"),
    ],
)
def test_a_reader_is_shown_the_nearest_language(
    version: RunbookVersion, asked: str, shown: str
) -> None:
    for language in ("de", "de-AT", "pt-BR"):
        translate(version, GERMAN.replace("language: de", f"language: {language}"))
    assert document_in(version, asked).language == shown


def test_a_document_in_a_language_takes_at_most_one_query(
    version: RunbookVersion, django_assert_num_queries: type[CaptureQueriesContext]
) -> None:
    translate(version)
    with django_assert_num_queries(1):
        document_in(version, "de-CH")
    with django_assert_num_queries(0):
        document_in(version, "en-GB")
