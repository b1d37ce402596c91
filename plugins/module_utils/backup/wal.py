# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of WAL segments, positions in the WAL, and timelines.

A segment is the pair (timeline, number); the number counts segments from LSN 0 and goes on across timelines.
Source: PostgreSQL's access/xlog_internal.h and "Timelines" in the manual's chapter on continuous archiving.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024
_LOG_BYTES = 1 << 32
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_HISTORY_LINE = re.compile(r"\s*(\d+)\s+([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})(?:\s+(.*))?")


@dataclass(frozen=True)
class Switch:
    """One line of a timeline history file: C(timeline) was left at C(lsn)."""

    timeline: int
    lsn: int
    reason: str


@dataclass(frozen=True)
class Stretch:
    """The segments first..last that recovery reads from one timeline; last is None on the timeline it ends on."""

    timeline: int
    first: int
    last: int | None


def parse_lsn(text: str) -> int:
    """Position of C(0/3000000) as a number of bytes; ValueError for anything else."""
    match = _LSN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not an LSN such as 0/3000000")
    return (int(match[1], 16) << 32) + int(match[2], 16)


def format_lsn(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def is_segment_size(size: int) -> bool:
    """PostgreSQL allows powers of two from 1 MiB to 1 GiB."""
    return 1 << 20 <= size <= 1 << 30 and size & (size - 1) == 0


def parse_segment(name: str, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> tuple[int, int]:
    """(timeline, number) of a segment's name of 24 hexadecimal digits; ValueError for anything else."""
    if not _SEGMENT.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a WAL segment")
    per_log = _LOG_BYTES // segment_bytes
    log, position = int(name[8:16], 16), int(name[16:], 16)
    if position >= per_log:
        raise ValueError(f"{name!r} does not exist with segments of {segment_bytes} bytes")
    return int(name[:8], 16), log * per_log + position


def segment_name(timeline: int, number: int, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> str:
    log, position = divmod(number, _LOG_BYTES // segment_bytes)
    return f"{timeline:08X}{log:08X}{position:08X}"


def segment_of(lsn: int, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> int:
    """Number of the segment that holds the byte at C(lsn)."""
    return lsn // segment_bytes


def parse_history(text: str) -> tuple[Switch, ...]:
    """Lines of a timeline history file, oldest first; ValueError when they cannot be one."""
    switches = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _HISTORY_LINE.fullmatch(line)
        if not match:
            raise ValueError(f"{line!r} is no line of a timeline history file")
        switches.append(Switch(int(match[1]), parse_lsn(match[2]), match[3] or ""))
    if any(later.timeline <= earlier.timeline for earlier, later in itertools.pairwise(switches)):
        raise ValueError("the timelines of the history file do not rise")
    if any(later.lsn < earlier.lsn for earlier, later in itertools.pairwise(switches)):
        raise ValueError("the positions of the history file do not rise")
    return tuple(switches)


def path_to(
    timeline: int,
    histories: Mapping[int, tuple[Switch, ...]],
    segment_bytes: int = DEFAULT_SEGMENT_BYTES,
) -> tuple[Stretch, ...]:
    """What recovery to C(timeline) reads, oldest first.

    A switch inside a segment: that segment is read from the new timeline, which starts with a copy of the old one's
    part of it. Raises KeyError when the history of a timeline above 1 is not known.
    """
    first = 0
    stretches = []
    for switch in histories[timeline] if timeline > 1 else ():
        last = segment_of(switch.lsn, segment_bytes) - 1
        stretches.append(Stretch(switch.timeline, first, last))
        first = last + 1
    stretches.append(Stretch(timeline, first, None))
    return tuple(stretches)
