"""What docs/runs.md says of runs is what the code does."""

from __future__ import annotations

import re

from runbooks.library.document import STEP_RULES
from runbooks.models import Run, RunEntry
from tests.architecture.tree import ROOT, python_files
from tests.pure.test_run_wire import EXAMPLE_MAC

PAGE = (ROOT / "docs/runs.md").read_text()


def test_every_code_is_explained_and_no_other() -> None:
    folders = ("runbooks/runs", "runbooks/tablet", "fleet/noc")
    code = "\n".join(path.read_text() for path in python_files(*folders))
    raised = set(re.findall(r'RunError\(\s*"([a-z_]+)"', code))
    tables = PAGE[PAGE.index("## Errors") :]
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z_]+)`", " ".join(cells))) == raised


def test_every_state_kind_and_type_of_step_is_explained() -> None:
    words = [*Run.State.values, *RunEntry.Kind.values, *STEP_RULES]
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_the_documented_mac_is_the_one_that_holds() -> None:
    assert EXAMPLE_MAC in PAGE
