# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which base backups may go, and which WAL pgBackRest then removes.

pgBackRest removes, below the start of its oldest full set, by the order of NAMES: everything of a lower timeline goes
too, whether or not it is older. After a way back to a lower timeline that is WAL which newer sets need. So what it
would remove is computed here, and a set that shields the rest is kept, or no WAL goes at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .archive import Archive
from .bases import Base
from .catalogue import Catalogue
from .chains import Chain, chain, chains, recorded_timeline
from .policy import Policy


@dataclass(frozen=True)
class Decision:
    """C(kind) is base, unfinished (a base without an entry), dump or redis; C(keys) are the objects that are ours to delete (none for a base)."""

    kind: str
    id: str
    keep: bool
    reason: str
    size: int = 0
    keys: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "keys": list(self.keys)}


@dataclass(frozen=True)
class WalRange:
    """WAL of one timeline that goes, first and last included."""

    archive: str
    timeline: int
    first: str
    last: str
    objects: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Physical:
    decisions: tuple[Decision, ...] = ()
    anchor: str = ""
    wal: tuple[WalRange, ...] = ()
    wal_start: str = ""
    fulls: int = 0
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def decide(catalogue: Catalogue, policy: Policy, cutoff: datetime) -> Physical:
    archive, bases = catalogue.archive, catalogue.bases
    if not catalogue.valid_bases:
        broken = ("There are base backups, but none can be restored.",) if bases else ()
        return Physical(
            tuple(_decisions(bases, _everything(bases, "no base can be restored"), catalogue)), refusals=broken
        )
    work = _Work(archive, catalogue.valid_bases, policy, cutoff, recorded_timeline(archive, catalogue.valid_bases))
    anchor = work.anchor(work.current)
    refusals = [*work.gap(anchor or catalogue.valid_bases[0])]
    if anchor is None:
        if any(base.stopped < cutoff for base in bases):
            refusals.append("No base backup from before the recovery window can be restored.")
        reasons = _everything(bases, "the recovery window is not full yet")
        return Physical(tuple(_decisions(bases, reasons, catalogue)), refusals=tuple(refusals))
    reasons = work.reasons(anchor, bases)
    shielded, start, warnings = work.shield(anchor, bases, reasons)
    removed = tuple(work.removed(start)) if start else ()
    return Physical(
        tuple(_decisions(bases, shielded, catalogue)),
        anchor.label,
        removed,
        archive.name(start.timeline, start.start_segment) if start else "",
        sum(base.type == "full" and base.label in shielded for base in bases),
        tuple(refusals),
        tuple(warnings),
    )


def _everything(bases: Iterable[Base], reason: str) -> dict[str, str]:
    return {base.label: reason for base in bases}


def _decisions(bases: Iterable[Base], kept: dict[str, str], catalogue: Catalogue) -> Iterator[Decision]:
    for base in bases:
        yield Decision(
            "base", base.label, base.label in kept, kept.get(base.label, "older than the anchor"), base.stored
        )
    for label in catalogue.unfinished:
        yield Decision("unfinished", label, True, "not completed: pgBackRest resumes or removes it")


@dataclass(frozen=True)
class _Work:
    archive: Archive
    valid: tuple[Base, ...]
    policy: Policy
    cutoff: datetime
    current: int
    usable: list[Chain] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "usable", chains(self.archive, self.valid))

    def anchor(self, timeline: int) -> Base | None:
        """The newest base that ended before the window and leads to C(timeline)."""
        before = [
            base
            for base in self.valid
            # The recorded end has lost its fraction of a second.
            if base.stopped + timedelta(seconds=1) <= self.cutoff and chain(self.archive, base, timeline)
        ]
        return before[-1] if before else None

    def gap(self, base: Base) -> Iterator[str]:
        way = chain(self.archive, base, self.current)
        if way is None:
            yield f"Base {base.label} does not lead to timeline {self.current}, which is the current one."
        elif way.missing:
            yield f"WAL segment {self.archive.name(*way.missing)} is missing, empty or there twice with other content."
        elif not way.arrives:
            yield f"The WAL of base {base.label} is not complete."

    def reasons(self, anchor: Base, bases: Iterable[Base]) -> dict[str, str]:
        """Why each kept base is kept, by label."""
        kept = {anchor.label: "anchor of the recovery window"}
        for base in bases:
            if base.pinned:
                kept.setdefault(base.label, "pinned")
            elif base.stopped + timedelta(seconds=1) > self.cutoff:
                kept.setdefault(base.label, "inside the recovery window")
        for base in self.valid[-self.policy.minimum_bases :]:
            kept.setdefault(base.label, f"among the newest {self.policy.minimum_bases}")
        for timeline in sorted(self.archive.timelines):
            branch = self.anchor(timeline) if self._is_live(timeline, anchor) else None
            if branch:
                kept.setdefault(branch.label, f"anchor of timeline {timeline}")
        return _with_references(kept, bases)

    def _is_live(self, timeline: int, anchor: Base) -> bool:
        """Whether the timeline has WAL beside the current line that is not proved to be older than the window."""
        on_line = {stretch.timeline: stretch.last for stretch in self.archive.path(self.current)}
        segments = self.archive.segments(timeline)
        if timeline == self.current or not len(segments):
            return False
        if timeline not in on_line:
            return not self._was_left(timeline, anchor)
        beside = (on_line[timeline] or 0) + 1
        if segments.numbers[-1] < beside:
            return False
        return segments.numbers[-1] >= anchor.start_segment or self._uploaded_in_window(timeline, beside)

    def _was_left(self, timeline: int, anchor: Base) -> bool:
        """Whether a timeline that is no ancestor ended before the window.

        It did when the anchor was taken elsewhere after its last base, as only one primary writes at a time.
        """
        newer = any(base.timeline == timeline and base.stopped >= anchor.started for base in self.valid)
        leads_there = chain(self.archive, anchor, timeline) is not None
        return not newer and not leads_there and not self._uploaded_in_window(timeline, 0)

    def _uploaded_in_window(self, timeline: int, first: int) -> bool:
        """Upload times only ever keep: what was uploaded before the window was committed before it."""
        return self.archive.segments(timeline).newest_upload(first) >= self.cutoff.timestamp()

    def shield(
        self, anchor: Base, bases: Iterable[Base], kept: dict[str, str]
    ) -> tuple[dict[str, str], Base | None, list[str]]:
        """(kept, with sets that shield WAL; the full set below which WAL goes, None for no WAL; warnings)."""
        fulls = sorted((base for base in bases if base.type == "full"), key=lambda base: base.label)
        while True:
            oldest = next((base for base in fulls if base.label in kept), None)
            if oldest is None:
                return kept, None, []
            lost = self._needed_but_removed(oldest, kept, anchor)
            if lost is None:
                return kept, oldest, []
            name = self.archive.name(*lost)
            older = [base for base in fulls if base.label < oldest.label]
            shields = [base for base in older if base.valid and (base.timeline, base.start_segment) <= lost]
            if not shields:
                text = f"No WAL is deleted: pgBackRest would remove {name} too, which is not older than the anchor,"
                return kept, None, [f"{text} as long as base {oldest.label} is kept."]
            kept = _with_references({**kept, shields[-1].label: f"shields WAL from {name} on"}, bases)

    def removed(self, oldest: Base) -> Iterator[WalRange]:
        """What pgBackRest removes when C(oldest) is the oldest full set."""
        for timeline, segments in sorted(self.archive.timelines.items()):
            last = self._last_removed(timeline, oldest)
            objects, size = segments.count_to(last)
            if objects:
                first, last = segments.numbers[0], segments.numbers[objects - 1]
                yield WalRange(
                    self.archive.id,
                    timeline,
                    self.archive.name(timeline, first),
                    self.archive.name(timeline, last),
                    objects,
                    size,
                )

    def _last_removed(self, timeline: int, oldest: Base) -> int:
        if timeline > oldest.timeline:
            return -1
        if timeline == oldest.timeline:
            return oldest.start_segment - 1
        segments = self.archive.segments(timeline)
        return segments.numbers[-1] if len(segments) else -1

    def _needed_but_removed(self, oldest: Base, kept: dict[str, str], anchor: Base) -> tuple[int, int] | None:
        """The first segment that would go although a kept base reads it, or although the anchor does not prove it old."""
        line = {stretch.timeline for stretch in self.archive.path(anchor.timeline)}
        for way in self.usable:
            for piece in way.pieces:
                last = min(piece.last, self._last_removed(piece.timeline, oldest))
                if last < piece.first:
                    continue
                if way.base.label in kept:
                    return piece.timeline, piece.first
                if piece.timeline not in line and self._was_left(piece.timeline, anchor):
                    continue
                first = piece.first if piece.timeline not in line else max(piece.first, anchor.start_segment)
                if first <= last:
                    return piece.timeline, first
        return None


def _with_references(kept: dict[str, str], bases: Iterable[Base]) -> dict[str, str]:
    """A set is nothing without the sets that it builds on."""
    known = {base.label: base for base in bases}
    complete = dict(kept)
    for label in kept:
        for reference in known[label].references if label in known else ():
            complete.setdefault(reference, f"{label} builds on it")
    return complete
