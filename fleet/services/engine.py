"""The guard of the engine: an old program never works on rows that are made for newer rules.

Every transaction of every cycle, in the sweep or in a worker, runs inside `engine_transaction`.
Cycles share the lock of their module, so they go on side by side; a migration that raises a
version takes it alone (the trigger of `fleet_enginemodule` does), so it waits for the cycles under
way, and those that begin later find the new version and stop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from django.db import connection, transaction

from fleet.models import EngineModule

__all__ = [
    "VERSIONS",
    "EngineMismatch",
    "Module",
    "engine_faults",
    "engine_transaction",
    "require_engine",
]

logger = logging.getLogger(__name__)

Module = EngineModule.Name

#: The rules by which this program works. Whoever changes what the rows of a module mean raises
#: its number here and, in the same commit, in a migration (docs/operations.md, Upgrades).
VERSIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        Module.DETECTION: 1,
        Module.HEARTBEATS: 1,
        Module.INTAKE: 1,
        Module.SUPPRESSION: 1,
        Module.RESPONSE: 1,
        Module.ESCALATION: 1,
        Module.DELIVERY: 1,
        Module.AUDIT: 1,
        Module.RUNS: 1,
    }
)
#: A transaction of the engine that does nothing for so long is ended by the database: whoever
#: hung or was stopped in it must not hold its rows, or a migration, for ever.
LONGEST_IDLE: Final = timedelta(minutes=1)

# In force until the transaction ends, so that it also works behind a pool of connections.
_ENTER = "SELECT set_config('idle_in_transaction_session_timeout', %s, true), engine_version(%s)"


class EngineMismatch(Exception):
    """This program may not run a part of the engine: a `code` for machines, a sentence for people.

    Codes: `engine_outdated`, `engine_ahead`, `engine_unknown`.
    """

    def __init__(self, module: str, *, ours: int, theirs: int | None) -> None:
        self.module = module
        if theirs is None:
            self.code = "engine_unknown"
            told = "the database knows none: run manage.py migrate of this program"
        elif ours < theirs:
            self.code = "engine_outdated"
            told = f"the database's is {theirs}: upgrade this program"
        else:
            self.code = "engine_ahead"
            told = f"the database's is {theirs}: run manage.py migrate of this program"
        self.sentence = f"This program's engine is version {ours} of {module}, {told}."
        super().__init__(f"{self.code}: {self.sentence}")


@contextmanager
def engine_transaction(
    *, module: EngineModule.Name, longest_idle: timedelta = LONGEST_IDLE
) -> Iterator[None]:
    """Open a transaction in which one part of the engine works; raises EngineMismatch.

    Its version cannot change before the transaction ends. Take it before any row lock.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ENTER, [f"{longest_idle // timedelta(milliseconds=1)}ms", module.value])
            _, theirs = cursor.fetchone()
        if theirs != VERSIONS[module]:
            raise _logged(EngineMismatch(module.value, ours=VERSIONS[module], theirs=theirs))
        yield


def engine_faults() -> list[EngineMismatch]:
    """Return why this program may not run parts of the engine, without waiting for anybody."""
    theirs = dict(EngineModule.objects.values_list("name", "version"))
    return [
        EngineMismatch(module, ours=ours, theirs=theirs.get(module))
        for module, ours in VERSIONS.items()
        if theirs.get(module) != ours
    ]


def require_engine() -> None:
    """Raise EngineMismatch where this program may not run some part of the engine."""
    for fault in engine_faults():
        raise _logged(fault)


def _logged(refusal: EngineMismatch) -> EngineMismatch:
    logger.error("engine.refused", extra={"code": refusal.code, "sentence": refusal.sentence})
    return refusal
