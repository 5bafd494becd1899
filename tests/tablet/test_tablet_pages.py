"""The tablet's program: pages that say nothing, a worker that is one version, who is signed in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from runbooks.runs.services import abandon_run, dispatch_run
from runbooks.runs.tokens import make_claim
from runbooks.tablet import shell
from runbooks.tablet.shell import SHELL, Shell
from tests.factories import NOON, make_site, make_user
from tests.noc.test_security import faults_of
from tests.runbooks.run_world import make_run

pytestmark = pytest.mark.django_db

SCRIPTS = Path(settings.BASE_DIR) / "static/js/run"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("path", ["/tablet/", "/tablet/run/", "/runs/1/", "/r/some-code"])
def test_a_page_is_strict_open_to_all_and_the_same_for_all(client: Client, path: str) -> None:
    before = client.get(path, headers=HTML)
    client.force_login(make_user("operator", first_name="Aiko"))
    after = client.get(path, headers=HTML)
    assert before.status_code == 200
    assert before.content == after.content
    assert faults_of(before.content.decode()) == []
    assert "default-src 'none'" in before["Content-Security-Policy"]
    assert before["X-Shell"] == SHELL.version


def test_the_page_of_a_code_is_a_door_to_programs(client: Client) -> None:
    run = make_run()
    claim = make_claim(run=run, now=NOON)
    answer = client.get(f"/r/{claim.text}", headers={"Accept": "application/json"})
    assert answer["Content-Type"] == "application/json"
    page = client.get(f"/r/{claim.text}", headers=HTML)
    assert page["Content-Type"].startswith("text/html")
    assert page["Referrer-Policy"] == "no-referrer"


def test_the_session_says_who_and_where_they_may_follow_runbooks(client: Client) -> None:
    here, elsewhere = make_site(name="Osaka-3"), make_site(name="Kobe-1")
    user = make_user("remote_hands", here, first_name="Kim", last_name="Tan")
    client.force_login(user)
    said = client.get("/tablet/session.json").json()
    assert said["user"] == {"id": user.pk, "name": "Kim Tan"}
    assert said["sites"] == [{"slug": here.slug, "name": "Osaka-3"}]
    assert elsewhere.slug not in str(said)
    assert said["csrf"]


def test_the_session_names_the_open_runs_that_one_was_sent_to_do(client: Client) -> None:
    site = make_site()
    user, lead = make_user("remote_hands", site), make_user("operator", site)
    mine, ended, of_another = (make_run(site=site, by=lead) for _ in range(3))
    for run in (mine, ended):
        dispatch_run(run=run, to=user, by=lead, now=NOON)
    dispatch_run(run=of_another, to=make_user("remote_hands", site), by=lead, now=NOON)
    abandon_run(run=ended, by=lead, reason="Sold.", now=NOON)
    client.force_login(user)
    assert client.get("/tablet/session.json").json()["runs"] == [mine.pk]


def test_nobody_is_told_nothing(client: Client) -> None:
    answer = client.get("/tablet/session.json")
    assert answer.json() == {"user": None, "csrf": "", "sites": [], "runs": []}
    assert "no-store" in answer["Cache-Control"]


def test_the_worker_is_asked_for_anew_and_keeps_every_file(client: Client) -> None:
    answer = client.get("/sw.js?module")
    text = answer.content.decode()
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["Cache-Control"] == "no-cache"
    assert answer["Service-Worker-Allowed"] == "/"
    assert text.startswith('import { sendAll } from "/static/js/run/sync.js";')
    assert 'import { tellBegun } from "/static/js/run/begun.js";' in text
    assert f'"version": "{SHELL.version}"' in text
    modules = {f"/static/js/run/{path.name}" for path in SCRIPTS.glob("*.js")}
    assert modules <= set(SHELL.files)


def test_the_plain_worker_imports_nothing(client: Client) -> None:
    text = client.get("/sw.js").content.decode()
    assert text.startswith("const sendAll = null;")
    assert not re.search(r"^import ", text, re.MULTILINE)


def test_every_kept_file_is_there(client: Client) -> None:
    pages = [path for path in SHELL.files if not path.startswith(settings.STATIC_URL)]
    assert [path for path in pages if client.get(path).status_code != 200] == []
    files = [path for path in SHELL.files if path.startswith(settings.STATIC_URL)]
    sources = [
        Path(settings.BASE_DIR) / "static" / path.removeprefix(settings.STATIC_URL)
        for path in files
    ]
    assert [source for source in sources if not source.exists()] == []


def test_a_changed_file_is_another_version(monkeypatch: Any, tmp_path: Path) -> None:
    changed = tmp_path / "worker.js"
    changed.write_text("// another worker")
    find = shell.finders.find
    monkeypatch.setattr(
        shell.finders, "find", lambda name: str(changed) if name == "js/worker.js" else find(name)
    )
    assert Shell().version != SHELL.version


def test_a_push_script_is_loaded_where_it_exists(monkeypatch: Any, tmp_path: Path) -> None:
    script = tmp_path / "sw-push.js"
    script.write_text("// pushes")
    find = shell.finders.find
    monkeypatch.setattr(
        shell.finders, "find", lambda name: str(script) if name == "js/sw-push.js" else find(name)
    )
    assert 'import "/static/js/sw-push.js";' in Shell().worker(is_module=True)
    assert 'importScripts("/static/js/sw-push.js");' in Shell().worker(is_module=False)


def test_the_manifest_describes_an_app_with_its_own_icons(client: Client) -> None:
    answer = client.get("/manifest.webmanifest")
    facts = answer.json()
    assert answer["Content-Type"] == "application/manifest+json"
    assert (facts["start_url"], facts["scope"], facts["display"]) == ("/tablet/", "/", "standalone")
    assert [icon["sizes"] for icon in facts["icons"]] == ["192x192", "512x512"]


def test_no_script_of_the_tablet_writes_markup_or_runs_text() -> None:
    ways = re.compile(
        r"innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function"
    )
    scripts = [*SCRIPTS.glob("*.js"), SCRIPTS.parent / "worker.js"]
    assert [path.name for path in scripts if ways.search(path.read_text())] == []
