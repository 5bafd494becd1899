"""Runbooks beside an alert and in the form that starts one, in the language of whoever reads."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from runbooks.library.services import publish_runbook
from runbooks.library.translations import publish_translation
from runbooks.models import Alert, Run, RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import hot_alert, signed_in, stop_clock
from tests.runbooks.test_translations import GAUGE, GERMAN, TEXT
from tests.runbooks.world import make_runbook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def version() -> RunbookVersion:
    """An edition that can be read in English and in German."""
    version = publish_runbook(source=TEXT, by=None, now=NOON, media={"gauge.svg": GAUGE})
    publish_translation(version=version, source=GERMAN, by=None, now=NOON)
    return version


@pytest.fixture
def alert(version: RunbookVersion) -> Alert:
    alert = hot_alert()
    Alert.objects.filter(pk=alert.pk).update(runbook_version=version)
    alert.refresh_from_db()
    return alert


def reader(accepts: str = "") -> Client:
    client = signed_in(make_user("operator"))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = accepts
    return client


def book(client: Client, alert: Alert, query: str = "") -> str:
    page = client.get(reverse("noc:alert", args=[alert.pk]) + query).content.decode()
    return page[page.index('id="pinned-runbook"') :]


def form(client: Client, alert: Alert) -> str:
    page = client.get(reverse("noc:site", args=[alert.site.slug])).content.decode()
    return page[page.index('id="run-book"') :]


@pytest.mark.parametrize(
    ("accepts", "title"),
    [
        ("de", "Den Lüfter ansehen"),
        ("de-AT,de;q=0.9,en;q=0.8", "Den Lüfter ansehen"),
        ("ja,de;q=0.5", "Den Lüfter ansehen"),
        ("en-US,de;q=0.5", "Look at the fan"),
        ("ja", "Look at the fan"),
        ("", "Look at the fan"),
        ("*", "Look at the fan"),
        (",;q=,", "Look at the fan"),
    ],
)
def test_the_pinned_runbook_is_shown_in_the_readers_language(
    alert: Alert, accepts: str, title: str
) -> None:
    assert title in book(reader(accepts), alert)


def test_another_language_is_chosen_on_the_page_and_kept(alert: Alert) -> None:
    client = reader("de")
    assert 'href="?lang=en-GB#pinned-runbook"' in book(client, alert)
    assert "Look at the fan" in book(client, alert, "?lang=en-GB")
    assert "Look at the fan" in book(client, alert)
    assert "Look at the fan" in book(client, alert, "?lang=%00<b>")
    assert "Den Lüfter ansehen" in book(client, alert, "?lang=de")


def test_with_one_language_there_is_nothing_to_choose(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(runbook_version=make_runbook("plain"))
    assert 'aria-label="Languages"' not in book(reader("de"), alert)


def test_a_run_begins_in_the_language_that_was_read(alert: Alert) -> None:
    client = reader("de")
    client.post(reverse("noc:alert-run", args=[alert.pk]))
    assert Run.objects.get().language == "de"


def test_the_form_of_a_site_calls_runbooks_as_the_reader_does(alert: Alert) -> None:
    client = reader("de")
    assert '<option value="fan" lang="de">Lüfter steht</option>' in form(client, alert)
    assert '<option value="fan" lang="en-GB">Fan stands</option>' in form(reader("fr"), alert)
    client.post(reverse("noc:site-run", args=[alert.site.slug]), {"runbook": "fan"})
    assert Run.objects.get().language == "de"


def test_an_edition_that_cannot_be_read_is_shown_as_it_was_written(alert: Alert) -> None:
    odd = RunbookVersion.objects.create(
        runbook=alert.runbook_version.runbook,
        number=9,
        content_hash="odd",
        source="## Meaning",
        document={"format": 99},
        published_at=NOON,
    )
    Alert.objects.filter(pk=alert.pk).update(runbook_version=odd)
    assert "## Meaning" in book(reader("de"), alert)
    assert '<option value="fan" lang="">Fan stands</option>' in form(reader("de"), alert)
