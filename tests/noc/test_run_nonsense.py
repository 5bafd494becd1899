"""The pages of runs meet what no person types: it is refused in words, and nothing breaks."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from fleet.models import Site
from runbooks.models import Run
from tests.factories import make_user
from tests.noc.detail_world import signed_in, stop_clock
from tests.runbooks.run_world import Device, make_run

pytestmark = pytest.mark.django_db

ODD_WORDS = ["%00", "²", "%ED%A0%80", "9" * 40, "-1", "%F0%9F%94%A5"]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.fixture
def run() -> Run:
    return make_run()


@pytest.mark.parametrize("word", ODD_WORDS)
@pytest.mark.parametrize("key", ["site", "runbook", "state", "before"])
def test_an_address_of_the_list_that_is_nonsense_finds_nothing(
    run: Run, key: str, word: str
) -> None:
    assert signed_in(run.lead).get(f"{reverse('noc:runs')}?{key}={word}").status_code == 200


@pytest.mark.parametrize("word", ODD_WORDS)
@pytest.mark.parametrize(
    "path",
    [
        "/runs/{run}/photos/{word}",
        "/runs/{run}/sheet.{word}",
        "/runbooks/media/{word}",
        "/r/{word}",
        "/api/v1/runs/{run}/photos/{word}",
        "/api/v1/runs/{run}/pictures/{word}",
        "/api/v1/runs/{word}/pack",
    ],
)
def test_a_path_that_is_nonsense_is_not_found(run: Run, path: str, word: str) -> None:
    asked = path.format(run=run.pk, word=word)
    assert signed_in(run.lead).get(asked).status_code == 404


@pytest.mark.parametrize("word", ODD_WORDS)
def test_a_pack_in_a_language_that_is_nonsense_is_in_the_editions_own(run: Run, word: str) -> None:
    asked = f"/api/v1/runs/{run.pk}/pack?language={word}"
    assert signed_in(run.lead).get(asked).json()["run"]["runbook"]["language"] == "en"


@pytest.mark.parametrize("word", ["\0", "²", "9" * 40, "\N{FIRE}" * 2000])
@pytest.mark.parametrize(
    "act",
    ["pause", "resume", "hand-over", "abandon", "fail", "finish", "move", "note", "choose"]
    + ["ask-approval", "approve", "refuse", "verify", "\N{FIRE}"],
)
def test_nonsense_in_a_form_is_refused_in_words(run: Run, act: str, word: str) -> None:
    said = dict.fromkeys(
        ["reason", "note", "to", "seen_lead", "step", "entry", "version", "alert"], word
    )
    answer = signed_in(run.lead).post(reverse("noc:run-act", args=[run.pk, act]), said)
    assert answer.status_code in (302, 404, 409, 422)


@pytest.mark.parametrize("word", ["\0", "²", "9" * 40])
def test_a_run_begun_or_sent_with_nonsense_is_refused_in_words(run: Run, word: str) -> None:
    site: Site = run.site
    client = signed_in(run.lead)
    said = dict.fromkeys(["runbook", "node", "seen_run", "act", "token", "to"], word)
    assert client.post(reverse("noc:site-run", args=[site.slug]), said).status_code in (409, 422)
    asked = reverse("noc:run-dispatch", args=[run.pk])
    for act in ("send", "revoke", word):
        assert client.post(asked, said | {"act": act}).status_code in (404, 422)


@pytest.mark.parametrize("odd", [{"by": "\ud800"}, {"input": {"note": "\ud800"}}, {"at": "\udc80"}])
def test_text_that_no_page_can_hold_does_not_close_the_quarantine(run: Run, odd: Any) -> None:
    device = Device(run)
    device.send(device.done("look") | odd)
    operator = make_user("operator")
    for name, args in (("run-quarantine", []), ("run-watch", [run.pk])):
        answer = signed_in(operator).get(reverse(f"noc:{name}", args=args))
        assert answer.status_code == 200
        assert "entry_tampered" in answer.content.decode()
