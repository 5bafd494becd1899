"""Mergeable summaries: what a window keeps of the samples it saw.

A summary is `n, min, max, sum, last`. Two summaries of neighbouring windows merge exactly, so a
60 s summary made of six 10 s summaries equals the one made of the samples themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Summary:
    """Samples of one series in one window; `n == 0` means no reading, the rest is then 0."""

    n: int = 0
    min: float = 0.0
    max: float = 0.0
    sum: float = 0.0
    last: float = 0.0

    def add(self, value: float) -> None:
        """Take in one sample; a value that is not finite is no reading and is left out."""
        if not math.isfinite(value):
            return
        if self.n == 0:
            self.min = self.max = value
        else:
            self.min = min(self.min, value)
            self.max = max(self.max, value)
        self.n += 1
        self.sum += value
        self.last = value

    @property
    def mean(self) -> float:
        """The mean of the samples; NaN when there were none."""
        return self.sum / self.n if self.n else math.nan


def merge(earlier: Summary, later: Summary) -> Summary:
    """Return the summary of both; `later` decides `last` unless it saw nothing."""
    if earlier.n == 0:
        return Summary(later.n, later.min, later.max, later.sum, later.last)
    if later.n == 0:
        return Summary(earlier.n, earlier.min, earlier.max, earlier.sum, earlier.last)
    return Summary(
        n=earlier.n + later.n,
        min=min(earlier.min, later.min),
        max=max(earlier.max, later.max),
        sum=earlier.sum + later.sum,
        last=later.last,
    )
