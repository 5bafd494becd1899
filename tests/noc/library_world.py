"""What the tests of the library's pages share: people, texts of any length, forms as pages send
them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from fleet.noc.draft_board import mark_of
from runbooks.library.drafts import begin_draft, submit_draft
from runbooks.models import RunbookDraft, RunbookVersion
from tests.factories import NOON, make_user
from tests.noc.detail_world import signed_in
from tests.runbooks.world import runbook_text

GAUGE = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'


def engineer(first: str = "Ann", last: str = "Sato") -> User:
    """Make somebody who may write runbooks."""
    return make_user("engineer", first_name=first, last_name=last)


def long_text(slug: str = "long", *, steps: int = 100, said: str = "Look, then say so.") -> str:
    """Return a runbook of so many steps."""
    head, _, tail = runbook_text(slug, title="Long one").partition("## Steps\n")
    foot = tail[tail.index("## Verify") :]
    body = "".join(
        f"### Check number {number}\n- type: check\n- id: check-{number}\n- expect: It is so\n\n"
        f"{said}\n\n"
        for number in range(1, steps + 1)
    )
    return f"{head}## Steps\n\n{body}{foot}"


def address(draft: RunbookDraft) -> str:
    return reverse("noc:runbook-draft", args=[draft.pk])


def begun(by: User, text: str | None = None, base: RunbookVersion | None = None) -> RunbookDraft:
    source = text if text is not None or base is not None else runbook_text("new-one")
    return begin_draft(by=by, now=NOON, base=base, source=source)


def in_review(
    by: User, text: str | None = None, base: RunbookVersion | None = None
) -> RunbookDraft:
    draft = begun(by, text, base)
    return submit_draft(draft=draft, seen=1, by=by, now=NOON, note="Safer.")


def send(user: User, draft: RunbookDraft, act: str, **said: Any) -> Any:
    """Press a button of the draft's page, as it was when the draft object was read."""
    fields = {
        "act": act,
        "seen": str(draft.revision),
        "was": mark_of(draft.source),
        "source": draft.source,
    }
    return signed_in(user).post(address(draft), fields | said)


def words_of(answer: Any) -> str:
    """Return the page's words without tags, on one line."""
    text = re.sub(r"<[^>]+>", "", answer.content.decode())
    return " ".join(unescape(text).split())
