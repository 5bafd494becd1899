"""Documents say what the code does, or the build fails."""

from __future__ import annotations

import re

from django.apps import apps

from fleet.live import LiveEvent
from fleet.queue import Job
from tests.architecture.tree import ROOT, functions, python_files

SETTINGS = (ROOT / "docs/settings.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
GLOSSARY = (ROOT / "docs/glossary.md").read_text()


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    code = "\n".join(path.read_text() for path in python_files("fleet"))
    read = re.findall(
        r'(?:env_\w+\(|os\.environ\.get\()\s*"((?:HEARTHWATCH_|DATABASE_|REDIS_)\w+|PORT)"', code
    )
    documented = re.findall(r"^\| `([A-Z_]+)` \|", SETTINGS, re.MULTILINE)
    assert sorted(set(read)) == sorted(documented)


def test_every_job_and_event_is_explained_to_operators() -> None:
    missing = [word for word in (*Job, *LiveEvent) if f"`{word.value}`" not in OPERATIONS]
    assert missing == []


def test_every_model_is_in_the_glossary() -> None:
    ours = [
        model.__name__
        for label in ("fleet", "telemetry", "runbooks")
        for model in apps.get_app_config(label).get_models()
    ]
    assert [name for name in ours if f"`{name}`" not in GLOSSARY] == []


def test_the_readme_names_the_two_commands_and_shows_the_product() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    picture = re.search(r"!\[[^\]]+\]\(([^)]+)\)", first_screen)
    assert picture is not None
    assert (ROOT / picture[1]).exists()


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)} -> {target}")
    assert dead == []


def test_every_test_that_proves_a_promise_exists() -> None:
    page = (ROOT / "docs/promises.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    known = {function.name for path in python_files("tests") for function in functions(path)}
    assert len(named) > 50
    assert named - known == set()


def test_every_promise_is_proved() -> None:
    rows = re.findall(r"^\| .*", (ROOT / "docs/promises.md").read_text(), re.MULTILINE)
    unproved = [row for row in rows if "`test_" not in row and not row.endswith("| the test |")]
    assert unproved == []
