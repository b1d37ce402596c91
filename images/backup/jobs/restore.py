# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore to a point in time into a volume of its own, and prove what is there before anybody uses it.

python3 -m jobs restore --target TARGET --expect DIGEST --base LABEL --last SEGMENT --data DIRECTORY
python3 -m jobs restore --serve --data DIRECTORY
python3 -m jobs restore --branch --data DIRECTORY
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup import times
from backup.catalogue import read_catalogue
from backup.errors import BackupError, RefusedError
from backup.recovery import RecoveryPlan, Target, plan
from backup.storage import Store
from backup.wal import parse_segment

from .branch import branch
from .instance import Instance, programs, run
from .progress import say
from .recovered import Replay, examine, forget_recovery, restored_segment
from .settings import Settings
from .target_volume import TargetVolume

CONFIG = Path("/etc/postgres/config")
SOCKET = Path("/var/run/postgresql")
WRAPPER = "/opt/hustlex/bin/pgbackrest-archive-get"
# How long PostgreSQL may say nothing: our restore_command gives up on one segment after less than four minutes.
SILENCE_SECONDS = 600
PROGRESS_SECONDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", help="time with offset, lsn:, xid:, name: or latest")
    parser.add_argument("--expect", help="digest of the plan that was agreed on")
    parser.add_argument("--base", default="", help="base backup of that plan")
    parser.add_argument("--last", default="", help="last WAL segment of that plan")
    parser.add_argument("--data", type=Path, required=True, help="data directory to restore into")
    parser.add_argument("--timeout", type=float, default=6 * 3600, help="longest replay, in seconds")
    parser.add_argument(
        "--serve", action="store_true", help="run the recovered server for people to look at, read-only"
    )
    parser.add_argument("--branch", action="store_true", help="bring data that was swapped out to a new timeline")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    volume = TargetVolume(arguments.data)
    if arguments.serve:
        serve(volume)
    if arguments.branch:
        return branch(settings, settings.store(), volume, arguments.timeout, CONFIG, SOCKET, WRAPPER)
    order = Order(Target.parse(arguments.target), arguments.expect, arguments.base, arguments.last)
    return restore(settings, settings.store(), volume, order, arguments.timeout)


@dataclass(frozen=True)
class Order:
    """What was agreed on: the target, the digest of its plan, and what makes the same plan again."""

    target: Target
    digest: str
    base: str = ""
    last: str = ""

    @property
    def timeline(self) -> int | None:
        return parse_segment(self.last)[0] if self.last else None


@dataclass(frozen=True)
class Paths:
    """Where the programs and the configuration are; the tests have them elsewhere."""

    config: Path = CONFIG
    socket: Path = SOCKET
    wrapper: str = WRAPPER
    pgbackrest: tuple[str, ...] = ("pgbackrest",)


PATHS = Paths()


def restore(
    settings: Settings, store: Store, volume: TargetVolume, order: Order, timeout: float, paths: Paths = PATHS
) -> dict[str, Any]:
    """The report of a recovery, done anew unless an earlier run of the same plan finished it.

    Raises RefusedError when what the store can give now is another plan.
    """
    now = datetime.now(UTC)
    catalogue = read_catalogue(store, now, stanza=settings.stanza, segment_bytes=settings.wal_segment_bytes)
    agreed = plan(catalogue, order.target, now, timeline=order.timeline, base=order.base, last_segment=order.last)
    if agreed.digest() != order.digest:
        raise RefusedError("The archive changed since the plan was made, so it is another plan now: run this again.")
    with volume.locked() as lock, volume.explained_when_full():
        record = volume.claim(order.digest)
        if record.get("report"):
            say("this recovery is complete already")
            report: dict[str, Any] = record["report"]
            return report
        volume.check_space(agreed.bytes)
        report = recover(settings, agreed, volume, lock, timeout, paths)
        volume.write({"digest": order.digest, "target": order.target.text, "report": report})
        return report


def recover(
    settings: Settings,
    agreed: RecoveryPlan,
    volume: TargetVolume,
    lock: int,
    timeout: float,
    paths: Paths,
) -> dict[str, Any]:
    """Restore the base, replay, prove; the report. A run that was cut off is repeated from the base's files."""
    started = time.monotonic()
    volume.write({"digest": agreed.digest(), "target": agreed.target.text})
    volume.wal_plan.write_text("\n".join(agreed.wal_plan_lines()) + "\n")
    restore_base(settings, agreed, volume, paths)
    restored = time.monotonic()
    instance = Instance(volume.data, paths.config, paths.socket, volume.log, inherit=[lock])
    try:
        # Only a hot standby must have as many connections as the primary had; nobody asks this one before it is promoted.
        instance.start(hot_standby="off", autovacuum="off")
        instance.wait(timeout, SILENCE_SECONDS, Progress(agreed))
        replayed = time.monotonic()
        replay = Replay.read(volume.log.read_text(errors="replace"))
        last_start = parse_segment(agreed.last_segment, agreed.segment_bytes)[1] * agreed.segment_bytes
        problems = replay.problems(agreed.target.kind, agreed.target.moment, last_start)
        if problems:
            raise BackupError(f"The recovery did not end where it should: {'; '.join(problems)}.")
        say(replay.stopped or f"replay reached the end of the plan at {replay.redo_done}")
        say("checking tables and B-tree indexes, counting rows")
        findings = examine(instance, settings.database)
        forget_recovery(instance)
        instance.stop()
    finally:
        instance.kill()
    ended = time.monotonic()
    reached = replay.last_commit
    wanted = agreed.target.moment or datetime.now(UTC)
    return {
        "target": agreed.target.text,
        "digest": agreed.digest(),
        "base": agreed.base,
        "from_timeline": agreed.timeline,
        "timeline": findings.timeline,
        "stopped": replay.stopped,
        "lsn": findings.lsn,
        "last_commit": times.iso(reached) if reached else "",
        "age_seconds": round((wanted - reached).total_seconds(), 1) if reached else None,
        "segments": replay.segments,
        "bytes": agreed.bytes,
        "tables": findings.tables,
        "amcheck": findings.amcheck,
        "finished": times.iso(datetime.now(UTC).replace(microsecond=0)),
        "seconds": {
            "restore": round(restored - started, 1),
            "replay": round(replayed - restored, 1),
            "verify": round(ended - replayed, 1),
        },
    }


def restore_base(settings: Settings, agreed: RecoveryPlan, volume: TargetVolume, paths: Paths) -> None:
    say(f"restoring base backup {agreed.base}")
    resume = volume.is_resumable()
    volume.data.mkdir(mode=0o700, exist_ok=True)
    run(
        *paths.pgbackrest,
        f"--stanza={settings.stanza}",
        f"--pg1-path={volume.data}",
        *(["--delta"] if resume else []),
        *recovery_options(agreed, volume, paths),
        "restore",
        seconds=24 * 3600,
    )


def recovery_options(agreed: RecoveryPlan, volume: TargetVolume, paths: Paths) -> list[str]:
    """The target as pgBackRest takes it: one, explicit, with the timeline that the plan proved."""
    command = f"{paths.wrapper} {volume.wal_plan} %f %p"
    options = [
        f"--set={agreed.base}",
        f"--target-timeline={agreed.timeline}",
        f"--recovery-option=restore_command={command}",
    ]
    target = agreed.target
    if target.kind == "latest":
        return [*options, "--type=default"]
    value = target.value
    if target.moment is not None:
        value = target.moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    return [*options, f"--type={target.kind}", f"--target={value}", "--target-action=promote"]


class Progress:
    """Says, every few seconds, how far the replay is by the segments that PostgreSQL fetched."""

    def __init__(self, agreed: RecoveryPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = max(1, agreed.segment_count), clock
        self._seen: set[str] = set()
        self._words: set[str] = set()
        self._said = clock()

    def __call__(self, line: str) -> None:
        if segment := restored_segment(line):
            self._seen.add(segment)
        elif "recovery stopping" in line or "consistent recovery state" in line or "FATAL" in line:
            words = line.partition(":  ")[2] or line
            if words not in self._words:
                self._words.add(words)
                say(words)
        now = self._clock()
        if segment and now - self._said >= PROGRESS_SECONDS:
            self._said = now
            count = len(self._seen)
            say(f"replaying {segment}: {count} of {self._total} segments, {100 * count // self._total} %")


def serve(volume: TargetVolume) -> None:
    """Become the recovered server; transactions are read-only unless a session says otherwise."""
    record = volume.read()
    if not record.get("report"):
        raise RefusedError("This volume holds no verified recovery: run the recovery again.")
    with volume.locked() as lock:
        (volume.data / "postmaster.pid").unlink(missing_ok=True)
        os.set_inheritable(lock, True)
        instance = Instance(volume.data, CONFIG, SOCKET, volume.log)
        command = instance.command(listen_addresses="*", default_transaction_read_only="on", log_line_prefix="%m [%p] ")
        environment = programs()
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell: the server takes this process over
