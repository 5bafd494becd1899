"""Is each model there, in which version, and does it respond: asked of its own server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from telemetry.agent.config import ModelEndpoint
from telemetry.agent.source import Sample
from telemetry.agent.sources.model_kinds import ASK, Found, ModelServerError
from telemetry.protocol import ReportedItem

POLL_SECONDS = 15.0
_MAX_THREADS = 8


class ModelsSource:
    """Polls the configured endpoints, all at once, every `POLL_SECONDS`."""

    name = "models"
    is_slow = True

    def __init__(
        self,
        endpoints: Sequence[ModelEndpoint],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = endpoints
        self._monotonic = monotonic
        self._polled_at: float | None = None
        self._items: list[ReportedItem] = []

    def sample(self, now: float) -> Iterator[Sample]:
        """Yield latency and responding of each model; nothing between two polls.

        A model in a file has neither: a file shows what lies there, not what answers.
        """
        at = self._monotonic()
        if self._polled_at is not None and at - self._polled_at < POLL_SECONDS:
            return
        self._polled_at = at
        with ThreadPoolExecutor(max_workers=_MAX_THREADS) as pool:
            answers = list(pool.map(self._ask, self._endpoints))
        self._items = [item for item, _ in answers]
        for endpoint, (item, latency_ms) in zip(self._endpoints, answers, strict=True):
            if endpoint.kind == "file":
                continue
            responds = item.state == "ready"
            yield Sample("mdc.model.responding", "1", endpoint.name, float(responds))
            if responds:
                yield Sample("mdc.model.latency", "ms", endpoint.name, latency_ms)

    def report(self, now: float) -> Iterable[ReportedItem]:
        """Return the models as the last poll found them."""
        return self._items

    def _ask(self, endpoint: ModelEndpoint) -> tuple[ReportedItem, float]:
        began = self._monotonic()
        try:
            found = ASK[endpoint.kind](endpoint)
        except ModelServerError as exc:
            found = Found(state="failed", detail=str(exc))
        item = ReportedItem(
            kind="model",
            name=endpoint.name,
            digest=found.digest[:80],
            version=found.version[:60],
            state=found.state,
            detail=found.detail[:300],
        )
        return item, (self._monotonic() - began) * 1000
