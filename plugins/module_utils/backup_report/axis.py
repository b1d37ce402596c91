# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where moments lie on a drawing, and which of them are worth a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(count * _MINUTE for count in (1, 5, 10, 30)),
    *(count * _HOUR for count in (1, 2, 3, 6, 12)),
    *(count * _DAY for count in (1, 2, 5, 10, 30, 90, 365)),
)
MOST_LABELS = 13


@dataclass(frozen=True)
class Axis:
    """`start` and `end` in seconds since 1970 (UTC), `left` and `right` in the units of the drawing."""

    start: float
    end: float
    left: float
    right: float

    def at(self, seconds: float) -> float:
        """The place of a moment; moments outside lie on the edge."""
        share = (seconds - self.start) / (self.end - self.start)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 1)

    def shows(self, start: float, end: float) -> bool:
        return end >= self.start and start <= self.end

    def ticks(self) -> Iterator[tuple[float, str]]:
        """(place, label) at round times."""
        length = self.end - self.start
        step = next((each for each in _STEPS if length / each <= MOST_LABELS), length / MOST_LABELS)
        seconds = (self.start // step + 1) * step
        before = ""
        while seconds < self.end:
            when = datetime.fromtimestamp(seconds, UTC)
            day = f"{when:%b} {when.day}"
            if step >= 90 * _DAY:
                label = f"{when:%b} {when.year}"
            elif step >= _DAY:
                label = day
            else:
                label = f"{when:%H:%M}" if day == before else f"{day} {when:%H:%M}"
            yield self.at(seconds), label
            before = day
            seconds += step
