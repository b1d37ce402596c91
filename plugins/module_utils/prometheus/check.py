# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a gate compares: checks with their limits, and looks with the numbers that were read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import SettingsError
from .words import shown


@dataclass(frozen=True)
class Check:
    """A query and its limits: at most `maximum`, and at most `max_increase` times the value before.

    A value before that is lower than `min_before` counts as that. `query_before` is `query` where it is empty.
    """

    name: str
    query: str
    unit: str = ""
    maximum: float | None = None
    max_increase: float | None = None
    min_before: float = 0.0
    query_before: str = ""
    needs_requests: bool = True

    def __post_init__(self) -> None:
        limits = [each for each in (self.maximum, self.max_increase) if each is not None]
        if not limits:
            raise SettingsError(f"Query {self.name} has no limit: give it max or max_increase.")
        if not all(math.isfinite(each) for each in (*limits, self.min_before)):
            raise SettingsError(f"The limits of query {self.name} must be finite numbers.")

    def limit(self, before: float | None) -> float | None:
        """The lower of its limits; None when the only one needs a value before and there is none."""
        limits = [] if self.maximum is None else [self.maximum]
        if self.max_increase is not None and before is not None:
            limits.append(self.max_increase * max(before, self.min_before))
        return min(limits, default=None)


@dataclass(frozen=True)
class Reading:
    """The highest number of a query's series, None without one; and whether some series had NaN instead."""

    number: float | None = None
    not_a_number: bool = False

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Reading:
        real = [number for number in numbers if not math.isnan(number)]
        return cls(max(real, default=None), len(real) < len(numbers))

    def words(self, unit: str, beside: float | None = None) -> str:
        if self.number is not None:
            return shown(self.number, unit, beside)
        return "not a number" if self.not_a_number else "no data"


@dataclass(frozen=True)
class Look:
    """What Prometheus answered at one moment, or why it did not."""

    readings: Mapping[str, Reading] = field(default_factory=dict)
    requests: Reading = field(default_factory=Reading)
    lost: str = ""

    def of(self, check: Check) -> Reading:
        return self.readings.get(check.name, Reading())
