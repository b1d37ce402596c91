# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a job does while it waits and works: lines that a person reads, and second tries."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from backup.errors import BackupError

Answer = TypeVar("Answer")
_PAUSE_SECONDS = 2.0


def say(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)  # noqa: T201 - progress is what a job prints


def patiently(ask: Callable[[], Answer], seconds: float = 60.0) -> Answer:
    """The answer, asked for again while it fails: network policies let a new pod through a moment after its start."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except BackupError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
