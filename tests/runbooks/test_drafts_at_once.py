"""Several people at one draft and one runbook at the same moment, on connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from runbooks.library.drafts import begin_draft, save_draft, submit_draft
from runbooks.library.errors import LibraryError
from runbooks.library.publishing import publish_draft, withdraw_edition
from runbooks.models import RunbookDraft, RunbookVersion
from tests.factories import NOON, make_user
from tests.runbooks.world import make_runbook, runbook_text

pytestmark = pytest.mark.django_db(transaction=True)


def together(*works: Callable[[], Any]) -> list[str]:
    """Run the works at the same moment; return the codes of those refused, "done" for others."""
    barrier = threading.Barrier(len(works))

    def run_one(work: Callable[[], Any]) -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
            barrier.wait(20)
            work()
            return "done"
        except LibraryError as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        return sorted(threads.map(run_one, works))


def in_review(title: str) -> RunbookDraft:
    text = runbook_text("reboot", title=title)
    draft = begin_draft(by=make_user(), now=NOON, source=text)
    return submit_draft(draft=draft, seen=1, by=make_user(), now=NOON)


def publication(draft: RunbookDraft) -> Callable[[], RunbookVersion]:
    by = make_user()
    return lambda: publish_draft(draft=draft, seen=1, by=by, now=NOON, note="New.")


def test_of_two_who_save_at_once_one_is_told() -> None:
    draft = begin_draft(by=make_user(), now=NOON)
    people = [make_user(), make_user()]
    said = together(
        *[
            lambda by=by: save_draft(draft=draft, source=f"By {by}", seen=1, by=by, now=NOON)
            for by in people
        ]
    )
    assert said == ["done", "draft_changed"]


def test_of_two_who_publish_a_draft_at_once_one_does() -> None:
    draft = in_review("Reboot")
    assert together(publication(draft), publication(draft)) == ["done", "draft_moved_on"]
    assert RunbookVersion.objects.count() == 1


def test_of_two_new_runbooks_with_one_slug_one_is_published() -> None:
    drafts = [in_review("Reboot"), in_review("Restart")]
    assert together(*map(publication, drafts)) == ["done", "slug_taken"]
    assert RunbookVersion.objects.get().number == 1


def test_the_last_two_generic_editions_are_not_withdrawn_at_once() -> None:
    editions = [make_runbook("generic"), make_runbook("generic", title="Better")]
    by = make_user()
    said = together(
        *[
            lambda version=version: withdraw_edition(
                version=version, reason="Wrong.", by=by, now=NOON
            )
            for version in editions
        ]
    )
    assert said == ["done", "last_generic"]
