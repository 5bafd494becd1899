"""A process that forks engines which die or stand still at a named point, hundreds in a minute.

Started with `python -m tests.flows.crash_zygote`. Reads one JSON order a line, answers each with
one JSON line. A fork has Django loaded and its code warm, but no connection: as a worker whose
last cycle is a while ago.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connections  # noqa: E402

from fleet.management.commands.sweep import deciding_stages  # noqa: E402
from runbooks.alerts.services import acknowledge_alert  # noqa: E402
from runbooks.escalation.services import next_move  # noqa: E402
from runbooks.models import Alert, Page  # noqa: E402
from runbooks.paging.receipts import record_receipt  # noqa: E402
from runbooks.paging.services import deliver_due_pages  # noqa: E402

#: Where an engine can die: the module and the name in it, and on which side of its call.
Point = tuple[str, str, str]
SWEEP = "fleet.management.commands.sweep"
#: On the way from a finding to its first page.
FIRST_PAGE: dict[str, Point] = {
    "alert inserted, not committed": ("runbooks.alerts.lifecycle", "begin_escalations", "before"),
    "alert committed, no step taken": (SWEEP, "take_in_findings", "after"),
    "step advanced, not committed": ("runbooks.escalation.moves", "queue_pages", "after"),
    "step committed, nobody woken": (SWEEP, "advance_due_escalations", "after"),
    "page leased, not sent": ("runbooks.paging.services", "claim_pages", "after"),
    "page sent, not recorded": ("runbooks.paging.services", "record_deliveries", "before"),
    "page recorded, not committed": ("runbooks.paging.record", "write_entries", "before"),
    "page recorded and committed": ("runbooks.paging.services", "record_deliveries", "after"),
}
#: In what becomes of an alert besides.
LIFE: dict[str, Point] = {
    "acknowledged, not committed": ("runbooks.alerts.services", "stop_escalation", "before"),
    "cleared, not committed": ("runbooks.alerts.lifecycle", "pause_escalations", "before"),
    "notice queued, not committed": ("runbooks.alerts.lifecycle", "queue_notices_of", "after"),
    "reply taken, not committed": ("runbooks.alerts.replies", "acknowledge_alert", "after"),
    "receipt kept, not committed": ("runbooks.paging.receipts", "write_entry", "before"),
    "overlay written, not committed": ("runbooks.suppression.cycle", "write_changes", "after"),
    "storm opened, not committed": ("runbooks.alerts.storms", "suppress_at_birth", "before"),
    "page given up, not committed": ("runbooks.paging.record", "follow_up", "after"),
    "wait for hours, not committed": ("runbooks.escalation.moves", "write_entries", "before"),
}
#: In the steps of runs that the engine verifies.
RUN_POINTS: dict[str, Point] = {
    "job claimed, not looked at": ("runbooks.runs.verify", "claim_job", "after"),
    "job looked at, not recorded": ("runbooks.runs.verify", "record_look", "before"),
    "job recorded, not committed": ("runbooks.runs.verify", "settle", "after"),
    "job recorded and committed": ("runbooks.runs.verify", "record_look", "after"),
}
POINTS = FIRST_PAGE | LIFE


def signal_at(point: str, number: int) -> None:
    """Make this process send itself a signal when it comes to `point`: SIGKILL or SIGSTOP."""
    module_name, name, side = (POINTS | RUN_POINTS)[point]
    module = importlib.import_module(module_name)
    reached: Callable[..., Any] = getattr(module, name)

    def struck(*args: Any, **kwargs: Any) -> Any:
        # Once: who goes on after standing still does so undisturbed.
        setattr(module, name, reached)
        if side == "before":
            os.kill(os.getpid(), number)
        answer = reached(*args, **kwargs)
        if side == "after":
            os.kill(os.getpid(), number)
        return answer

    setattr(module, name, struck)


def work(order: dict[str, Any]) -> NoReturn:
    """Do one pass of the engine, or what a person or a receiver does; end with 0 if alive then."""
    now = datetime.fromisoformat(order["now"])
    if order.get("point"):
        signal_at(order["point"], signal.SIGSTOP if order.get("stop") else signal.SIGKILL)
    if order.get("acknowledge"):
        user = User.objects.get(pk=order["by"])
        acknowledge_alert(alert=Alert.objects.get(pk=order["acknowledge"]), by=user, now=now)
    elif order.get("receipt_of"):
        page = Page.objects.get(pk=order["receipt_of"])
        record_receipt(page=page, receipt=Page.Receipt.DELIVERED, seq=1, now=now)
    else:
        cycle(now)
    os._exit(0)


def cycle(now: datetime) -> None:
    for stage in deciding_stages():
        stage.run(now)
    deliver_due_pages(now=now, next_of=next_move, clock=lambda: 0.0)


def warm_up(now: datetime) -> dict[str, Any]:
    """Do one pass here, so that no fork is the first to run the code: that takes thrice as long."""
    cycle(now)
    connections.close_all()
    # What is here now is never looked at for garbage again, and so never copied by a fork.
    gc.freeze()
    return {"ended": True}


def engine(order: dict[str, Any]) -> dict[str, Any]:
    """Fork one engine, or let one go on; wait until it ends or stands still, and say which."""
    child = order.get("go_on") or os.fork()
    if child == 0:
        work(order)
    if order.get("go_on"):
        os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, os.WUNTRACED)
    return {
        "pid": child,
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "stopped": os.WIFSTOPPED(status),
        "ended": os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0,
    }


def main() -> None:
    """Carry out one order a line."""
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("here"):
            answer = warm_up(datetime.fromisoformat(order["now"]))
        else:
            answer = engine(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
