"""One frame that arrived, and who sent it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telemetry.ingest.intake import HEAD_BYTES, Intake, Refusal
from telemetry.protocol import ProtocolError


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the database knows of an agent that said hello."""

    site_id: int
    source_id: int
    nodes: Mapping[str, int]
    #: Names in the hello that are no node of the site.
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame's bytes, when they came, and what names them."""

    data: bytes
    now: datetime
    lane: int | None = None
    seq: int | None = None

    def refusal(self, error: ProtocolError) -> Refusal:
        """Return the refusal of the whole frame."""
        head = self.data[:HEAD_BYTES]
        return Refusal(error.code, error.path, str(error), head, len(self.data))

    def intake(self, greeting: Greeting | None, **content: Any) -> Intake:
        """Return what goes to the committer; `content` are further fields of `Intake`."""
        return Intake(
            site_id=greeting.site_id if greeting else 0,
            source_id=greeting.source_id if greeting else None,
            received_at=self.now,
            size=len(self.data),
            head=self.data[:HEAD_BYTES],
            lane=self.lane,
            seq=self.seq,
            checksum=zlib.crc32(self.data),
            **content,
        )
