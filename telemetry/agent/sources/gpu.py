"""NVIDIA accelerators through NVML; each field is probed by itself.

Hardly any accelerator has every field: one that is not supported is not asked for again, and one
that fails costs no more than its own reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from telemetry.agent.source import Sample, SourceUnavailableError

try:
    import pynvml  # type: ignore[import-untyped]  # it ships no types
except ImportError:
    pynvml = None

#: Clock event reasons that mean "slower than asked, to protect the hardware": hardware slowdown,
#: software thermal, hardware thermal, hardware power brake. A power cap is somebody's decision.
_PROTECTIVE_REASONS = 0x8 | 0x20 | 0x40 | 0x80
_SUPPORT_ERRORS = ("NVMLError_NotSupported", "NVMLError_FunctionNotFound")


@dataclass(slots=True)
class _Gpu:
    device: str
    handle: Any
    unsupported: set[str] = field(default_factory=set)


class GpuSource:
    """Temperature, power, utilisation, memory and throttling of every GPU."""

    name = "gpu"

    def __init__(self, nvml: Any = pynvml) -> None:
        """Raise `SourceUnavailableError` when there is no library, no driver or no GPU."""
        if nvml is None:
            raise SourceUnavailableError("the package nvidia-ml-py is not installed")
        self._nvml = nvml
        try:
            nvml.nvmlInit()
            self._gpus = [
                _Gpu(f"gpu{index}", nvml.nvmlDeviceGetHandleByIndex(index))
                for index in range(nvml.nvmlDeviceGetCount())
            ]
        except nvml.NVMLError as exc:
            raise SourceUnavailableError(f"NVML says: {exc}") from exc
        if not self._gpus:
            raise SourceUnavailableError("the driver shows no GPU")
        self._fields: dict[str, tuple[str, Callable[[Any], float]]] = {
            "hw.temperature": ("Cel", self._temperature),
            "hw.power": ("W", self._power),
            "hw.gpu.utilization": ("1", self._utilization),
            "hw.gpu.memory.utilization": ("1", self._memory),
            "mdc.gpu.throttled_ratio": ("1", self._throttled),
        }

    def sample(self, now: float) -> Iterator[Sample]:
        """Yield what each GPU supports; raise when no GPU answers to anything."""
        count, last_error = 0, None
        for gpu in self._gpus:
            for metric, (unit, read) in self._fields.items():
                if metric in gpu.unsupported:
                    continue
                try:
                    value = float(read(gpu.handle))
                except self._nvml.NVMLError as exc:
                    last_error = exc
                    if type(exc).__name__ in _SUPPORT_ERRORS:
                        gpu.unsupported.add(metric)
                    continue
                count += 1
                yield Sample(metric, unit, gpu.device, value)
        if not count and last_error is not None:
            raise last_error

    def _temperature(self, handle: Any) -> float:
        value = self._nvml.nvmlDeviceGetTemperature(handle, self._nvml.NVML_TEMPERATURE_GPU)
        return float(value)

    def _power(self, handle: Any) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(handle)) / 1000

    def _utilization(self, handle: Any) -> float:
        return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100

    def _memory(self, handle: Any) -> float:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return float(memory.used) / float(memory.total)

    def _throttled(self, handle: Any) -> float:
        reasons = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
        return 1.0 if int(reasons) & _PROTECTIVE_REASONS else 0.0
