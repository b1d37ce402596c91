# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a snapshot of Redis into the store, with what the container before this one found out about it.

python3 -m jobs redis-upload FILE; beside FILE are check.txt (of redis-check-rdb) and server.txt (of INFO), or failed.txt.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup import times
from backup.catalogue import SNAPSHOTS
from backup.copies import MANIFEST
from backup.errors import BackupError

from .progress import say
from .settings import Settings

RECORDED_AS = "redis"
OBJECT = "dump.rdb"
CHUNK_BYTES = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the snapshot, as Redis sent it")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    file: Path = arguments.file
    if (failed := file.parent / "failed.txt").exists():
        words = failed.read_text(encoding="utf-8", errors="replace").strip().rstrip(".")
        raise BackupError(f"{words}. Nothing was stored; the next run tries again.")
    keys = fact(file.parent / "check.txt", r"^\[info\] (\d+) keys read")
    version = fact(file.parent / "server.txt", r"^redis_version:(\S+)")
    # What the snapshot shows was true after Redis told its version, and before the file was complete.
    started = times.from_epoch((file.parent / "server.txt").stat().st_mtime)
    name = times.backup_id(started)
    store = settings.store()
    uploaded = store.upload(f"{SNAPSHOTS}{name}/{OBJECT}", chunks(file))
    manifest = {
        "id": name,
        "kind": "redis",
        "started": times.iso(started.replace(microsecond=0)),
        "finished": times.iso(datetime.now(UTC).replace(microsecond=0)),
        **uploaded.to_dict(),
        "object": OBJECT,
        "pinned": False,
        "keys": int(keys),
        "redis_version": version,
    }
    store.write(f"{SNAPSHOTS}{name}/{MANIFEST}", json.dumps(manifest).encode())
    say(f"stored {uploaded.size / 1e6:.1f} MB with {keys} keys as {name}")
    return manifest


def fact(file: Path, pattern: str) -> str:
    """What the pattern finds in the words of the program that looked at the snapshot."""
    match = (
        re.search(pattern, file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE) if file.exists() else None
    )
    if match is None:
        raise BackupError(
            f"{file.name} does not say what it should about the snapshot: look at the log of its container."
        )
    return match[1]


def chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
