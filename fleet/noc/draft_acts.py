"""What the buttons of a draft's page do. Each saves the words that were typed before it acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from fleet.access import account_of
from fleet.noc.draft_board import mark_of
from fleet.noc.picture_upload import uploaded_pictures
from fleet.noc.whole_numbers import read_whole
from runbooks.library.drafts import (
    add_pictures,
    comment_on_draft,
    discard_draft,
    rebase_draft,
    save_draft,
    send_back_draft,
    submit_draft,
)
from runbooks.library.errors import LibraryError
from runbooks.library.publishing import publish_draft
from runbooks.library.rearrange import Rearranged, insert_step, move_step
from runbooks.models import RunbookDraft


@dataclass(frozen=True, slots=True)
class Said:
    """What a form sent: its words, the revision they were written over, who and when."""

    words: Mapping[str, str]
    pictures: Mapping[str, bytes]
    detail: str
    seen: int
    by: User
    now: datetime

    @property
    def typed(self) -> str | None:
        """The text in the field, None where nobody changed it since the page was loaded."""
        text = self.words.get("source")
        return None if text is None or mark_of(text) == self.words.get("was") else text


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in a sentence, and where to go."""

    sentence: str
    address: str


def read_said(request: HttpRequest, *, now: datetime) -> tuple[str, Said]:
    """Return the act that was asked for, and all that came with it."""
    act, _, detail = request.POST.get("act", "save").partition(":")
    said = Said(
        words=request.POST.dict(),
        pictures=uploaded_pictures(request),
        detail=detail,
        seen=read_whole(request.POST.get("seen", ""), digits=9) or 0,
        by=account_of(request.user),
        now=now,
    )
    return act, said


def act_on_draft(draft: RunbookDraft, act: str, said: Said) -> Done:
    """Do it; raises LibraryError and RunbookError with nothing done but the words saved."""
    if act not in ACTS:
        raise LibraryError(
            "unknown_act", "The page is from an older time; reload it and try again."
        )
    return ACTS[act](draft, said)


def _save(draft: RunbookDraft, said: Said) -> Done:
    if said.typed is None:
        return Done("Nothing was changed since it was saved.", _address(draft))
    saved = _with_words(draft, said)
    return Done(f"Saved as revision {saved.revision}.", _address(draft))


def _submit(draft: RunbookDraft, said: Said) -> Done:
    saved = _with_words(draft, said)
    note = said.words.get("note", "")
    submit_draft(draft=saved, seen=_seen(saved, said), by=said.by, now=said.now, note=note)
    return Done("Submitted. A second person reviews and publishes it.", _address(draft))


def _insert(draft: RunbookDraft, said: Said) -> Done:
    after = read_whole(said.words.get("after", ""), digits=4)
    changed = insert_step(
        _text(draft, said), kind=said.detail, after=9_999 if after is None else after
    )
    return _rearranged(draft, said, changed, "The step is there; write over its words.")


def _up(draft: RunbookDraft, said: Said) -> Done:
    number = read_whole(said.detail, digits=4) or 0
    changed = move_step(_text(draft, said), number=number, is_up=True)
    return _rearranged(draft, said, changed, f"Step {number} is step {number - 1} now.")


def _down(draft: RunbookDraft, said: Said) -> Done:
    number = read_whole(said.detail, digits=4) or 0
    changed = move_step(_text(draft, said), number=number, is_up=False)
    return _rearranged(draft, said, changed, f"Step {number} is step {number + 1} now.")


def _add_pictures(draft: RunbookDraft, said: Said) -> Done:
    saved = _with_words(draft, said)
    if not said.pictures:
        raise LibraryError("no_picture", "No picture was chosen; choose a file, then add it.")
    add_pictures(draft=saved, pictures=said.pictures, by=said.by, now=said.now)
    name = next(iter(said.pictures))
    return Done(
        f"Added. Show it in a step by a line '- picture: {name} | What it shows'.",
        f"{_address(draft)}#pictures",
    )


def _comment(draft: RunbookDraft, said: Said) -> Done:
    saved = _with_words(draft, said) if draft.state == RunbookDraft.State.WRITING else draft
    text, step = said.words.get("comment", ""), said.words.get("step", "")
    comment_on_draft(draft=saved, text=text, step_id=step, by=said.by, now=said.now)
    return Done("The comment stands with the draft.", f"{_address(draft)}#said-of-it")


def _rebase(draft: RunbookDraft, said: Said) -> Done:
    saved = _with_words(draft, said)
    newest = draft.runbook.versions.order_by("-number").first() if draft.runbook else None
    if newest is None:
        raise LibraryError("other_runbook", "There is no edition to begin from; go on writing.")
    rebase_draft(draft=saved, onto=newest, by=said.by, now=said.now)
    return Done(f"It counts as begun from {newest} now.", _address(draft))


def _send_back(draft: RunbookDraft, said: Said) -> Done:
    text = said.words.get("reason", "")
    send_back_draft(draft=draft, text=text, by=said.by, now=said.now)
    return Done("Sent back to its writers with your words.", _address(draft))


def _publish(draft: RunbookDraft, said: Said) -> Done:
    note = said.words.get("note", "")
    version = publish_draft(draft=draft, seen=said.seen, by=said.by, now=said.now, note=note)
    return Done(
        f"Edition {version.number} is published. New alerts get it; open ones keep theirs.",
        reverse("noc:runbook", args=[version.runbook.slug]),
    )


def _discard(draft: RunbookDraft, said: Said) -> Done:
    discard_draft(draft=draft, by=said.by, now=said.now, reason=said.words.get("why", ""))
    return Done("Discarded. Its text and remarks stay readable.", _address(draft))


ACTS: Mapping[str, Callable[[RunbookDraft, Said], Done]] = {
    "save": _save,
    "submit": _submit,
    "insert": _insert,
    "up": _up,
    "down": _down,
    "pictures": _add_pictures,
    "comment": _comment,
    "rebase": _rebase,
    "send-back": _send_back,
    "publish": _publish,
    "discard": _discard,
}


def _with_words(draft: RunbookDraft, said: Said) -> RunbookDraft:
    """Save what was typed, if anything; who typed nothing has not written in the draft."""
    if said.typed is None:
        return draft
    return save_draft(draft=draft, source=said.typed, seen=said.seen, by=said.by, now=said.now)


def _seen(saved: RunbookDraft, said: Said) -> int:
    return said.seen if said.typed is None else saved.revision


def _text(draft: RunbookDraft, said: Said) -> str:
    return draft.source if said.typed is None else said.typed


def _rearranged(draft: RunbookDraft, said: Said, changed: Rearranged, sentence: str) -> Done:
    save_draft(draft=draft, source=changed.text, seen=said.seen, by=said.by, now=said.now)
    return Done(sentence, f"{_address(draft)}?line={changed.line}")


def _address(draft: RunbookDraft) -> str:
    return reverse("noc:runbook-draft", args=[draft.pk])
