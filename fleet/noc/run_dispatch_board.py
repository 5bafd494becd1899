"""What the page shows from which a run is sent to somebody: people, codes that were given out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import segno
from django.contrib.auth.models import User
from django.utils.safestring import SafeString, mark_safe

from fleet.access import Action, users_who_may
from runbooks.models import Run, RunEntry, RunToken, Tablet
from runbooks.runs.log import name_of

#: Pixels of one module: a phone reads it from half a metre off a screen, and off paper.
_MODULE: Final = 6
#: The standard's quiet zone, in modules.
_QUIET: Final = 4
_UNTOLD: Final = "They cannot be told, for no contact of theirs works: call them."


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One code or key that was given out."""

    token: RunToken
    what: str
    holder: str
    device: str
    state: str

    @property
    def is_in_force(self) -> bool:
        """Whether it still opens anything."""
        return self.state in ("not taken yet", "in force", "taken")


@dataclass(frozen=True, slots=True)
class DispatchBoard:
    """Whom a run may be sent to, and what opens it already."""

    people: list[User]
    keys: list[KeyRow]


def dispatch_board(*, run: Run, now: datetime) -> DispatchBoard:
    """Return the board of a run's dispatch; three queries."""
    tokens = list(run.tokens.select_related("user").order_by("-created_at", "-pk"))
    devices = {token.device_id for token in tokens if token.device_id}
    labels = dict(Tablet.objects.filter(device_id__in=devices).values_list("device_id", "label"))
    return DispatchBoard(
        people=list(users_who_may(Action.RUN, run.site).select_related("owner")),
        keys=[
            KeyRow(
                token=token,
                what="code" if token.claim_hash else "key",
                holder=name_of(token.user) or "anybody",
                device=labels.get(token.device_id) or token.device_id[:8],
                state=_state(token, now),
            )
            for token in tokens
        ],
    )


def dispatch_words(run: Run) -> str:
    """Return to whom the run is dispatched by its log, and whether they are told."""
    entry = run.entries.filter(kind=RunEntry.Kind.DISPATCHED).order_by("-pk").first()
    said = entry.input if entry else {}
    words = f"R-{run.pk} is dispatched to {name_of(run.assigned_to)}."
    if "is_told" not in said:
        return words
    return f"{words} {'They are told.' if said['is_told'] else _UNTOLD}"


def qr_code(text: str) -> SafeString:
    """Return the QR code of a text as SVG markup: a path and a ground, no style, no script."""
    code = segno.make(text, error="m", micro=False)
    markup = code.svg_inline(
        scale=_MODULE, border=_QUIET, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )
    # Safe: the text is drawn, not written; nothing of it stands in the markup.
    return mark_safe(markup)  # noqa: S308


def _state(token: RunToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "taken back"
    if now >= token.expires_at:
        return "ended"
    if token.claim_hash:
        return "taken" if token.device_id else "not taken yet"
    return "in force"
