"""How a log line looks: the event's name, then what it is about."""

from __future__ import annotations

import logging
import time

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class EventFormatter(logging.Formatter):
    """Writes `time level logger event key=value ...`; extras are sorted and quoted."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Append the record's extras to the line."""
        extras = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = super().formatMessage(record)
        return " ".join([line, *(f"{key}={value!r}" for key, value in sorted(extras.items()))])
