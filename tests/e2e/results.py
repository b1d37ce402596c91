"""What a load saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True)
class Sample:
    """One request. Both times are in seconds: when it was due, counted from the start, and from then to its answer."""

    at: float
    method: str
    seconds: float
    status: int = 0
    error: str = ""

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 300


@dataclass(frozen=True)
class Accepted:
    user: int
    amount: Decimal


@dataclass
class Results:
    started: datetime
    samples: list[Sample] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    accepted: dict[int, Accepted] = field(default_factory=dict)
    seconds: float = 0
    cpu_seconds: float = 0

    @property
    def total(self) -> int:
        return len(self.samples)

    @property
    def failures(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.failed]

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.total / self.seconds if self.seconds else 0

    def latency(self, percent: float) -> float:
        """The seconds that so many percent of the requests took at most, failed ones too."""
        ordered = sorted(sample.seconds for sample in self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0

    def __str__(self) -> str:
        latencies = ", ".join(f"p{percent} {self.latency(percent) * 1000:.0f} ms" for percent in (50, 95, 99, 100))
        cpu = 100 * self.cpu_seconds / self.seconds if self.seconds else 0
        lines = [
            f"{self.total} requests in {self.seconds:.1f} s ({self.rate:.1f}/s), {self.failed} failed, {latencies}; "
            f"{len(self.accepted)} transactions accepted; the load took {cpu:.0f} % of a core"
        ]
        for sample in self.failures[:20]:
            moment = (self.started + timedelta(seconds=sample.at)).isoformat(timespec="milliseconds")
            said = sample.error or sample.status
            lines.append(f"  {moment} ({sample.at:.2f} s) {sample.method}: {said} after {sample.seconds:.2f} s")
        return "\n".join(lines)
