"""The sources that read this machine: from real files and from stand-ins for the hardware."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from telemetry.agent.config import FileToDigest
from telemetry.agent.measuring import ask
from telemetry.agent.source import Sample, SourceUnavailableError
from telemetry.agent.sources import build_sources
from telemetry.agent.sources.files import FilesSource
from telemetry.agent.sources.gpu import GpuSource
from telemetry.agent.sources.host import HostSource
from telemetry.agent.sources.hwmon import HwmonSource
from telemetry.agent.sources.pressure import PressureSource
from telemetry.metrics import CATALOGUE
from tests.agent.clocks import NOON
from tests.agent.worlds import make_config


class Ticking:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def believable(samples: list[Sample]) -> bool:
    return all(
        CATALOGUE[sample.metric].unit == sample.unit
        and CATALOGUE[sample.metric].low <= sample.value <= CATALOGUE[sample.metric].high
        for sample in samples
    )


def test_this_machine_gives_believable_readings_and_names_its_boot() -> None:
    clock = Ticking()
    source = HostSource(monotonic=clock)
    ask(source, NOON)
    clock.now += 5
    answer = ask(source, NOON)
    measured = {sample.metric for sample in answer.samples}
    assert {
        "system.cpu.utilization",
        "system.cpu.load_1m",
        "system.memory.utilization",
        "system.memory.available",
        "system.uptime",
    } <= measured
    assert believable(answer.samples)
    assert answer.boot is not None
    assert answer.boot.boot_id
    assert answer.boot.uptime_seconds > 0


def test_network_rates_need_two_readings_and_leave_virtual_interfaces_out(tmp_path: Path) -> None:
    clock = Ticking()
    source = HostSource(monotonic=clock, net=tmp_path)
    (tmp_path / "lo" / "device").mkdir(parents=True)
    first = [sample for sample in source.sample(NOON) if sample.metric.startswith("system.net")]
    clock.now += 10
    second = [sample for sample in source.sample(NOON) if sample.metric.startswith("system.net")]
    assert first == []
    assert [(sample.metric, sample.device) for sample in second] == [
        ("system.network.receive", "lo"),
        ("system.network.transmit", "lo"),
    ]
    assert believable(second)


def sensor(label: str, current: float) -> SimpleNamespace:
    return SimpleNamespace(label=label, current=current)


def test_sensors_are_named_after_chip_and_label_and_the_inlet_by_its_place() -> None:
    temperatures = {
        "coretemp": [sensor("Core 0", 51.0), sensor("Core 1", 52.0)],
        "nct6775": [sensor("Ambient Temp", 22.5), sensor("", 40.0), sensor("", 41.0)],
        "ipmi": [sensor("INLET", 23.0)],
    }
    fans = {"nct6775": [sensor("fan1", 1200.0)]}
    source = HwmonSource(temperatures=lambda: temperatures, fans=lambda: fans)
    samples = list(source.sample(NOON))
    assert [(sample.device, sample.value) for sample in samples] == [
        ("coretemp Core 0", 51.0),
        ("coretemp Core 1", 52.0),
        ("inlet", 22.5),
        ("nct6775", 40.0),
        ("nct6775 2", 41.0),
        ("inlet 2", 23.0),
        ("nct6775 fan1", 1200.0),
    ]
    assert believable(samples)


def test_a_machine_without_sensors_has_no_such_source() -> None:
    with pytest.raises(SourceUnavailableError):
        HwmonSource(temperatures=dict, fans=dict)


def write_pressure(root: Path, *, cpu: int, io: int, memory: int) -> None:
    line = "{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"
    for name, some, full in (("cpu", cpu, 0), ("io", 9 * io, io), ("memory", 9 * memory, memory)):
        text = line.format(kind="some", total=some) + line.format(kind="full", total=full)
        (root / name).write_text(text)


def test_pressure_is_the_growth_of_the_counter_as_a_share_of_time(tmp_path: Path) -> None:
    clock = Ticking()
    write_pressure(tmp_path, cpu=1_000_000, io=0, memory=0)
    source = PressureSource(root=tmp_path, monotonic=clock)
    assert list(source.sample(NOON)) == []
    clock.now += 10
    write_pressure(tmp_path, cpu=3_500_000, io=1_000_000, memory=0)
    assert list(source.sample(NOON)) == [
        Sample("mdc.psi.cpu.some", "1", "", 0.25),
        Sample("mdc.psi.io.full", "1", "", 0.1),
        Sample("mdc.psi.memory.full", "1", "", 0.0),
    ]


def test_a_kernel_without_pressure_has_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError):
        PressureSource(root=tmp_path / "nowhere")


class NVMLError(Exception):
    """What NVML raises."""


class NVMLError_NotSupported(NVMLError):
    """What NVML raises for a field this GPU does not have."""


@dataclass
class FakeNvml:
    """The part of NVML that the source uses, with one GPU."""

    throttle_reasons: int = 0
    missing: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    gpus: int = 1
    NVML_TEMPERATURE_GPU = 0
    NVMLError = NVMLError

    def _ask(self, name: str, value: Any) -> Any:
        self.asked.append(name)
        if name in self.missing:
            raise NVMLError_NotSupported("Not Supported")
        if name in self.broken:
            raise NVMLError("GPU is lost")
        return value

    def nvmlInit(self) -> None:
        self._ask("init", None)

    def nvmlDeviceGetCount(self) -> int:
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> Any:
        return self._ask("temperature", 61)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> Any:
        return self._ask("power", 66_840)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return self._ask("utilization", SimpleNamespace(gpu=40))

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return self._ask("memory", SimpleNamespace(used=3, total=12))

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> Any:
        return self._ask("reasons", self.throttle_reasons)


def gpu_values(source: GpuSource) -> dict[str, float]:
    samples = list(source.sample(NOON))
    assert {sample.device for sample in samples} == {"gpu0"}
    assert believable(samples)
    return {sample.metric: sample.value for sample in samples}


def test_a_gpu_gives_its_readings_in_the_units_of_the_catalogue() -> None:
    assert gpu_values(GpuSource(FakeNvml())) == {
        "hw.temperature": 61.0,
        "hw.power": 66.84,
        "hw.gpu.utilization": 0.4,
        "hw.gpu.memory.utilization": 0.25,
        "mdc.gpu.throttled_ratio": 0.0,
    }


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [(0x0, 0.0), (0x1, 0.0), (0x4, 0.0), (0x8, 1.0), (0x20, 1.0), (0x40, 1.0), (0x84, 1.0)],
)
def test_only_what_protects_the_hardware_counts_as_throttling(
    reasons: int, throttled: float
) -> None:
    values = gpu_values(GpuSource(FakeNvml(throttle_reasons=reasons)))
    assert values["mdc.gpu.throttled_ratio"] == throttled


def test_a_field_this_gpu_does_not_have_is_asked_for_once() -> None:
    nvml = FakeNvml(missing={"power"})
    source = GpuSource(nvml)
    assert len(gpu_values(source)) == 4
    assert len(gpu_values(source)) == 4
    assert nvml.asked.count("power") == 1


def test_a_field_that_fails_costs_only_its_own_reading_and_is_asked_again() -> None:
    nvml = FakeNvml(broken={"temperature"})
    source = GpuSource(nvml)
    assert "hw.temperature" not in gpu_values(source)
    nvml.broken.clear()
    assert gpu_values(source)["hw.temperature"] == 61.0


def test_a_gpu_that_fell_off_the_bus_is_a_failing_source() -> None:
    nvml = FakeNvml(broken={"temperature", "power", "utilization", "memory", "reasons"})
    source = GpuSource(nvml)
    with pytest.raises(NVMLError):
        list(source.sample(NOON))


@pytest.mark.parametrize("nvml", [None, FakeNvml(broken={"init"}), FakeNvml(gpus=0)])
def test_a_machine_without_a_gpu_has_no_such_source(nvml: FakeNvml | None) -> None:
    with pytest.raises(SourceUnavailableError):
        GpuSource(nvml)


def test_a_file_is_reported_by_its_sha256_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "router.conf"
    path.write_bytes(b"mtu 1500\n")
    source = FilesSource([FileToDigest(name="router", path=path)])
    before = [(item.kind, item.name, item.digest) for item in source.report(NOON)]
    path.write_bytes(b"mtu 9000\n")
    after = [item.digest for item in source.report(NOON)]
    expected = [
        f"sha256:{hashlib.sha256(content).hexdigest()}"
        for content in (b"mtu 1500\n", b"mtu 9000\n")
    ]
    assert before == [("config", "router", expected[0])]
    assert after == [expected[1]]
    assert list(source.sample(NOON)) == []


def test_files_that_are_missing_or_cannot_be_read_are_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    files = [
        FileToDigest(name="gone", path=tmp_path / "nowhere"),
        FileToDigest(name="folder", path=tmp_path / "folder"),
    ]
    items = list(FilesSource(files).report(NOON))
    assert [(item.name, item.state, item.digest) for item in items] == [
        ("gone", "absent", ""),
        ("folder", "failed", ""),
    ]


def test_only_the_sources_asked_for_are_built(tmp_path: Path) -> None:
    files = (FileToDigest(name="a", path=tmp_path / "a"),)
    config = make_config(tmp_path, sources=frozenset({"host"}), files=files)
    assert [source.name for source in build_sources(config)] == ["host", "files"]
