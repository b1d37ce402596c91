# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at Prometheus for a while and says what it sees."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from .check import Check, Look, Reading
from .errors import QueryRefusedError, SettingsError, UnavailableError
from .gate import Gate, Verdict

# Longest time, in seconds, without a line of progress and without a renewal of the lease.
LONGEST_SILENCE = 10.0


class Asked(Protocol):
    """Who answers queries; see client.Prometheus."""

    def numbers(self, query: str, time: str = "") -> list[float]: ...


@dataclass(frozen=True)
class Plan:
    """What to watch and for how long, in seconds. since: when the values before are taken, RFC 3339 in UTC."""

    checks: Sequence[Check]
    seconds: float = 0
    interval: float = 10
    since: str = ""
    requests_query: str = ""
    minimum_requests: float = 0

    def __post_init__(self) -> None:
        names = [check.name for check in self.checks]
        if not names:
            raise SettingsError("queries is empty: a gate without a query lets everything through.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SettingsError(f"There are several queries of the name {', '.join(twice)}.")
        if self.seconds < 0 or self.interval <= 0:
            raise SettingsError("seconds must not be negative, and interval must be more than 0.")
        if self.minimum_requests > 0 and not self.requests_query:
            raise SettingsError("minimum_requests needs requests_query, which counts them.")
        if not self.since and any(check.max_increase is not None for check in self.checks):
            raise SettingsError("max_increase needs since, the time of the value before.")

    def moments(self) -> list[float]:
        """Seconds from the start at which to look: evenly spread, never further apart than the interval."""
        parts = math.ceil(self.seconds / self.interval)
        return [self.seconds * part / parts for part in range(parts + 1)] if parts else [0.0]


def utc(text: str) -> str:
    """An RFC 3339 time as Prometheus takes it; empty stays empty."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise SettingsError(f'since must be a time with its zone, such as 2026-07-01T09:30:00Z, not "{text}".')
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Watch:
    """beat is called before each look and at least each ten seconds; what it raises ends the watch."""

    def __init__(
        self,
        prometheus: Asked,
        plan: Plan,
        say: Callable[[str], None],
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._prometheus, self._plan = prometheus, plan
        self._say, self._beat, self._clock, self._sleep = say, beat, clock, sleep
        self._said, self._said_at = "", -math.inf
        self.gate = Gate(plan.checks, plan.minimum_requests)
        self.seconds = 0.0

    def run(self) -> Verdict:
        """Raises QueryRefusedError for a query that can never be answered."""
        began = self._clock()
        moments = self._plan.moments()
        for moment, following in zip(moments, [*moments[1:], math.inf], strict=True):
            if self._clock() - began >= following:
                continue  # the look before took so long
            self._wait(began, moment)
            self._beat()
            self.gate.add(self._look())
            self.seconds = self._clock() - began
            self._report()
            if self.gate.failure:
                break
        return self.gate.conclude()

    def _wait(self, began: float, moment: float) -> None:
        while (left := began + moment - self._clock()) > 0:
            self._sleep(min(left, LONGEST_SILENCE))
            self.seconds = self._clock() - began
            if self.seconds < moment:
                self._beat()
                self._report()

    def _report(self) -> None:
        line, now = self.gate.line(self.gate.looks[-1]), self._clock()
        if line != self._said or now - self._said_at >= LONGEST_SILENCE:
            self._said, self._said_at = line, now
            window = f"{self.seconds:4.0f} s of {self._plan.seconds:.0f} s  " if self._plan.seconds else ""
            self._say(f"{window}{line}")

    def _look(self) -> Look:
        try:
            if self._plan.since and not self.gate.before:
                self.gate.before = {check.name: self._before(check) for check in self._plan.checks}
            readings = {check.name: self._read(check.name, check.query) for check in self._plan.checks}
            query = self._plan.requests_query
            return Look(readings, self._read("requests", query) if query else Reading())
        except UnavailableError as error:
            return Look(lost=str(error))

    def _before(self, check: Check) -> float | None:
        return self._read(check.name, check.query_before or check.query, self._plan.since).number

    def _read(self, name: str, query: str, at: str = "") -> Reading:
        try:
            return Reading.of(self._prometheus.numbers(query, at))
        except QueryRefusedError as error:
            raise QueryRefusedError(f"Prometheus refuses the query of {name}: {error}.") from error
