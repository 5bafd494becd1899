"""The demo's world: believable, and the same however often it is furnished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from runbooks.models import Heartbeat, PagingGroup, Run

pytestmark = pytest.mark.django_db


def test_the_demo_furnished_twice_has_one_run_half_done_and_one_over(
    settings: Any, tmp_path: Path
) -> None:
    settings.HEARTHWATCH_DEMO = True
    settings.HEARTHWATCH_HOME = tmp_path
    call_command("load_runbooks")
    call_command("seed_demo")
    call_command("seed_demo")
    states = dict(Run.objects.values_list("site__slug", "state"))
    assert states == {"porto-depot": "in_progress", "gdansk-port": "done"}
    assert PagingGroup.objects.get().owners.count() == 3
    assert Heartbeat.objects.get().last_seen_at is not None
