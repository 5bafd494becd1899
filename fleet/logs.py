"""How a log line looks: the event's name, then what it is about; never a key that opens something.

Whoever writes a line may hold a request, and a request's address may hold a key: of a heartbeat,
or of a link in a page. Django itself writes both down when a view fails.
"""

from __future__ import annotations

import logging
import re
import time

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
MASK = "•••"
#: Keys and tokens of ours keep the beginning by which lists show them.
_KEYS = re.compile(r"\b(hw[abc]?_[\w-]{8})[\w-]{12,}")
#: Links in pages keep nothing of theirs.
_LINKS = re.compile(r"(?<![\w/.-])/p/[\w.-]{20,}")


class EventFormatter(logging.Formatter):
    """Writes `time level logger event key=value ...`; extras are sorted and quoted."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole line, a traceback included, without the keys in it."""
        return without_keys(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Append the record's extras to the line."""
        extras = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = super().formatMessage(record)
        return " ".join([line, *(f"{key}={value!r}" for key, value in sorted(extras.items()))])


def without_keys(text: str) -> str:
    """Return `text` with every key, token and link of ours masked."""
    return _LINKS.sub(f"/p/{MASK}", _KEYS.sub(rf"\g<1>{MASK}", text))
