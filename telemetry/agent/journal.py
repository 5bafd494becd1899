"""How the agent's log lines look: time, level, event, and what belongs to it as `key=value`."""

from __future__ import annotations

import logging
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class EventFormatter(logging.Formatter):
    """One line an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the extras of the record behind it."""
        extras = [f"{key}={value!r}" for key, value in vars(record).items() if key not in _STANDARD]
        return " ".join([super().format(record), *extras])


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send everything from `level` on to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It would log each frame, and the request with its token, at its lowest level.
    logging.getLogger("websockets").setLevel(logging.WARNING)
