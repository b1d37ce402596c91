# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes, times and names as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# What a terminal obeys, and what XML does not allow even when it is escaped.
_UNPRINTABLE = re.compile("[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0001fffd]")


def size(count: float) -> str:
    """`1.5 GiB`"""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the last unit takes everything")


def span(seconds: float) -> str:
    """`6 d 23 h`, `24 h 58 min`, `3 min 20 s`, `41 s`: the two largest units, without what is zero."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    large, small = next(
        pair
        for pair in (((86400, "d"), (3600, "h")), ((3600, "h"), (60, "min")), ((60, "min"), (1, "s")))
        if whole >= pair[0][0] * (2 if pair[0][1] == "d" else 1)
    )
    rest = whole % large[0] // small[0]
    return f"{whole // large[0]} {large[1]}" + (f" {rest} {small[1]}" if rest else "")


def moment(when: datetime) -> str:
    """`2026-11-24 03:00:05`, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def target(when: datetime) -> str:
    """The form that a recovery target takes: `2026-11-24T03:00:05Z`."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(when: datetime, now: datetime) -> str:
    seconds = (now - when).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def segments(count: int) -> str:
    return f"{count} segment{'s' if count != 1 else ''}"


def printable(text: object) -> str:
    return _UNPRINTABLE.sub("\ufffd", str(text))
