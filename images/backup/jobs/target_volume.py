# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The volume that a recovery fills: whose it is, how far it came, and that nobody else works on it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup.errors import BackupError, LockedError, RefusedError
from backup.wal import DEFAULT_SEGMENT_BYTES

# What PostgreSQL writes beyond the base and the replayed WAL: temporary files, the WAL of its own start, room to stop cleanly.
SPARE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class TargetVolume:
    """PGDATA and, beside it, the files that say what it is."""

    data: Path

    @property
    def record(self) -> Path:
        return self.data.parent / "recovery.json"

    @property
    def wal_plan(self) -> Path:
        return self.data.parent / "recovery.wal"

    @property
    def log(self) -> Path:
        return self.data.parent / "recovery.log"

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock that the database's own start script takes too; servers started meanwhile inherit it."""
        descriptor = os.open(self.data.parent / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LockedError(f"Another server or restore uses {self.data.parent}: wait for it to end.") from None
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self) -> dict[str, Any]:
        """What the last run wrote down; empty when none did."""
        try:
            found: dict[str, Any] = json.loads(self.record.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise BackupError(f"{self.record} cannot be read: remove the recovery and begin again.") from error
        return found

    def write(self, record: dict[str, Any]) -> None:
        """Write down whose the volume is, so that it is there after a crash."""
        new = self.record.with_suffix(".new")
        with new.open("w") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.record)
        directory = os.open(self.record.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def claim(self, digest: str) -> dict[str, Any]:
        """Make the volume that of the plan with this digest; the record of an earlier run of it is the answer.

        Raises RefusedError when it holds anything else.
        """
        record = self.read()
        if record and record["digest"] != digest:
            raise RefusedError(
                f"The volume holds a recovery to {record['target']}: remove that one (-e remove=true) or swap it in before."
            )
        if not record and self.data.exists() and any(self.data.iterdir()):
            raise RefusedError(f"{self.data} is not empty and not of a recovery: give the recovery a new volume.")
        return record

    def check_space(self, needed: int) -> None:
        """Refuse when the volume cannot take that many bytes beside what a leftover of the same plan already takes."""
        usage = shutil.disk_usage(self.data.parent)
        free = usage.free + _size(self.data)
        if free < needed + SPARE_BYTES:
            raise RefusedError(
                f"The volume has {_gib(free)} free, but the recovery needs {_gib(needed + SPARE_BYTES)}: make it larger."
            )

    @contextmanager
    def explained_when_full(self) -> Iterator[None]:
        """What fails inside because the volume is full says so, and what to do."""
        try:
            yield
        except (RefusedError, LockedError):
            raise
        except (BackupError, OSError) as error:
            # The last words of pgBackRest need not name it.
            full = shutil.disk_usage(self.data.parent).free < DEFAULT_SEGMENT_BYTES
            if not full and "No space left on device" not in str(error):
                raise
            raise BackupError(
                f"The volume became full in the middle of the recovery ({error}). Make it larger and run this again, or"
                " remove the recovery (-e remove=true) and begin with -e backup_recovery_storage_size=<size>; the volume of"
                " a test restore has backup_verify_storage_size."
            ) from error

    def is_resumable(self) -> bool:
        """Whether pgBackRest can go on with what is there; anything else is cleared."""
        if (self.data / "PG_VERSION").exists() or (self.data / "backup.manifest").exists():
            # Nobody runs on it, or the lock would be taken; the file of a killed server stops pgBackRest.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return True
        if self.data.exists():
            shutil.rmtree(self.data)
        return False

    def clear(self) -> None:
        """Remove all that a recovery wrote."""
        if self.data.exists():
            shutil.rmtree(self.data)
        for path in (self.record, self.wal_plan, self.log):
            path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) if folder.exists() else 0


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
