# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a catalogue holds, as people look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..backup import times, wal
from ..backup.archive import Archive
from ..backup.bases import Base
from ..backup.catalogue import Catalogue
from ..backup.copies import Copy
from .view import Failure, Gap, Item, Run, Verification, View, Window


def view_of(catalogue: Catalogue, name: str) -> View:
    """The catalogue of the environment or bucket `name`."""
    archive = catalogue.archive
    return View(
        name=name,
        taken=catalogue.at,
        windows=[Window(each.start, each.end, each.timeline, each.base) for each in catalogue.windows],
        bases=[_base(base) for base in catalogue.bases],
        runs=list(_runs(archive)),
        gaps=[_gap(archive, gap.timeline, gap.first, gap.last, catalogue.at) for gap in catalogue.gaps],
        dumps=[_copy(copy) for copy in catalogue.dumps],
        snapshots=[_copy(copy) for copy in catalogue.snapshots],
        verifications=sorted(_verifications(catalogue), key=lambda each: each.when),
        failures=sorted(_failures(catalogue), key=lambda each: each.when),
        problems=[*catalogue.problems, *catalogue.warnings],
    )


def _base(base: Base) -> Item:
    notes = [base.type, "pinned" if base.pinned else "", base.problem]
    return Item(base.label, base.started, base.stopped, base.stored, ", ".join(note for note in notes if note))


def _copy(copy: Copy) -> Item:
    notes = ["" if copy.valid else copy.state, "pinned" if copy.pinned else ""]
    return Item(
        copy.id, copy.started, copy.finished or copy.started, copy.size, ", ".join(note for note in notes if note)
    )


def _runs(archive: Archive) -> Iterator[Run]:
    for timeline, segments in sorted(archive.timelines.items()):
        for first, last in segments.runs:
            oldest, newest = segments.find(first), segments.find(last)
            if oldest is None or newest is None:
                continue
            start, end = sorted((oldest.modified, newest.modified))
            size = segments.count_to(last)[1] - segments.count_to(first - 1)[1]
            names = archive.name(timeline, first), archive.name(timeline, last)
            yield Run(timeline, *names, last - first + 1, size, times.from_epoch(start), times.from_epoch(end))


def _gap(archive: Archive, timeline: int, first: str, last: str, now: datetime) -> Gap:
    """A gap lasts from the segment before it to the one behind it, as far as there are such."""
    segments = archive.segments(timeline)
    _timeline, start = wal.parse_segment(first, archive.segment_bytes)
    _timeline, end = wal.parse_segment(last, archive.segment_bytes)
    before, behind = segments.find(start - 1), segments.find(end + 1)
    known = [times.from_epoch(each.modified) for each in (before, behind) if each is not None] or [now]
    return Gap(timeline, first, last, end - start + 1, min(known), max(known))


def _verifications(catalogue: Catalogue) -> Iterator[Verification]:
    for report in catalogue.verifications:
        when = _moment(report.get("started"))
        if when is not None:
            yield Verification(
                id=str(report["name"]),
                when=when,
                ok=report.get("ok") is True,
                restore_seconds=_number(report.get("rto_seconds")),
                data_age_seconds=_number(report.get("data_age_seconds")),
                note=str(report.get("message") or ""),
            )


def _failures(catalogue: Catalogue) -> Iterator[Failure]:
    for report in catalogue.failures:
        yield Failure(_text(report, "name"), _moment(report.get("time")) or catalogue.at, _text(report, "message"))


def _text(report: Mapping[str, Any], key: str) -> str:
    return str(report.get(key) or "unknown")


def _moment(written: object) -> datetime | None:
    """Reports are written by jobs of any version: what cannot be read is left out."""
    try:
        return times.parse(str(written))
    except ValueError:
        return None


def _number(written: object) -> float:
    return float(written) if isinstance(written, (int, float)) else 0.0
