# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore the newest backup and all WAL into a volume that is thrown away, prove it, and publish how long it took.

python3 -m jobs verify --data DIRECTORY
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup import times
from backup.catalogue import read_catalogue
from backup.errors import BackupError, StoreError
from backup.recovery import Target, plan
from backup.storage import Store

from .progress import say
from .restore import PATHS, Paths, recover
from .settings import Settings
from .target_volume import TargetVolume

RECORDED_AS = "verify"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="data directory on a volume that is thrown away")
    parser.add_argument("--timeout", type=float, default=6 * 3600, help="longest replay, in seconds")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    return verify(settings, settings.store(), TargetVolume(arguments.data), arguments.timeout)


def verify(
    settings: Settings, store: Store, volume: TargetVolume, timeout: float, paths: Paths = PATHS
) -> dict[str, Any]:
    """The report, also written to the store; a failure leaves one that says so."""
    started = datetime.now(UTC).replace(microsecond=0)
    name = times.backup_id(started)
    try:
        report = _verified(settings, store, volume, timeout, paths, started)
    except Exception as error:
        failed = {
            "id": name,
            "ok": False,
            "started": times.iso(started),
            "finished": times.iso(datetime.now(UTC).replace(microsecond=0)),
            "message": str(error) if isinstance(error, BackupError) else f"{type(error).__name__}: {error}",
        }
        # The failure itself is what people must read, also where it is the store that fails.
        with contextlib.suppress(StoreError):
            store.write(f"verifications/{name}.json", json.dumps(failed).encode())
        raise
    report = {"id": name, "ok": True, **report}
    store.write(f"verifications/{name}.json", json.dumps(report).encode())
    say(f"verified base {report['base']}: restored in {report['rto_seconds']} s")
    return report


def _verified(
    settings: Settings, store: Store, volume: TargetVolume, timeout: float, paths: Paths, started: datetime
) -> dict[str, Any]:
    began = time.monotonic()
    with volume.locked() as lock, volume.explained_when_full():
        volume.clear()
        try:
            catalogue = read_catalogue(store, started, stanza=settings.stanza, segment_bytes=settings.wal_segment_bytes)
            agreed = plan(catalogue, Target.parse("latest"), started)
            volume.check_space(agreed.bytes)
            report = recover(settings, agreed, volume, lock, timeout, paths)
        finally:
            volume.clear()
    last_commit = report["last_commit"]
    age = (started - times.parse(last_commit)).total_seconds() if last_commit else None
    return report | {
        "started": times.iso(started),
        "rto_seconds": round(time.monotonic() - began, 1),
        "data_age_seconds": round(age, 1) if age is not None else None,
    }
