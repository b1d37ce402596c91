"""Fault switches for tests of rollouts and recovery: FAULT_* variables, refused in production.

FAULTS holds switches that are built into an image, as words NAME=VALUE; a variable of its own overrides each.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

log = logging.getLogger(__name__)
PREFIX = "FAULT_"
BUILT_IN = "FAULTS"


@dataclass(frozen=True)
class Faults:
    """Every switch is a number; 0 is off. FAULT_NEVER_READY=1 sets never_ready, and so on."""

    crash_at_start: float = 0
    crash_after_seconds: float = 0
    never_ready: float = 0
    slow_seconds: float = 0
    slow_after_seconds: float = 0
    error_ratio: float = 0
    errors_after_seconds: float = 0
    leak_mb_per_second: float = 0
    job_seconds: float = 0
    migration_fails: float = 0
    migration_seconds: float = 0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], env: str, problems: list[str]) -> Self:
        built_in = dict(word.partition("=")[::2] for word in environ.get(BUILT_IN, "").split())
        chosen = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
        if env == "production":
            if built_in:
                problems.append(
                    f"this image has {', '.join(sorted(built_in))} built in and is refused where ENV=production"
                )
            if chosen:
                problems.append(f"fault switches are refused where ENV=production, remove {', '.join(sorted(chosen))}")
            return cls()
        known = {PREFIX + field.name.upper(): field.name for field in fields(cls)}
        values = {}
        for name, text in sorted((built_in | chosen).items()):
            try:
                values[known[name]] = float(text)
            except KeyError:
                problems.append(f"{name} is no fault switch, known are {', '.join(sorted(known))}")
            except ValueError:
                problems.append(f"{name} must be a number, not {text!r}")
        return cls(**values)

    def at_start(self) -> None:
        if any(vars(self).values()):
            log.warning("fault switches are on", extra={"faults": {k: v for k, v in vars(self).items() if v}})
        if self.crash_at_start:
            log.error("FAULT_CRASH_AT_START: crashing")
            os._exit(1)

    async def in_background(self) -> None:
        """Crash later, leak memory."""
        hoard: list[bytearray] = []
        started = time.monotonic()
        while self.crash_after_seconds or self.leak_mb_per_second:
            await asyncio.sleep(0.2)
            # A bytearray of zeros costs no memory until its pages are written.
            hoard.append(bytearray(b"x") * int(self.leak_mb_per_second * 0.2 * 2**20))
            if 0 < self.crash_after_seconds < time.monotonic() - started:
                log.error("FAULT_CRASH_AFTER_SECONDS: crashing")
                os._exit(1)

    async def in_request(self, age_seconds: float) -> bool:
        """Delay this request where asked to; True: it must fail."""
        if self.slow_seconds and age_seconds >= self.slow_after_seconds:
            await asyncio.sleep(self.slow_seconds)
        return age_seconds >= self.errors_after_seconds and random.random() < self.error_ratio  # noqa: S311
