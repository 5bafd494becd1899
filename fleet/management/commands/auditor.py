"""`manage.py auditor`: checks the pager from a process of its own, and tells when it fails.

Kept apart from the sweep on purpose: what ends, hangs or slows the one does not touch the other.
Needs PostgreSQL and nothing else.
"""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from datetime import timedelta
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils import timezone

from fleet.services.engine import EngineMismatch
from runbooks.auditor.audit import go_round
from runbooks.auditor.beats import expect_beats
from runbooks.auditor.deadman import DeadMan

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Goes round until it is told to end by SIGTERM or SIGINT."""

    help = "Check that the pager keeps its promises; tell the catch-all owner when it does not."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stop = threading.Event()
        self._deadman = DeadMan(
            settings.HEARTHWATCH_DEADMAN_URL,
            every=timedelta(seconds=settings.HEARTHWATCH_DEADMAN_SECONDS),
            timeout_seconds=settings.HEARTHWATCH_PAGE_TIMEOUT_SECONDS,
            allowed=settings.HEARTHWATCH_PAGE_HOSTS,
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take `--once`."""
        parser.add_argument("--once", action="store_true", help="Go round once and end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        """Go round once, failing when a promise is broken; or go round until told to end."""
        try:
            self._run(once=once)
        except EngineMismatch as refusal:
            raise CommandError(f"The auditor has stopped. {refusal}") from None

    def _run(self, *, once: bool) -> None:
        if once:
            broken = go_round(now=timezone.now(), deadman=self._deadman)
            if broken:
                raise CommandError("\n".join(["Broken promises:", *map(str, broken)]))
            self.stdout.write("Every promise is kept.")
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self.stdout.write(f"Auditing every {settings.HEARTHWATCH_AUDIT_SECONDS} s. Ctrl-C ends it.")
        is_expected = False
        while not self._stop.is_set():
            is_expected = self._go_round(is_expected=is_expected)
            self._stop.wait(float(settings.HEARTHWATCH_AUDIT_SECONDS))
        connections.close_all()
        self.stdout.write("The auditor has ended.")

    def _go_round(self, *, is_expected: bool) -> bool:
        """Go round; return whether every part of the engine is expected by now.

        A round that fails pings nobody, so whoever waits outside for the ping hears of it.
        """
        # Drops a connection that the server closed, so that a database that comes back is used.
        close_old_connections()
        try:
            if not is_expected:
                expect_beats(now=timezone.now())
            go_round(now=timezone.now(), deadman=self._deadman)
        except EngineMismatch:
            raise
        except (OperationalError, InterfaceError) as fault:
            # Without its traceback: a database that is gone would fill the log with them.
            logger.error("auditor.database_unavailable", extra={"fault": str(fault).strip()})
            return is_expected
        except Exception:
            logger.exception("auditor.round_failed")
            return is_expected
        return True

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
