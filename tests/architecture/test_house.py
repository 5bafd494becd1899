"""House rules that no tool checks for us."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from fleet.celery import app
from fleet.live import LiveEvent
from fleet.noc.consumers import LiveConsumer
from fleet.queue import Job
from runbooks.library.document import FINDING_KINDS
from telemetry.agent.version import VERSION
from telemetry.models import Finding
from tests.architecture.tree import PACKAGES, ROOT, functions, name_of, python_files

INNER_IMPORT_GOOD = "from fleet.models import Site\ndef f():\n    return Site\n"
INNER_IMPORT_BAD = "def f():\n    from fleet.models import Site\n    return Site\n"


def inner_imports(source: str) -> list[str]:
    """Return the imports of our own packages that stand inside functions."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [
                node.module or ""
                for node in ast.walk(function)
                if isinstance(node, ast.ImportFrom)
                and (node.module or "").split(".")[0] in PACKAGES
            ]
    return found


def test_the_rule_against_inner_imports_can_tell() -> None:
    assert inner_imports(INNER_IMPORT_GOOD) == []
    assert inner_imports(INNER_IMPORT_BAD) == ["fleet.models"]


def test_nothing_of_ours_is_imported_inside_a_function() -> None:
    scars = {
        name_of(path): inner_imports(path.read_text())
        for path in python_files(*PACKAGES, "tests", "bench")
    }
    assert {name: found for name, found in scars.items() if found} == {}


def test_no_file_is_a_drawer_for_whatever_has_no_home() -> None:
    drawers = {"utils", "helpers", "common", "misc", "shared"}
    assert [name_of(path) for path in python_files(*PACKAGES) if path.stem in drawers] == []


def test_views_and_consumers_start_at_access() -> None:
    rooms = python_files("fleet/noc", "telemetry/ingest", "runbooks")
    doors = [path for path in rooms if path.stem.endswith(("views", "consumers"))]
    assert doors
    assert [name_of(path) for path in doors if ".objects.get(" in path.read_text()] == []


def test_every_job_name_is_a_registered_task() -> None:
    app.loader.import_default_modules()
    assert {job.value for job in Job} <= set(app.tasks)


def test_the_beat_asks_only_for_known_jobs() -> None:
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= {job.value for job in Job}


def test_every_live_event_has_a_handler() -> None:
    missing = [
        event for event in LiveEvent if not hasattr(LiveConsumer, event.value.replace(".", "_"))
    ]
    assert missing == []


def test_the_telemetry_package_file_stays_empty_for_the_agent() -> None:
    assert (ROOT / "telemetry/__init__.py").read_text() == ""


def test_the_agent_tells_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_runbooks_and_detectors_know_the_same_kinds_of_finding() -> None:
    assert set(FINDING_KINDS) == set(Finding.Kind.values)


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_no_mark_of_unfinished_work_stands_in_the_product(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b")
    marked = [name_of(p) for p in python_files(*PACKAGES) if pattern.search(p.read_text())]
    assert marked == []


def test_every_public_service_takes_only_keywords() -> None:
    loose = [
        f"{name_of(path)} {function.name}"
        for path in python_files("runbooks", "telemetry", "fleet/services")
        if path.stem == "services" or "services" in path.parts
        for function in functions(path)
        if not function.name.startswith("_") and function.args.args
        if function.args.args[0].arg not in ("self", "cls")
    ]
    assert loose == []
