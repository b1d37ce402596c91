# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The WAL archive as its object names tell it: a million segments in some forty megabytes."""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import wal
from .storage import StoredObject

_SEGMENT = re.compile(
    r"([^/]+)/[0-9A-F]{16}/([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})-([0-9a-f]{40})(?:\.[a-z0-9]+)?"
).fullmatch
_HISTORY = re.compile(r"([^/]+)/([0-9A-F]{8})\.history").fullmatch
_SHA1_BYTES = 20


class Segment(NamedTuple):
    """One archived segment; C(sha1) is that of its 16 MiB before compression."""

    timeline: int
    number: int
    sha1: str
    size: int
    modified: float


class Segments:
    """The segments of one timeline in rising order.

    A segment of size 0 and one that is there twice with different content serve no recovery: both count as missing.
    """

    def __init__(self, timeline: int) -> None:
        self.timeline = timeline
        self.numbers = array("Q")
        self.bytes = 0
        self.runs: list[tuple[int, int]] = []
        self.empty: tuple[int, ...] = ()
        self.ambiguous: tuple[int, ...] = ()
        self._sizes = array("Q")
        self._modified = array("d")
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, sha1: str, size: int, modified: float) -> None:
        self.numbers.append(number)
        self._sizes.append(size)
        self._modified.append(modified)
        self._digests += bytes.fromhex(sha1)

    def finish(self) -> None:
        """Sort, and find what is contiguous; called once, after the last add."""
        numbers = self.numbers
        if any(map(int.__lt__, numbers[1:], numbers)):
            self._sort()
            numbers = self.numbers
        self.bytes = sum(self._sizes)
        bad = set()
        if 0 in self._sizes:
            bad = {number for number, size in zip(numbers, self._sizes, strict=True) if not size}
            self.empty = tuple(sorted(bad))
        if any(map(int.__eq__, numbers[1:], numbers)):
            twice = {number for number in numbers if self._contents(number) > 1}
            self.ambiguous = tuple(sorted(twice))
            bad |= twice
        self.runs = list(_runs(number for number in numbers if number not in bad) if bad else _runs(numbers))

    def reach(self, first: int) -> int:
        """The last segment of the unbroken row that starts at C(first); first - 1 when that one is missing."""
        index = bisect_right(self.runs, (first, float("inf"))) - 1
        if index >= 0 and self.runs[index][0] <= first <= self.runs[index][1]:
            return self.runs[index][1]
        return first - 1

    def next_after(self, number: int, otherwise: int) -> int:
        """The first usable segment behind C(number)."""
        index = bisect_right(self.runs, (number, float("inf")))
        return self.runs[index][0] if index < len(self.runs) else otherwise

    def between(self, first: int, last: int) -> Iterator[Segment]:
        """Usable or not, each number once."""
        previous = -1
        for index in range(bisect_left(self.numbers, first), bisect_right(self.numbers, last)):
            if self.numbers[index] != previous:
                previous = self.numbers[index]
                yield self._at(index)

    def find(self, number: int) -> Segment | None:
        return next(self.between(number, number), None)

    def newest_upload(self, first: int = 0) -> float:
        """When the newest of the segments from C(first) on was uploaded; 0 when there is none."""
        return max(self._modified[bisect_left(self.numbers, first) :], default=0.0)

    def first_upload_since(self, seconds: float) -> float | None:
        return min((upload for upload in self._modified if upload >= seconds), default=None)

    def count_to(self, last: int) -> tuple[int, int]:
        """(objects, bytes) of the segments up to C(last)."""
        index = bisect_right(self.numbers, last)
        return index, sum(self._sizes[:index])

    def to_dict(self, segment_bytes: int) -> dict[str, Any]:
        def name(number: int) -> str:
            return wal.segment_name(self.timeline, number, segment_bytes)

        return {
            "timeline": self.timeline,
            "segments": len(self),
            "bytes": self.bytes,
            "ranges": [{"first": name(first), "last": name(last)} for first, last in self.runs],
            "empty": [name(number) for number in self.empty],
            "ambiguous": [name(number) for number in self.ambiguous],
        }

    def _at(self, index: int) -> Segment:
        start = index * _SHA1_BYTES
        sha1 = self._digests[start : start + _SHA1_BYTES].hex()
        return Segment(self.timeline, self.numbers[index], sha1, self._sizes[index], self._modified[index])

    def _contents(self, number: int) -> int:
        first, last = bisect_left(self.numbers, number), bisect_right(self.numbers, number)
        return len({self._at(index).sha1 for index in range(first, last)})

    def _sort(self) -> None:
        order = sorted(range(len(self.numbers)), key=self.numbers.__getitem__)
        rows = [self._at(index) for index in order]
        self.numbers, self._sizes, self._modified = array("Q"), array("Q"), array("d")
        self._digests = bytearray()
        for row in rows:
            self.add(row.number, row.sha1, row.size, row.modified)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = -2
    for number in numbers:
        if number - last <= 1 and last >= 0:
            last = number
            continue
        if last >= 0:
            yield first, last
        first = last = number
    if last >= 0:
        yield first, last


@dataclass(frozen=True)
class HistoryFile:
    """A timeline history file as it is archived."""

    timeline: int
    name: str
    sha1: str
    switches: tuple[wal.Switch, ...]


@dataclass
class Archive:
    """What pgBackRest archived of one database (15-1: version 15, id 1)."""

    id: str
    timelines: dict[int, Segments] = field(default_factory=dict)
    history_files: dict[int, HistoryFile] = field(default_factory=dict)
    segment_bytes: int = wal.DEFAULT_SEGMENT_BYTES

    def path(self, timeline: int) -> tuple[wal.Stretch, ...]:
        """Raises KeyError without the timeline's history file."""
        histories = {number: file.switches for number, file in self.history_files.items()}
        return wal.path_to(timeline, histories, self.segment_bytes)

    def segments(self, timeline: int) -> Segments:
        return self.timelines.get(timeline) or Segments(timeline)

    def name(self, timeline: int, number: int) -> str:
        return wal.segment_name(timeline, number, self.segment_bytes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "timelines": [self.timelines[number].to_dict(self.segment_bytes) for number in sorted(self.timelines)],
            "histories": [self.history_files[number].name for number in sorted(self.history_files)],
        }


def read_names(
    objects: Iterable[StoredObject], prefix: str, segment_bytes: int
) -> tuple[dict[str, Archive], dict[str, list[StoredObject]]]:
    """(archives, history files by archive) from a listing of the folder C(prefix)."""
    archives: dict[str, Archive] = {}
    histories: dict[str, list[StoredObject]] = {}
    adders: dict[tuple[str, str], Any] = {}
    per_log = (1 << 32) // segment_bytes
    skip = len(prefix)
    for key, size, modified in objects:
        match = _SEGMENT(key, skip)
        if match:
            archive_id, timeline, log, position, sha1 = match.groups()
            add = adders.get((archive_id, timeline))
            if add is None:
                archive = archives.setdefault(archive_id, Archive(archive_id, segment_bytes=segment_bytes))
                add = archive.timelines.setdefault(int(timeline, 16), Segments(int(timeline, 16))).add
                adders[archive_id, timeline] = add
            add(int(log, 16) * per_log + int(position, 16), sha1, size, modified)
        elif history := _HISTORY(key, skip):
            archives.setdefault(history[1], Archive(history[1], segment_bytes=segment_bytes))
            histories.setdefault(history[1], []).append(StoredObject(key, size, modified))
    for archive in archives.values():
        for segments in archive.timelines.values():
            segments.finish()
    return archives, histories


def read_history(name: str, content: bytes) -> HistoryFile:
    """Raises ValueError when the content is no timeline history."""
    timeline = int(name.removesuffix(".history"), 16)
    switches = wal.parse_history(content.decode("ascii"))
    if not switches or switches[-1].timeline >= timeline:
        raise ValueError(f"{name} does not tell where timeline {timeline} comes from")
    return HistoryFile(timeline, name, hashlib.sha1(content, usedforsecurity=False).hexdigest(), switches)
