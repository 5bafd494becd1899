"""CPU time of the product, PostgreSQL and Redis together, which other work does not stretch."""

from __future__ import annotations

import os

import psutil


def cpu_seconds() -> float:
    """Return the seconds of CPU that all processes of this run used so far, but the load's own.

    Servers and product are children of `python -m bench` and of this process; what ended already
    counts with its parent.
    """
    everybody = psutil.Process(os.getppid()).children(recursive=True)
    return sum(_seconds(process) for process in everybody if process.pid != os.getpid())


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
