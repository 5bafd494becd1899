"""`manage.py sweep`: the promise behind every hint. Needs PostgreSQL and nothing else.

Four lanes: one detects, one decides (take in, hold back, escalate), one delivers, one asks what
became of pages, so that neither a backlog of telemetry nor a receiver that answers slowly ever
keeps a step from being taken.
Whatever a broker lost, a cycle finds. `manage.py auditor` looks after it from a process of its own.
"""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils import timezone

from fleet.services.engine import EngineMismatch, require_engine
from runbooks.alertmanager.intake import expire_external
from runbooks.alerts.clock import mend_storm_times
from runbooks.alerts.flapping import settle_flapping
from runbooks.alerts.intake import follow_findings, take_in_findings
from runbooks.alerts.replies import take_in_replies
from runbooks.alerts.timeouts import expire_acknowledgements
from runbooks.auditor.audit import watch_auditor
from runbooks.auditor.beats import Part, expect_beats, note_beat
from runbooks.escalation.clock import mend_waits
from runbooks.escalation.services import advance_due_escalations, next_move
from runbooks.heartbeats.services import check_heartbeats
from runbooks.paging.announcements import deliver_announcements
from runbooks.paging.clock import mend_page_times
from runbooks.paging.failing import fail_over_failing
from runbooks.paging.queued import ask_receivers, fail_over_queued, follow_up_released
from runbooks.paging.services import deliver_due_pages
from runbooks.reminders.reviews import remind_of_reviews
from runbooks.reminders.waits import remind_of_waits
from runbooks.runs.verify import end_waits, verify_due_steps
from runbooks.suppression.authors import announce_endings
from runbooks.suppression.cycle import apply_suppressions
from runbooks.suppression.endings import warn_of_endings
from telemetry import jobs, store

logger = logging.getLogger(__name__)

#: How often the delivering lane looks for pages that are due, in seconds.
LOOK_SECONDS = 1.0
#: Sites, new findings and steps a cycle; while there are more, the next cycle follows at once, so
#: that a storm of one kind does not keep the others waiting.
MOST = 200
#: Of what is handled one by one, each in some 10 to 30 ms: hundreds that are due at once, say
#: acknowledgements that run out, would keep a new alert waiting for its first page.
FEW = 40
#: Changed findings, for which the same work is twice as long: a finding that is new waits for the
#: rest of one cycle and for this much of the next.
FEWER = 20
#: Pages per call; the next call follows at once while there are more.
PAGES_A_CALL = 200
MOST_CALLS_A_CYCLE = 20
PARTITIONS_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing the sweep does in each cycle; `run` takes the time.

    A stage that answers `most` or more has more to do than it did.
    """

    name: str
    run: Callable[[datetime], object]
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Cycle:
    """What became of one cycle: the stages that failed, and whether there is more to do."""

    failed: Sequence[str]
    has_more: bool


def run_stages(stages: Sequence[Stage]) -> Cycle:
    """Run each stage with the time it begins at.

    A stage that fails is logged with its traceback and tried again in the next cycle; it does
    not keep the others from running. One that may not run, by EngineMismatch, ends them all.
    """
    failed = []
    has_more = False
    for stage in stages:
        # Drops a connection that the server closed, so that a database that comes back is used.
        close_old_connections()
        try:
            done = stage.run(timezone.now())
            has_more |= stage.most is not None and isinstance(done, int) and done >= stage.most
        except EngineMismatch:
            raise
        except (OperationalError, InterfaceError) as fault:
            # Without its traceback: a database that is gone would fill the log with them.
            logger.error(
                "sweep.database_unavailable",
                extra={"stage": stage.name, "fault": str(fault).strip()},
            )
            failed.append(stage.name)
        except Exception:
            logger.exception("sweep.stage_failed", extra={"stage": stage.name})
            failed.append(stage.name)
    return Cycle(failed=failed, has_more=has_more)


class Partitions:
    """Keeps the partitions of the windows, once an hour."""

    def __init__(self) -> None:
        self._next_at: datetime | None = None

    def maintain(self, now: datetime) -> None:
        """Make those of the next days and drop those past retention, when the hour is over."""
        if self._next_at is not None and now < self._next_at:
            return
        store.ensure_partitions(now=now)
        store.drop_old_partitions(now=now, keep_days=settings.HEARTHWATCH_RETENTION_DAYS)
        self._next_at = now + PARTITIONS_EVERY


def detecting_stages() -> list[Stage]:
    """Return what the first lane does, in this order."""
    partitions = Partitions()
    return [
        Stage("partitions", partitions.maintain),
        Stage("evaluate", lambda now: jobs.evaluate_due(now=now, limit=MOST), MOST),
        _beat(Part.DETECT),
    ]


def deciding_stages() -> list[Stage]:
    """Return what the second lane does, in this order."""
    return [
        Stage("mend clock", _mend_clock),
        Stage("check heartbeats", lambda now: check_heartbeats(now=now, limit=FEW), FEW),
        Stage("expire external", lambda now: expire_external(now=now, limit=FEW), FEW),
        Stage("follow", lambda now: follow_findings(now=now)),
        Stage("take in", lambda now: take_in_findings(now=now, limit=MOST, alone=FEWER), FEWER),
        # After what opens alerts and before what pages, so that nothing held back is paged once.
        Stage("suppress", lambda now: apply_suppressions(now=now)),
        Stage("warn of endings", lambda now: warn_of_endings(now=now)),
        # Replies first: an answer that came in time outruns the step that it makes needless.
        Stage("take in replies", lambda now: take_in_replies(now=now, limit=FEW), FEW),
        Stage("end answers", lambda now: expire_acknowledgements(now=now, limit=FEW), FEW),
        Stage("settle", lambda now: settle_flapping(now=now, limit=FEW), FEW),
        Stage("fail over", lambda now: fail_over_queued(now=now, limit=FEW), FEW),
        Stage("fail over failing", lambda now: fail_over_failing(now=now, limit=FEW), FEW),
        Stage("follow up", lambda now: follow_up_released(now=now, limit=FEW), FEW),
        Stage("escalate", lambda now: advance_due_escalations(now=now, limit=MOST), MOST),
        # After what pages: nobody waits for a page while readings are read.
        Stage("verify steps", lambda now: verify_due_steps(now=now, limit=FEW), FEW),
        Stage("end waits", lambda now: end_waits(now=now, limit=FEW), FEW),
        Stage("watch auditor", lambda now: watch_auditor(now=now)),
        _beat(Part.DECIDE),
    ]


def delivering_stages(should_stop: Callable[[], bool]) -> list[Stage]:
    """Return what the third lane does."""

    def deliver(now: datetime) -> None:
        for _ in range(MOST_CALLS_A_CYCLE):
            # In between too: with slow receivers one cycle may take many minutes.
            note_beat(part=Part.DELIVER, now=timezone.now())
            delivery = deliver_due_pages(
                now=timezone.now(),
                next_of=next_move,
                limit=PAGES_A_CALL,
                should_stop=should_stop,
            )
            if should_stop() or not (delivery.sent or delivery.failed or delivery.cancelled):
                return

    return [Stage("deliver", deliver)]


def asking_stages() -> list[Stage]:
    """Return what the fourth lane does: what waits for others and is owed to nobody's phone."""
    return [
        Stage("ask receivers", lambda now: ask_receivers(now=now)),
        # In between too: slow receivers may take a minute each time.
        _beat(Part.ASK),
        Stage("announce endings", lambda now: announce_endings(now=now)),
        Stage("remind of waits", lambda now: remind_of_waits(now=now)),
        Stage("remind of reviews", lambda now: remind_of_reviews(now=now)),
        Stage("tell people", lambda now: deliver_announcements(now=now)),
        _beat(Part.ASK),
    ]


def _mend_clock(now: datetime) -> None:
    mend_waits(now=now)
    mend_page_times(now=now)
    mend_storm_times(now=now)


def _beat(part: Part) -> Stage:
    """Return the stage that says that this lane has gone round."""
    return Stage(f"beat of {part}", lambda now: note_beat(part=part, now=now))


#: Before anything else: a program that may not run the engine says so and ends.
_ENGINE = Stage("check engine", lambda now: require_engine())


class Command(BaseCommand):
    """Sweeps until it is told to end by SIGTERM or SIGINT."""

    help = "Find and do whatever is due: detection, alerts, escalation, pages. Needs no broker."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stop = threading.Event()
        self._refusal: EngineMismatch | None = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take `--once`."""
        parser.add_argument("--once", action="store_true", help="Do one cycle and end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        """Do one cycle, or cycle until told to end."""
        try:
            if once:
                self._sweep_once()
            else:
                self._sweep()
        except EngineMismatch as refusal:
            raise CommandError(f"The sweep has stopped. {refusal}") from None

    def _sweep_once(self) -> None:
        stages = [_ENGINE, *detecting_stages(), *deciding_stages()]
        stages += [*delivering_stages(self._stop.is_set), *asking_stages()]
        cycle = run_stages(stages)
        if cycle.failed:
            names = ", ".join(cycle.failed)
            raise CommandError(f"These stages failed: {names}. The log says why.")

    def _sweep(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        run_stages([_ENGINE, Stage("expect beats", lambda now: expect_beats(now=now))])
        self.stdout.write(f"Sweeping every {settings.HEARTHWATCH_SWEEP_SECONDS} s. Ctrl-C ends it.")
        period = float(settings.HEARTHWATCH_SWEEP_SECONDS)
        lanes = [
            self._lane("detect", detecting_stages(), period),
            self._lane("deliver", delivering_stages(self._stop.is_set), LOOK_SECONDS),
            self._lane("ask", asking_stages(), period),
        ]
        self._cycle(deciding_stages(), period)
        for lane in lanes:
            lane.join()
        if self._refusal is not None:
            raise self._refusal
        self.stdout.write("The sweep has ended; nothing was left half done.")

    def _lane(self, name: str, stages: Sequence[Stage], seconds: float) -> threading.Thread:
        lane = threading.Thread(target=self._cycle, args=(stages, seconds), name=name)
        lane.start()
        return lane

    def _cycle(self, stages: Sequence[Stage], seconds: float) -> None:
        try:
            while not self._stop.is_set():
                # Asked first, so that a program that is too old ends though nothing is due.
                if not run_stages([_ENGINE, *stages]).has_more:
                    self._stop.wait(seconds)
        except EngineMismatch as refusal:
            # One part that stands still would leave the others to page by half of the rules.
            self._refusal = refusal
            self._stop.set()
        connections.close_all()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
