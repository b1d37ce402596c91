# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a retention plan out, in an order in which being killed anywhere only leaves work for the next run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from . import times
from .catalogue import STATE, Catalogue, Readable
from .copies import MANIFEST
from .errors import BackupError, MissingError, RefusedError, StoreError
from .retention import RetentionPlan, counts
from .retention_bases import Decision, WalRange
from .storage import DeleteOutcome
from .uploads import Upload

# pgBackRest expires by its own count after every expire; this many full sets there never are. WAL goes by a count of
# its own, so that no set goes with it.
_KEEP_ALL = "--repo1-retention-full=9999999"
_OPTIONS = ("--repo1-retention-full-type=count", _KEEP_ALL, "--log-level-console=info", "--log-level-file=off")
_REMOVED_SET = re.compile(r"remove expired backup (\S+)")
_REMOVED_WAL = re.compile(r"(\S+) remove archive, start = ([0-9A-F]{16,24}), stop = ([0-9A-F]{16,24})")

PgBackRest = Callable[[Sequence[str]], str]


class Writable(Readable, Protocol):
    """The part of a Store that deleting needs."""

    def write(self, key: str, data: bytes, if_absent: bool = False) -> bool: ...
    def delete(self, keys: list[str]) -> DeleteOutcome: ...
    def abort(self, upload: Upload) -> None: ...


@dataclass(frozen=True)
class RetentionResult:
    """C(hidden) objects got a delete marker only: a versioned bucket frees their space by its lifecycle rules."""

    bases: tuple[str, ...] = ()
    dumps: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    segments: int = 0
    uploads: int = 0
    bytes: int = 0
    hidden: int = 0
    problems: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.bases or self.dumps or self.snapshots or self.segments or self.uploads)

    def to_dict(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("bases", "dumps", "snapshots", "problems")}
        numbers = {name: getattr(self, name) for name in ("segments", "uploads", "bytes", "hidden")}
        return {**lists, **numbers, "changed": self.changed}


def apply_plan(
    store: Writable,
    plan: RetentionPlan,
    pgbackrest: PgBackRest,
    read_again: Callable[[], Catalogue],
    *,
    confirm: bool = False,
    before_step: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _line: None,
) -> RetentionResult:
    """Delete what C(plan) says and nothing else; call it under the lock, with the lease's check as C(before_step).

    C(pgbackrest) runs one command with the given arguments, returns what it printed, and raises BackupError when it
    fails. C(read_again) reads the catalogue anew; what is missing then without having been planned is an error.
    """
    if plan.refusals:
        raise RefusedError(f"Nothing is deleted: {' '.join(plan.refusals)}")
    if plan.confirmations and not confirm:
        raise RefusedError(f"Nothing is deleted: {' '.join(plan.confirmations)} Confirm it if that is right.")
    result = RetentionResult()
    result = _delete_copies(store, plan, result, before_step, say)
    result = _abort_uploads(store, plan, result, before_step, say)
    if plan.unlisted:
        _list_again(plan, pgbackrest, before_step, say)
    else:
        result = _expire_bases(plan, pgbackrest, result, before_step, say)
        result = _expire_wal(plan, pgbackrest, result, before_step, say)
    after = read_again()
    result = replace(result, problems=(*result.problems, *_differences(plan, after)))
    before_step()
    state = {"at": times.iso(plan.at), "counts": counts(after), "digest": plan.digest()}
    store.write(STATE, json.dumps(state).encode())
    return result


def _delete_copies(
    store: Writable,
    plan: RetentionPlan,
    result: RetentionResult,
    before_step: Callable[[], None],
    say: Callable[[str], None],
) -> RetentionResult:
    """Mark, data, manifest last: a folder with a manifest but without data is never without its mark."""
    going = (*plan.deletes("dump"), *plan.deletes("redis"))
    if not going:
        return result
    before_step()
    for decision in going:
        _mark(store, decision, times.iso(plan.at))
    before_step()
    data = store.delete([key for one in going for key in one.keys if not key.endswith(f"/{MANIFEST}")])
    stuck = dict(data.errors)
    free = [one for one in going if not any(key in stuck for key in one.keys)]
    before_step()
    manifests = store.delete([key for one in free for key in one.keys if key.endswith(f"/{MANIFEST}")])
    stuck |= dict(manifests.errors)
    gone = [one for one in free if not any(key in stuck for key in one.keys)]
    say(f"deleted {len(gone)} of {len(going)} dumps and snapshots")
    return replace(
        result,
        dumps=tuple(one.id for one in gone if one.kind == "dump"),
        snapshots=tuple(one.id for one in gone if one.kind == "redis"),
        bytes=result.bytes + sum(one.size for one in gone),
        hidden=data.markers + manifests.markers,
        problems=tuple(f"The store did not delete {key} ({reason})." for key, reason in stuck.items()),
    )


def _abort_uploads(
    store: Writable,
    plan: RetentionPlan,
    result: RetentionResult,
    before_step: Callable[[], None],
    say: Callable[[str], None],
) -> RetentionResult:
    """The parts that a killed job left; a right that is missing for it keeps nothing else from being done."""
    if not plan.aborts:
        return result
    before_step()
    problems = []
    for upload in plan.aborts:
        try:
            store.abort(upload)
        except StoreError as error:
            problems.append(str(error))
    done = len(plan.aborts) - len(problems)
    say(f"aborted {done} of {len(plan.aborts)} uploads that were never completed")
    return replace(result, uploads=done, problems=(*result.problems, *problems))


def _mark(store: Writable, decision: Decision, moment: str) -> None:
    key = next((key for key in decision.keys if key.endswith(f"/{MANIFEST}")), "")
    if not key:
        return
    try:
        manifest = json.loads(store.read(key))
    except (MissingError, ValueError):
        return
    if not manifest.get("deleting"):
        store.write(key, json.dumps({**manifest, "deleting": moment}).encode())


def _list_again(
    plan: RetentionPlan, pgbackrest: PgBackRest, before_step: Callable[[], None], say: Callable[[str], None]
) -> None:
    """An expire that expires nothing: it puts complete sets into backup.info, from where a killed one took them."""
    arguments = ("expire", *_OPTIONS)
    problem = _disagreement(pgbackrest((*arguments, "--dry-run")), (), _unfinished(plan))
    if problem:
        raise BackupError(f"{problem}; nothing was removed. Look at the catalogue and run retention again.")
    before_step()
    pgbackrest(arguments)
    say(f"listed again: {', '.join(plan.unlisted)}; the next run goes on")


def _expire_bases(
    plan: RetentionPlan,
    pgbackrest: PgBackRest,
    result: RetentionResult,
    before_step: Callable[[], None],
    say: Callable[[str], None],
) -> RetentionResult:
    """Newest first, so that a set goes before the one that it builds on."""
    labels = sorted((one.id for one in plan.deletes("base")), reverse=True)
    # Some stores go on listing a folder for a while after its last object is gone, and pgBackRest removes it again.
    rests = _unfinished(plan)
    for label in labels:
        arguments = ("expire", f"--set={label}", *_OPTIONS)
        foretold = set(_REMOVED_SET.findall(pgbackrest((*arguments, "--dry-run")))) - rests
        if foretold != {label}:
            raise BackupError(
                f"pgBackRest would remove {', '.join(sorted(foretold)) or 'nothing'} instead of {label}; it was not run."
                " Look at the catalogue and run retention again."
            )
        before_step()
        pgbackrest(arguments)
        rests.add(label)
        say(f"expired base {label}")
    sizes = sum(one.size for one in plan.deletes("base"))
    return replace(result, bases=tuple(labels), bytes=result.bytes + sizes)


def _expire_wal(
    plan: RetentionPlan,
    pgbackrest: PgBackRest,
    result: RetentionResult,
    before_step: Callable[[], None],
    say: Callable[[str], None],
) -> RetentionResult:
    if not plan.wal_deletes:
        return result
    by_fulls = ("--repo1-retention-archive-type=full", f"--repo1-retention-archive={plan.fulls}")
    arguments = ("expire", *by_fulls, *_OPTIONS)
    printed = pgbackrest((*arguments, "--dry-run"))
    problem = _disagreement(printed, plan.wal_deletes, _unfinished(plan) | set(result.bases))
    if problem:
        raise BackupError(f"{problem}; no WAL was removed. Look at the catalogue and run retention again.")
    before_step()
    pgbackrest(arguments)
    objects = sum(one.objects for one in plan.wal_deletes)
    say(f"expired {objects} WAL segments before {plan.wal_start}")
    size = sum(one.bytes for one in plan.wal_deletes)
    return replace(result, segments=objects, bytes=result.bytes + size)


def _unfinished(plan: RetentionPlan) -> set[str]:
    """What backups left that were cut off: every expire cleans it up."""
    return {one.id for one in plan.keeps("unfinished")}


def _disagreement(printed: str, planned: Sequence[WalRange], rests: set[str]) -> str:
    """Whether a dry run would remove a set, or WAL above what is planned; it prints whole folders by 16 digits."""
    sets = set(_REMOVED_SET.findall(printed)) - rests
    if sets:
        return f"pgBackRest would also remove the set {min(sets)}"
    highest = max((one.last for one in planned), default="")
    for archive, _first, last in _REMOVED_WAL.findall(printed):
        if not planned or archive != planned[0].archive:
            return f"pgBackRest would also remove WAL of {archive}"
        if last > highest[: len(last)]:
            return f"pgBackRest would remove WAL up to {last}, the plan ends with {highest}"
    return ""


def _differences(plan: RetentionPlan, after: Catalogue) -> list[str]:
    """Sentences about what is gone without having been planned, or still there although it was."""
    there = {
        "base": {base.label for base in after.bases} | set(after.unlisted),
        "dump": {copy.id for copy in after.dumps},
        "redis": {copy.id for copy in after.snapshots},
    }
    waiting = ("base",) if plan.unlisted else ()
    found = []
    for kind, ids in there.items():
        found += [
            f"{one.kind} {one.id} is gone although it was to be kept." for one in plan.keeps(kind) if one.id not in ids
        ]
        found += [
            f"{one.kind} {one.id} is still there."
            for one in plan.deletes(kind)
            if one.id in ids and kind not in waiting
        ]
    return found
