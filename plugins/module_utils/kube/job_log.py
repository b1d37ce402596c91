# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Job writes: lines of progress, and at the end one `RESULT {json}`. Pure."""

from __future__ import annotations

import json
from typing import Any

from .mask import Masker

RESULT = "RESULT "


class Tail:
    """Tells the new lines of a log of which only the last lines are read each time, each with its time in front."""

    def __init__(self) -> None:
        self._last = ""

    def fresh(self, stamped: str) -> list[str]:
        """The lines that were not there at the last look, without their times."""
        lines = [line for line in stamped.splitlines() if line]
        # A time has nanoseconds, so that a line with its time is there once.
        seen = lines.index(self._last) + 1 if self._last in lines else 0
        new = lines[seen:]
        if new:
            self._last = new[-1]
        return [line.partition(" ")[2] for line in new]


def report_of(lines: list[str], hide: Masker) -> dict[str, Any]:
    """The object of the last RESULT line, with secrets hidden in its texts; empty when there is none."""
    for line in reversed(lines):
        if line.startswith(RESULT):
            try:
                found = json.loads(line[len(RESULT) :])
            except ValueError:
                return {}
            return _hidden(found, hide) if isinstance(found, dict) else {}
    return {}


def is_progress(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(RESULT)


def _hidden(value: Any, hide: Masker) -> Any:
    if isinstance(value, str):
        return hide.text(value)
    if isinstance(value, list):
        return [_hidden(each, hide) for each in value]
    if isinstance(value, dict):
        return {key: _hidden(each, hide) for key, each in value.items()}
    return value
