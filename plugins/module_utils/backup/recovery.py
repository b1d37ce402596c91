# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof that a target can be reached, before anything is touched.

What is proved, from names, sizes and recorded metadata:

- a time: the newest base that ended before it on the way to its timeline, and every segment from that base's start
  to the end of the unbroken row. Names do not tell when a transaction was committed, so the row is planned to its end.
  It reaches past the target when its last segment was uploaded at or after the target: the heartbeat commits and
  archive_timeout closes a segment every minute, so the segment that was uploaded at T holds the commits up to about a
  minute before T, or up to T under load. After an outage of the store the last uploads are later than their content;
  then PostgreSQL itself stops with an error ("recovery ended before configured recovery target was reached") and does
  not promote. Upload times are believed only while they agree with the ends that the bases recorded.
- latest: the row ends with the last segment of its timeline; a gap before it is refused.
- an LSN: the segment after the one that holds it is there too, so that a later record exists.
- a transaction id or a name: its position is in no name, so the oldest base of the unbroken row is taken. If it does
  not come, PostgreSQL stops with an error.

Which timeline: the one asked for, else the one that was current at the target: the timeline whose segment was the
first to be uploaded at or after the target; after a failover that is the heir, which also has the old one's last
commits. For the other kinds of target it is the timeline of the newest upload,
provided that the newest base, or a promotion after it, says the same; otherwise a person has to name it.

Backups of another database or major version in the same repository are in an archive of another id (15-1, 16-2) and are
never candidates. Where the id is the same although the system is not, as after a copy of half a repository, it is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from . import times, wal
from .archive import Archive, Segment
from .bases import Base
from .catalogue import Catalogue
from .chains import Chain, Piece, Window, chains, recorded_timeline
from .errors import RefusedError
from .target import Target

__all__ = ["RecoveryPlan", "Speed", "Target", "plan"]

_START_SECONDS = 15
_ESTIMATE_MARGIN = timedelta(minutes=10)
_UPLOAD_LAG = timedelta(hours=1)


@dataclass(frozen=True)
class Speed:
    """For the estimate alone. Measured on two cores: restores of 118-148 MB/s, archive-get of about five segments a second."""

    restore_megabytes: float = 100.0
    replay_segments: float = 5.0

    def seconds(self, base_bytes: int, segments: int) -> int:
        return round(_START_SECONDS + base_bytes / (self.restore_megabytes * 1e6) + segments / self.replay_segments)


MEASURED = Speed()


@dataclass(frozen=True)
class RecoveryPlan:
    """C(bytes) is what the base needs on the volume; C(replayed_segments) and C(seconds) are estimates."""

    target: Target
    base: str
    base_stopped: datetime
    timeline: int
    archive_id: str
    system: int
    version: str
    first_segment: str
    last_segment: str
    segment_count: int
    replayed_segments: int
    bytes: int
    download_bytes: int
    seconds: int
    segment_bytes: int
    window: Window
    histories: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    archive: Archive = field(default_factory=lambda: Archive(""), repr=False, compare=False)

    def segments(self) -> Iterable[Segment]:
        """Every segment that recovery may read, in the order in which it does."""
        for piece in self.pieces:
            yield from self.archive.segments(piece.timeline).between(piece.first, piece.last)

    def wal_plan_lines(self) -> list[str]:
        """C(sha1  NAME) of every file that restore_command may hand out.

        All history files belong to it: a promotion that does not see one gives its timeline's number a second time.
        """
        files = self.archive.history_files
        lines = [f"{files[timeline].sha1}  {files[timeline].name}" for timeline in sorted(files)]
        return lines + [f"{one.sha1}  {self.archive.name(one.timeline, one.number)}" for one in self.segments()]

    def digest(self) -> str:
        """The same for the same base, target, timeline and content of every planned file."""
        facts = [self.base, str(self.system), str(self.timeline), self.target.text, *self.wal_plan_lines()]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        return {
            "target": self.target.to_dict(),
            "base": self.base,
            "base_stopped": times.iso(self.base_stopped),
            "timeline": self.timeline,
            "system": str(self.system),
            "version": self.version,
            "first_segment": self.first_segment,
            "last_segment": self.last_segment,
            "segment_count": self.segment_count,
            "replayed_segments": self.replayed_segments,
            "bytes": self.bytes,
            "download_bytes": self.download_bytes,
            "seconds": self.seconds,
            "window": self.window.to_dict(),
            "histories": list(self.histories),
            "warnings": list(self.warnings),
            "digest": self.digest(),
        }


def plan(
    catalogue: Catalogue,
    target: Target,
    now: datetime,
    *,
    timeline: int | None = None,
    base: str = "",
    last_segment: str = "",
    speed: Speed = MEASURED,
) -> RecoveryPlan:
    """The way to C(target), proved; RefusedError says why there is none and which windows can be reached.

    C(last_segment) ends the plan there: the plan of an earlier moment made again, while the archive has grown.
    """
    question = _Question(catalogue, target, now)
    if target.moment and target.moment > now:
        raise question.refusal("the target lies in the future")
    usable = chains(catalogue.archive, catalogue.bases)
    if not usable:
        raise question.refusal("no valid base backup with its WAL is there")
    chosen = timeline if timeline is not None else question.timeline(last_segment)
    candidates = [chain for chain in usable if chain.timeline == chosen]
    if not candidates:
        raise question.refusal(f"no base backup leads to timeline {chosen}")
    if base:
        candidates = [chain for chain in candidates if chain.base.label == base]
        if not candidates:
            raise question.refusal(f"base backup {base} does not lead to timeline {chosen}")
    chain = question.choose(candidates, bool(base))
    if catalogue.system and chain.base.system != catalogue.system:
        raise question.refusal(
            f"base {chain.base.label} is of database system {chain.base.system}, the WAL of {catalogue.system}"
        )
    if chain.base.tablespaces:
        raise question.refusal(f"base {chain.base.label} has tablespaces, which a recovery beside cannot place")
    warnings = question.prove(chain, candidates)
    return _plan(catalogue, target, _cut(question, chain, last_segment), warnings, speed)


@dataclass(frozen=True)
class _Question:
    catalogue: Catalogue
    target: Target
    now: datetime

    @property
    def archive(self) -> Archive:
        return self.catalogue.archive

    def refusal(self, reason: str) -> RefusedError:
        reachable = "; ".join(str(window) for window in self.catalogue.windows) or "none"
        problems = "" if self.catalogue.windows else " ".join(("", *self.catalogue.problems, *self.catalogue.warnings))
        return RefusedError(
            f"The target {self.target.text} cannot be reached: {reason}. Nothing was changed."
            f" Reachable: {reachable}.{problems}"
        )

    def timeline(self, last_segment: str) -> int:
        if last_segment:
            return wal.parse_segment(last_segment, self.archive.segment_bytes)[0]
        timelines = {number: segments for number, segments in self.archive.timelines.items() if len(segments)}
        if len(timelines) == 1:
            return next(iter(timelines))
        if not self._upload_times_are_original():
            raise self.refusal("there are several timelines, and the archive was copied: name the timeline")
        newest = max(timelines, key=lambda number: timelines[number].newest_upload())
        if self.target.moment:
            after = {
                number: one.first_upload_since(self.target.moment.timestamp()) for number, one in timelines.items()
            }
            found = {number: upload for number, upload in after.items() if upload is not None}
            return self._heir(min(found, key=lambda number: (found[number], number)) if found else newest)
        recorded = recorded_timeline(self.archive, self.catalogue.valid_bases)
        if recorded != newest:
            raise self.refusal(
                f"the newest base belongs to timeline {recorded}, the newest WAL to timeline {newest}: name the timeline"
            )
        return newest

    def _heir(self, timeline: int) -> int:
        """The timeline that goes on where C(timeline) ended with nothing written behind the switch: a failover.

        What C(timeline) committed last is only there, in the copy of the segment that was not full.
        """
        last = self.archive.segments(timeline).numbers[-1]
        heirs = [
            (self.archive.segments(number).first_upload_since(0), number)
            for number, file in self.archive.history_files.items()
            if file.switches[-1].timeline == timeline
            and wal.segment_of(file.switches[-1].lsn, self.archive.segment_bytes) > last
            and number in self.archive.timelines
        ]
        return self._heir(min(heirs)[1]) if heirs else timeline

    def choose(self, candidates: Sequence[Chain], named: bool) -> Chain:
        """The base to begin with; RefusedError when all of them ended after the target."""
        by_age = sorted(candidates, key=lambda chain: (chain.base.stopped, chain.base.label))
        if self.target.kind in ("xid", "name") and not named:
            end = by_age[-1].pieces[-1]
            return next(chain for chain in by_age if chain.pieces[-1].last == end.last)
        before = [chain for chain in by_age if self._ended_before_target(chain.base)]
        if before:
            return before[-1]
        inside = [chain.base for chain in by_age if self._began_before_target(chain.base)]
        if inside:
            raise self.refusal(f"it lies inside base backup {inside[-1].label}, which was consistent only at its end")
        raise self.refusal(f"it lies before the end of the oldest base backup on timeline {by_age[0].timeline}")

    def _ended_before_target(self, base: Base) -> bool:
        # The recorded end has lost its fraction of a second.
        if self.target.moment:
            return base.stopped + timedelta(seconds=1) <= self.target.moment
        return self.target.lsn is None or base.stop_lsn <= self.target.lsn

    def _began_before_target(self, base: Base) -> bool:
        if self.target.moment:
            return base.started <= self.target.moment
        return self.target.lsn is not None and base.start_lsn <= self.target.lsn

    def prove(self, chain: Chain, candidates: Sequence[Chain]) -> tuple[str, ...]:
        """Warnings; RefusedError when the row of segments does not reach past the target."""
        if self.target.moment:
            return self._prove_moment(self.target.moment, chain, candidates)
        if self.target.lsn is not None:
            if wal.segment_of(self.target.lsn, self.archive.segment_bytes) >= chain.pieces[-1].last:
                raise self.refusal(self._end_of(chain))
            return ()
        if chain.missing:
            raise self.refusal(self._end_of(chain))
        if self.target.kind == "latest":
            return ()
        return (f"Whether {self.target.text} comes after base {chain.base.label} shows only when it is replayed.",)

    def _prove_moment(self, moment: datetime, chain: Chain, candidates: Sequence[Chain]) -> tuple[str, ...]:
        if self._upload_times_are_original():
            if chain.last_segment(self.archive).modified < moment.timestamp():
                raise self.refusal(self._end_of(chain))
            return ()
        if not any(other.base.stopped >= moment and _reaches(chain, other.base) for other in candidates):
            raise self.refusal(
                "the archive was copied, so its upload times prove nothing, and no base backup was taken after the target"
            )
        return ("The archive was copied: the plan trusts the base backup that was taken after the target.",)

    def _end_of(self, chain: Chain) -> str:
        if chain.missing:
            return (
                f"WAL segment {self.archive.name(*chain.missing)} is missing, empty or there twice with other content"
            )
        last = chain.pieces[-1]
        name = self.archive.name(last.timeline, last.last)
        uploaded = times.iso(times.from_epoch(chain.last_segment(self.archive).modified))
        return f"the archive ends with segment {name} of {uploaded}: wait until a later one is archived"

    def _upload_times_are_original(self) -> bool:
        """A base ends only when its last segment is archived, so the two times lie close together."""
        for base in self.catalogue.valid_bases:
            segment = self.archive.segments(base.timeline).find(base.stop_segment)
            if segment and abs(segment.modified - base.stopped.timestamp()) > _UPLOAD_LAG.total_seconds():
                return False
        return True


def _reaches(chain: Chain, base: Base) -> bool:
    return any(p.timeline == base.timeline and p.first <= base.stop_segment <= p.last for p in chain.pieces)


def _cut(question: _Question, chain: Chain, last_segment: str) -> Chain:
    if not last_segment:
        return chain
    timeline, number = wal.parse_segment(last_segment, question.archive.segment_bytes)
    final = chain.pieces[-1]
    if timeline != final.timeline or not max(final.first, chain.base.stop_segment) <= number <= final.last:
        raise question.refusal(
            f"the earlier plan ended with segment {last_segment}, to which no row of segments leads now"
        )
    return replace(chain, pieces=(*chain.pieces[:-1], replace(final, last=number)))


def _plan(catalogue: Catalogue, target: Target, chain: Chain, warnings: tuple[str, ...], speed: Speed) -> RecoveryPlan:
    archive, base = catalogue.archive, chain.base
    first, last = chain.pieces[0], chain.pieces[-1]
    first_segment, last_segment = archive.name(first.timeline, first.first), archive.name(last.timeline, last.last)
    needed, wal_bytes = _replayed(archive, chain, target)
    sets = {base.label, *base.references}
    stored = sum(one.stored for one in catalogue.bases if one.label in sets)
    end = times.from_epoch(chain.last_segment(archive).modified)
    return RecoveryPlan(
        target,
        base.label,
        base.stopped,
        chain.timeline,
        archive.id,
        base.system,
        base.version,
        first_segment,
        last_segment,
        chain.count,
        needed,
        base.size,
        stored + wal_bytes,
        speed.seconds(base.size, needed),
        archive.segment_bytes,
        Window(base.stopped + timedelta(seconds=1), end, chain.timeline, base.label, first_segment, last_segment),
        tuple(archive.history_files[number].name for number in sorted(archive.history_files)),
        warnings,
        chain.pieces,
        archive,
    )


def _replayed(archive: Archive, chain: Chain, target: Target) -> tuple[int, int]:
    """(segments, stored bytes) that will probably be read; only for the estimate, the plan holds the whole row."""
    until = (target.moment + _ESTIMATE_MARGIN).timestamp() if target.moment else float("inf")
    count = size = 0
    for piece in chain.pieces:
        for segment in archive.segments(piece.timeline).between(piece.first, piece.last):
            if segment.modified <= until:
                count += 1
                size += segment.size
    return count, size
