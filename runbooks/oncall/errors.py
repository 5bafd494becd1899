"""What can go wrong with a schedule: a code for machines, a sentence for people."""

from __future__ import annotations

from runbooks.refused import Refused


class OnCallError(Refused):
    """A schedule cannot be changed like that; nothing was changed."""
