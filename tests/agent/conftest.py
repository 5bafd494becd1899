"""Fixtures of the tests of the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.agent.config import AgentConfig
from telemetry.agent.spool import Spool
from tests.agent.clocks import FakeClock
from tests.agent.worlds import (
    make_config,
    make_spool,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    return make_config(tmp_path)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path)
