# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which WAL a base backup reaches: across timelines, up to the first segment that is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import times
from .archive import Archive, Segment
from .bases import Base


@dataclass(frozen=True)
class Piece:
    """Segments first..last of one timeline, none missing."""

    timeline: int
    first: int
    last: int


@dataclass(frozen=True)
class Chain:
    """What recovery from C(base) towards C(timeline) can read.

    C(missing) is the first (timeline, number) that is not usable although the archive goes on behind it.
    """

    base: Base
    timeline: int
    pieces: tuple[Piece, ...]
    missing: tuple[int, int] | None

    @property
    def arrives(self) -> bool:
        """The WAL of the base itself is complete, and so is the way to the timeline."""
        if not self.pieces or self.pieces[-1].timeline != self.timeline:
            return False
        return self.pieces[-1].last >= self.base.stop_segment

    @property
    def count(self) -> int:
        return sum(piece.last - piece.first + 1 for piece in self.pieces)

    def last_segment(self, archive: Archive) -> Segment:
        """Raises LookupError for a chain without a segment."""
        piece = self.pieces[-1]
        segment = archive.segments(piece.timeline).find(piece.last)
        if segment is None:
            raise LookupError(archive.name(piece.timeline, piece.last))
        return segment


@dataclass(frozen=True)
class Window:
    """Every moment from start to end can be recovered on C(timeline), beginning with C(base) or a later one.

    The start is the second after the base's recorded end, which drops the fraction. The end is when the last segment
    of the unbroken row was uploaded: what that segment holds was committed before.
    """

    start: datetime
    end: datetime
    timeline: int
    base: str
    first_segment: str
    last_segment: str

    def to_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "start": times.iso(self.start), "end": times.iso(self.end)}

    def __str__(self) -> str:
        return f"{times.iso(self.start)} to {times.iso(self.end)} on timeline {self.timeline}"


@dataclass(frozen=True)
class Gap:
    """Segments that are missing between others; recovery from a base before them stops there."""

    timeline: int
    first: str
    last: str
    count: int

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __str__(self) -> str:
        what = (
            f"segment {self.first} is" if self.count == 1 else f"{self.count} segments {self.first} to {self.last} are"
        )
        return f"WAL {what} missing"


def chain(archive: Archive, base: Base, timeline: int) -> Chain | None:
    """None when C(base) is not on the way to C(timeline), or that way is not known."""
    try:
        path = archive.path(timeline)
    except KeyError:
        return None
    if base.archive != archive.id or base.timeline not in {stretch.timeline for stretch in path}:
        return None
    pieces: list[Piece] = []
    for stretch in path:
        if stretch.timeline < base.timeline:
            continue
        if stretch.timeline == base.timeline and not _ended_before_switch(archive, base, timeline):
            return None
        first = max(stretch.first, base.start_segment)
        if stretch.last is not None and stretch.last < first:
            continue
        segments = archive.segments(stretch.timeline)
        reached = segments.reach(first)
        if stretch.last is not None:
            reached = min(reached, stretch.last)
        if reached >= first:
            pieces.append(Piece(stretch.timeline, first, reached))
        if stretch.last is not None and reached < stretch.last:
            return Chain(base, timeline, tuple(pieces), (stretch.timeline, reached + 1))
        if stretch.last is None:
            goes_on = len(segments) > 0 and segments.numbers[-1] > reached
            return Chain(base, timeline, tuple(pieces), (timeline, reached + 1) if goes_on or reached < first else None)
    return None


def _ended_before_switch(archive: Archive, base: Base, timeline: int) -> bool:
    if base.timeline == timeline:
        return True
    switches = archive.history_files[timeline].switches
    return any(switch.timeline == base.timeline and base.stop_lsn <= switch.lsn for switch in switches)


def chains(archive: Archive, bases: Iterable[Base]) -> list[Chain]:
    """Every chain that can serve a recovery."""
    timelines = sorted({*archive.timelines, *archive.history_files})
    found = (chain(archive, base, timeline) for base in bases if base.valid for timeline in timelines)
    return [chain for chain in found if chain and chain.arrives]


def recorded_timeline(archive: Archive, valid: Sequence[Base]) -> int:
    """The current timeline by recorded facts alone: the newest base's, or the newest that left it after that base."""
    newest = valid[-1]
    after = [
        number
        for number, file in archive.history_files.items()
        for switch in file.switches
        if switch.timeline == newest.timeline and switch.lsn >= newest.stop_lsn and number in archive.timelines
    ]
    return max([newest.timeline, *after])


def windows(archive: Archive, bases: Iterable[Base]) -> tuple[Window, ...]:
    """Oldest first; bases that reach the same segment share one window, and none lies inside another."""
    widest: dict[tuple[int, int], Chain] = {}
    for candidate in chains(archive, bases):
        end = (candidate.timeline, candidate.pieces[-1].last)
        known = widest.get(end)
        if known is None or candidate.base.stopped < known.base.stopped:
            widest[end] = candidate
    kept = [one for one in widest.values() if not any(_inside(one, other) for other in widest.values())]
    return tuple(sorted((_window(archive, one) for one in kept), key=lambda window: (window.start, window.timeline)))


def _inside(one: Chain, other: Chain) -> bool:
    return one is not other and all(any(_covers(outer, inner) for outer in other.pieces) for inner in one.pieces)


def _covers(outer: Piece, inner: Piece) -> bool:
    return outer.timeline == inner.timeline and outer.first <= inner.first and inner.last <= outer.last


def _window(archive: Archive, one: Chain) -> Window:
    first, last = one.pieces[0], one.pieces[-1]
    return Window(
        one.base.stopped + timedelta(seconds=1),
        times.from_epoch(one.last_segment(archive).modified),
        one.timeline,
        one.base.label,
        archive.name(first.timeline, first.first),
        archive.name(last.timeline, last.last),
    )


def gaps(archive: Archive, bases: Iterable[Base]) -> tuple[Gap, ...]:
    """What is missing behind the oldest base, on every timeline that has WAL."""
    starts = [base.start_segment for base in bases if base.valid and base.archive == archive.id]
    if not starts:
        return ()
    found: dict[tuple[int, int], int] = {}
    for timeline in archive.timelines:
        for number, first, last in _missing(archive, timeline, min(starts)):
            found[number, first] = max(last, found.get((number, first), last))
    return tuple(
        Gap(timeline, archive.name(timeline, first), archive.name(timeline, last), last - first + 1)
        for (timeline, first), last in sorted(found.items())
    )


def _missing(archive: Archive, timeline: int, oldest: int) -> Iterable[tuple[int, int, int]]:
    try:
        path = archive.path(timeline)
    except KeyError:
        path = ()
    for stretch in path:
        segments = archive.segments(stretch.timeline)
        last = stretch.last if stretch.last is not None else (segments.numbers[-1] if len(segments) else -1)
        position = max(stretch.first, oldest)
        while position <= last:
            reached = segments.reach(position)
            if reached < position:
                following = segments.next_after(position, last + 1)
                yield stretch.timeline, position, min(following - 1, last)
                reached = following - 1
            position = reached + 1
