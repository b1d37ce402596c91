# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a snapshot of Redis onto its volume, beside the live data; a container of Redis itself then loads and proves it.

python3 -m jobs restore-redis --backup latest|ID --data DIRECTORY --work DIRECTORY
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backup.errors import BackupError, RefusedError
from backup.storage import Store

from .chosen import choose
from .dump_stream import Checked
from .progress import say
from .settings import Settings

PREFIX = "redis/"
# The snapshot, the log that Redis makes of it, and one more while it makes it.
SPACE_FACTOR = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backup", default="latest", help="ID of a snapshot, or latest")
    parser.add_argument("--data", type=Path, required=True, help="the volume of Redis")
    parser.add_argument("--work", type=Path, required=True, help="where the next container reads ID and number of keys")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    store = settings.store()
    manifest = choose(store, PREFIX, arguments.backup)
    fetch(store, manifest, arguments.data)
    (arguments.work / "id").write_text(str(manifest["id"]))
    (arguments.work / "keys").write_text(str(manifest.get("keys", "")))
    return {"id": manifest["id"]}


def fetch(store: Store, manifest: Mapping[str, Any], data: Path) -> None:
    """The snapshot below `data`/restored-ID.partial, unless an earlier run came further."""
    name, size = str(manifest["id"]), int(manifest["size"])
    if (data / f"restored-{name}").exists() or (data / f"before-{name}").exists():
        return
    partial = data / f"restored-{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    free = shutil.disk_usage(data).free
    if free < SPACE_FACTOR * size:
        raise RefusedError(
            f"The volume of Redis has {free >> 20} MiB left, the restore needs {SPACE_FACTOR * size >> 20} MiB: enlarge it"
            " (redis_storage_size), or remove what earlier restores left (remove=true)."
        )
    partial.mkdir()
    key = f"{PREFIX}{name}/{manifest['object']}"
    say(f"fetch {key}")
    chunks = Checked(store.download(key), size, str(manifest["sha256"]), say)
    try:
        with (partial / "dump.rdb").open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise BackupError(f"The snapshot could not be written ({error.strerror}), and is removed.") from None
    if damage := chunks.fault():
        shutil.rmtree(partial)
        raise BackupError(f"{key} cannot be restored, {damage}. Choose another backup, see playbooks/backups.yml.")
