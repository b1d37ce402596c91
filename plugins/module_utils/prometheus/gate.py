# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides from looks at Prometheus whether what runs is good. Pure: no clock, no network.

A value that is too high fails when it lasts for two looks or is there at the last one. Without numbers there is no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from .check import Check, Look, Reading
from .words import shown

LASTING_LOOKS = 2


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    reason: str


class State(Enum):
    KEPT = "kept"
    BREACHED = "breached"
    UNKNOWN = "unknown"


class Gate:
    """Takes one look after the other; `before` are the values to compare with, by the name of the check."""

    def __init__(self, checks: Sequence[Check], minimum_requests: float = 0) -> None:
        self.checks, self._minimum = checks, minimum_requests
        self.before: Mapping[str, float | None] = {}
        self.looks: list[Look] = []
        self._lasting: dict[str, int] = {}

    def add(self, look: Look) -> None:
        self.looks.append(look)
        for check in self.checks:
            state = self._state(check, look)
            # A look without an answer says nothing about the looks around it.
            if state is not State.UNKNOWN:
                self._lasting[check.name] = self._lasting.get(check.name, 0) + 1 if state is State.BREACHED else 0

    @property
    def failure(self) -> Verdict | None:
        """The verdict that no further look changes."""
        lasting = [check for check in self.checks if self._lasting.get(check.name, 0) >= LASTING_LOOKS]
        if not lasting:
            return None
        return Verdict(Outcome.FAILED, f"Too high at {LASTING_LOOKS} looks in a row: {self._breaches(lasting)}.")

    def conclude(self) -> Verdict:
        """The verdict when the last look was taken."""
        if failure := self.failure:
            return failure
        last = self.looks[-1]
        if breached := self._those(State.BREACHED, last):
            return Verdict(Outcome.FAILED, f"Too high: {self._breaches(breached)}.")
        if missing := self._missing(last):
            return Verdict(Outcome.INCONCLUSIVE, f"No verdict: {missing}")
        return Verdict(Outcome.PASSED, f"Within the limits: {self.line(last)}.{self._not_compared()}")

    def line(self, look: Look) -> str:
        """`errors 0 % (at most 1 %), p95 0.12 s (at most 0.5 s), 214 requests`"""
        if look.lost:
            return look.lost
        requests = look.requests.number
        counted = [] if requests is None else [f"{requests:.0f} requests"]
        return ", ".join([*(self._against_limit(check, look) for check in self.checks), *counted])

    def worst(self, check: Check) -> float | None:
        numbers = [look.of(check).number for look in self.looks]
        return max((number for number in numbers if number is not None), default=None)

    def limit(self, check: Check) -> float | None:
        return check.limit(self.before.get(check.name))

    def _state(self, check: Check, look: Look) -> State:
        reading, limit = look.of(check), self.limit(check)
        if reading.number is None or limit is None or (check.needs_requests and not self._enough(look)):
            return State.UNKNOWN
        if reading.number > limit:
            return State.BREACHED
        return State.UNKNOWN if reading.not_a_number else State.KEPT

    def _those(self, state: State, look: Look) -> list[Check]:
        return [check for check in self.checks if self._state(check, look) is state]

    def _enough(self, look: Look) -> bool:
        return self._minimum <= 0 or (look.requests.number is not None and look.requests.number >= self._minimum)

    def _missing(self, last: Look) -> str:
        """What a verdict lacks, as the end of a sentence; empty when nothing."""
        answered = sum(not look.lost for look in self.looks)
        if last.lost:
            return last.lost
        if 2 * answered < len(self.looks):
            lost = next(look.lost for look in reversed(self.looks) if look.lost)
            return f"Prometheus answered at only {answered} of {len(self.looks)} looks. {lost}"
        if not self._enough(last):
            if last.requests.number is None:
                return "no number of requests (is the application scraped?)."
            needed = shown(self._minimum)
            return f"{shown(last.requests.number, beside=self._minimum)} requests came, and {needed} are needed."
        return self._unknown(last)

    def _unknown(self, last: Look) -> str:
        unknown = self._those(State.UNKNOWN, last)
        silent = [each for each in unknown if last.of(each) == Reading()]
        undefined = [each for each in unknown if last.of(each).not_a_number]
        alone = [each for each in unknown if each not in silent and each not in undefined]
        parts = [
            f"no data for {_names(silent)} (is the application scraped?)" if silent else "",
            f"{_names(undefined)} not a number (as a ratio without any request)" if undefined else "",
            f"no value before to compare {_names(alone)} with" if alone else "",
        ]
        found = ", ".join(part for part in parts if part)
        return f"{found}." if found else ""

    def _not_compared(self) -> str:
        alone = [
            check for check in self.checks if check.max_increase is not None and self.before.get(check.name) is None
        ]
        return f" There was no value before to compare {_names(alone)} with." if alone else ""

    def _breaches(self, checks: Sequence[Check]) -> str:
        last = self.looks[-1]
        return ", ".join(self._against_limit(check, last, with_before=True) for check in checks)

    def _against_limit(self, check: Check, look: Look, with_before: bool = False) -> str:
        limit, before = self.limit(check), self.before.get(check.name)
        notes = [] if limit is None else [f"at most {shown(limit, check.unit)}"]
        if with_before and before is not None:
            notes.append(f"{shown(before, check.unit)} before")
        value = look.of(check).words(check.unit, limit)
        return f"{check.name} {value} ({'; '.join(notes)})" if notes else f"{check.name} {value}"


def _names(checks: Sequence[Check]) -> str:
    return " and ".join(check.name for check in checks)
