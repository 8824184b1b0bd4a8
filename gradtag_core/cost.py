"""What a piece of work costs: floating-point operations, seconds and peak memory."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """FLOPs (multiply and add count as two), wall seconds, and the peak resident bytes of the process."""

    flops: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.flops + other.flops, self.seconds + other.seconds, max(self.peak_bytes, other.peak_bytes)
        )

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass
class Meter:
    """Collects FLOPs while a block runs; read `cost` after it."""

    flops: float = 0.0
    seconds: float = 0.0
    _started: float = field(default_factory=time.perf_counter)

    @property
    def cost(self) -> Cost:
        return Cost(self.flops, self.seconds, peak_resident_bytes())


@contextmanager
def measure() -> Iterator[Meter]:
    """Time a block; the block adds its own FLOPs to the meter, since most of them are known in closed form."""
    meter = Meter()
    try:
        yield meter
    finally:
        meter.seconds = time.perf_counter() - meter._started


def peak_resident_bytes() -> int:
    """The largest resident set this process has had, since `forget_peak` where the system can forget."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Let the peak start anew from what is resident now, so that work can be told from what ran before it (Linux)."""
    with suppress(OSError):  # elsewhere, or in a sandbox, the peak stays that of the whole process
        Path("/proc/self/clear_refs").write_text("5")
