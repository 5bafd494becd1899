"""The machine itself: processor, memory, load, disks, network, uptime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from telemetry.agent.source import Boot, Sample

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: File systems that are full by design or live in memory.
_NOT_DISKS = ("squashfs", "iso9660", "overlay", "tmpfs", "devtmpfs", "ramfs")


class HostSource:
    """What psutil knows of the machine."""

    name = "host"

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        net: Path = Path("/sys/class/net"),
    ) -> None:
        self._monotonic = monotonic
        self._net = net
        self._traffic: dict[str, tuple[float, int, int]] = {}
        # The share of time in use is measured between two calls; this is the first.
        psutil.cpu_percent()
        self._cpu_asked_at = monotonic()

    def sample(self, now: float) -> Iterator[Sample]:
        """Yield the readings of this moment; rates since the call before."""
        yield from self._processor()
        memory = psutil.virtual_memory()
        yield Sample("system.memory.utilization", "1", "", memory.percent / 100)
        yield Sample("system.memory.available", "By", "", float(memory.available))
        yield from self._disks()
        yield from self._network()
        yield Sample("system.uptime", "s", "", _uptime_seconds(now))

    def boot(self, now: float) -> Boot:
        """Return the kernel's own name for this boot."""
        uptime = _uptime_seconds(now)
        try:
            boot_id = BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            boot_id = f"{now - uptime:.0f}"
        return Boot(boot_id, uptime)

    def _processor(self) -> Iterator[Sample]:
        asked_at = self._monotonic()
        # Over too short a time psutil answers 0 or 100.
        if asked_at - self._cpu_asked_at >= 0.1:
            self._cpu_asked_at = asked_at
            yield Sample("system.cpu.utilization", "1", "", min(psutil.cpu_percent() / 100, 1.0))
        yield Sample("system.cpu.load_1m", "1", "", psutil.getloadavg()[0])

    def _disks(self) -> Iterator[Sample]:
        seen: set[str] = set()
        for partition in psutil.disk_partitions(all=False):
            if partition.fstype in _NOT_DISKS or partition.device in seen:
                continue
            seen.add(partition.device)
            try:
                usage = psutil.disk_usage(partition.mountpoint)
            except OSError:
                # Unmounted this moment, or not for our eyes.
                continue
            mount = partition.mountpoint
            yield Sample("system.filesystem.utilization", "1", mount, usage.percent / 100)

    def _network(self) -> Iterator[Sample]:
        at = self._monotonic()
        for name, counters in psutil.net_io_counters(pernic=True).items():
            # Only what has hardware behind it: containers make and drop virtual ones all day.
            if not (self._net / name / "device").exists():
                continue
            before = self._traffic.get(name)
            received, sent = counters.bytes_recv, counters.bytes_sent
            self._traffic[name] = (at, received, sent)
            if before is None or at <= before[0]:
                continue
            seconds = at - before[0]
            # A driver that was reloaded starts again from zero.
            if received >= before[1] and sent >= before[2]:
                received_rate = (received - before[1]) / seconds
                yield Sample("system.network.receive", "By/s", name, received_rate)
                yield Sample("system.network.transmit", "By/s", name, (sent - before[2]) / seconds)


def _uptime_seconds(now: float) -> float:
    # The kernel's own count where there is one: it does not move when the wall clock is set.
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is not None:
        return time.clock_gettime(clock)
    return max(0.0, now - psutil.boot_time())
