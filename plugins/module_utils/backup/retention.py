# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be deleted, decided from the catalogue alone. Nothing here touches the store.

Anchor: the newest valid base that ended before the window began. It and everything newer is kept, so every moment of
the window that could be recovered still can. WAL goes only where pgBackRest would remove it after the bases are gone,
and only if all of that is older than what any kept base reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import retention_bases, times
from .bases import Base
from .catalogue import STATE, Catalogue
from .copies import Copy
from .policy import Keep, Policy
from .retention_bases import Decision, WalRange
from .uploads import Upload

_UNFINISHED = timedelta(days=2)
_CALENDARS = (("daily", "%Y-%m-%d"), ("weekly", "%G-%V"), ("monthly", "%Y-%m"), ("yearly", "%Y"))


@dataclass(frozen=True)
class RetentionPlan:
    """C(refusals): nothing may be deleted at all. C(confirmations): only a person may let it go on.

    C(wal): what pgBackRest removes when C(fulls) full sets are left; empty when no WAL may go. C(unlisted): sets that
    have to be put back into backup.info before any set or WAL may go. C(uploads) were never completed.
    """

    at: datetime
    cutoff: datetime
    anchor: str = ""
    decisions: tuple[Decision, ...] = ()
    wal: tuple[WalRange, ...] = ()
    wal_start: str = ""
    fulls: int = 0
    refusals: tuple[str, ...] = ()
    confirmations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()

    def deletes(self, kind: str) -> tuple[Decision, ...]:
        """Nothing while there is a refusal."""
        if self.refusals:
            return ()
        return tuple(one for one in self.decisions if one.kind == kind and not one.keep)

    def keeps(self, kind: str) -> tuple[Decision, ...]:
        gone = {one.id for one in self.deletes(kind)}
        return tuple(one for one in self.decisions if one.kind == kind and one.id not in gone)

    @property
    def wal_deletes(self) -> tuple[WalRange, ...]:
        return () if self.refusals else self.wal

    @property
    def aborts(self) -> tuple[Upload, ...]:
        return () if self.refusals else self.uploads

    @property
    def changes(self) -> bool:
        return bool(self.wal_deletes or self.aborts) or any(self.deletes(kind) for kind in ("base", "dump", "redis"))

    def digest(self) -> str:
        """The same as long as the same would be deleted."""
        facts = [f"{kind} {one.id}" for kind in ("base", "dump", "redis") for one in self.deletes(kind)]
        facts += [f"wal {one.archive} {one.first} {one.last} {one.objects}" for one in self.wal_deletes]
        facts += [f"upload {one.key} {one.id}" for one in self.aborts]
        return hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": times.iso(self.at),
            "cutoff": times.iso(self.cutoff),
            "anchor": self.anchor,
            "decisions": [one.to_dict() for one in self.decisions],
            "wal": [one.to_dict() for one in self.wal],
            "wal_start": self.wal_start,
            "fulls": self.fulls,
            "refusals": list(self.refusals),
            "confirmations": list(self.confirmations),
            "warnings": list(self.warnings),
            "unlisted": list(self.unlisted),
            "uploads": [one.to_dict() for one in self.uploads],
            "changes": self.changes,
            "digest": self.digest(),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RetentionPlan:
        return cls(
            times.parse(value["at"]),
            times.parse(value["cutoff"]),
            value["anchor"],
            tuple(Decision(**{**one, "keys": tuple(one["keys"])}) for one in value["decisions"]),
            tuple(WalRange(**one) for one in value["wal"]),
            value["wal_start"],
            value["fulls"],
            tuple(value["refusals"]),
            tuple(value["confirmations"]),
            tuple(value["warnings"]),
            tuple(value["unlisted"]),
            tuple(Upload.from_dict(one) for one in value["uploads"]),
        )


def plan(catalogue: Catalogue, policy: Policy, now: datetime) -> RetentionPlan:
    """The same for the same catalogue, policy and moment."""
    cutoff = now - timedelta(days=policy.window_days)
    physical = retention_bases.decide(catalogue, policy, cutoff)
    decisions = (
        *physical.decisions,
        *_copies(catalogue.dumps, policy.dumps, now),
        *_copies(catalogue.snapshots, policy.snapshots, now),
    )
    return RetentionPlan(
        now,
        cutoff,
        physical.anchor,
        decisions,
        physical.wal,
        physical.wal_start,
        physical.fulls,
        (*_refusals(catalogue, policy, now), *physical.refusals),
        (*_lost(catalogue), *_above_cap(catalogue, policy, decisions)),
        (*catalogue.warnings, *_unlisted(catalogue), *physical.warnings),
        catalogue.unlisted,
        tuple(upload for upload in catalogue.uploads if now - upload.started > _UNFINISHED),
    )


def counts(catalogue: Catalogue) -> dict[str, int]:
    """What a run leaves behind, for the next one to compare with."""
    return {
        "bases": len(catalogue.bases),
        "dumps": len(catalogue.dumps),
        "snapshots": len(catalogue.snapshots),
        "segments": sum(len(one) for archive in catalogue.archives.values() for one in archive.timelines.values()),
    }


def _refusals(catalogue: Catalogue, policy: Policy, now: datetime) -> Iterator[str]:
    yield from catalogue.problems
    yield from _vanished(catalogue)
    skew = catalogue.clock_skew_seconds
    if abs(skew) > policy.max_skew_seconds:
        word = "behind" if skew > 0 else "ahead of"
        yield f"The clock of this machine is {abs(skew):.0f} s {word} the store's. Set it by NTP."
    newest = max(_recorded_moments(catalogue), default=now)
    if newest - now > timedelta(seconds=policy.max_skew_seconds):
        yield f"A backup was taken at {times.iso(newest)}, which is in the future. Check the clocks."


def _unlisted(catalogue: Catalogue) -> Iterator[str]:
    for label in catalogue.unlisted:
        yield f"Base {label} has a manifest but is not in backup.info: this run puts it there, the next goes on."


def _recorded_moments(catalogue: Catalogue) -> Iterator[datetime]:
    yield from (base.stopped for base in catalogue.bases)
    yield from (copy.started for copy in (*catalogue.dumps, *catalogue.snapshots))


def _vanished(catalogue: Catalogue) -> Iterator[str]:
    """Retention always leaves some of a kind: none at all is no plan to confirm, but a listing that tells nothing."""
    for kind, known, number in _fewer(catalogue):
        if not number:
            yield (
                f"The last run left {known} {kind}, now there are none. Find out who deleted them, or why they are not"
                f" listed; if that was meant, delete {STATE} in the bucket."
            )


def _lost(catalogue: Catalogue) -> Iterator[str]:
    """Only retention deletes: far less than it left means that the listing, or the bucket, is not what it was."""
    for kind, known, number in _fewer(catalogue):
        if number:
            yield f"The last run left {known} {kind}, now there are {number}. Find out who deleted them."


def _fewer(catalogue: Catalogue) -> Iterator[tuple[str, int, int]]:
    """(kind, left by the last run, there now) of what is less than half."""
    before = (catalogue.state or {}).get("counts", {})
    for kind, number in counts(catalogue).items():
        known = before.get(kind, 0)
        if isinstance(known, int) and number < known / 2:
            yield kind, known, number


def _above_cap(catalogue: Catalogue, policy: Policy, decisions: Iterable[Decision]) -> Iterator[str]:
    there: dict[str, Sequence[Base | Copy]] = {
        "base": catalogue.bases,
        "dump": catalogue.dumps,
        "redis": catalogue.snapshots,
    }
    for kind, items in there.items():
        good = {item.label if isinstance(item, Base) else item.id for item in items if item.valid}
        going = sum(1 for one in decisions if one.kind == kind and not one.keep and one.id in good)
        if going > policy.allowed(len(good)):
            yield f"{going} of {len(good)} good backups of kind {kind} would go, more than the cap of {policy.cap}."


def _copies(copies: Sequence[Copy], rule: Keep, now: datetime) -> Iterator[Decision]:
    chosen = _by_calendar(copies, rule)
    newest = {copy.id for copy in [copy for copy in copies if copy.valid][-rule.minimum :]}
    for copy in copies:
        keep, reason = _copy(copy, rule, now, newest, chosen)
        yield Decision(copy.kind, copy.id, keep, reason, copy.size, copy.keys)


def _copy(copy: Copy, rule: Keep, now: datetime, newest: set[str], chosen: Mapping[str, str]) -> tuple[bool, str]:
    if copy.state == "deleting":
        return False, "an earlier run began to delete it"
    if copy.state == "unfinished":
        young = now - copy.started <= _UNFINISHED
        return young, "not completed: perhaps still being written" if young else "never completed"
    if copy.pinned:
        return True, "pinned"
    if now - copy.started <= timedelta(days=rule.days):
        return True, f"younger than {rule.days:g} days"
    if copy.id in newest:
        return True, f"among the newest {rule.minimum}"
    if copy.id in chosen:
        return True, f"newest of its {chosen[copy.id]}"
    return False, f"older than {rule.days:g} days"


def _by_calendar(copies: Sequence[Copy], rule: Keep) -> dict[str, str]:
    """Grandfather, father, son: the newest valid one of each of the last days, weeks, months and years."""
    chosen: dict[str, str] = {}
    for name, pattern in _CALENDARS:
        wanted: int = getattr(rule, name)
        newest: dict[str, str] = {}
        for copy in reversed([copy for copy in copies if copy.valid]):
            newest.setdefault(copy.started.strftime(pattern), copy.id)
        for period in list(newest)[:wanted]:
            chosen.setdefault(newest[period], {"daily": "day"}.get(name, name.removesuffix("ly")))
    return chosen
