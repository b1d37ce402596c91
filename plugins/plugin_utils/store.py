# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options with which a task reaches the backups, and what it finds there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..module_utils.backup import wal
from ..module_utils.backup.catalogue import Catalogue, read_catalogue
from ..module_utils.backup.errors import BackupError
from ..module_utils.backup.storage import Store, StoreSettings

STORE_ARGUMENT: dict[str, Any] = {
    "store": {
        "type": "dict",
        "required": True,
        "options": {
            "bucket": {"type": "str", "required": True},
            "endpoint": {"type": "str", "default": ""},
            "region": {"type": "str", "default": ""},
            "ca_file": {"type": "path", "default": ""},
            "path_style": {"type": "bool", "default": False},
            "credentials_file": {"type": "path", "default": ""},
            "profile": {"type": "str", "default": ""},
        },
    },
}
STORE_ARGUMENTS: dict[str, Any] = {
    **STORE_ARGUMENT,
    "stanza": {"type": "str", "default": "main"},
    "wal_segment_bytes": {"type": "int", "default": wal.DEFAULT_SEGMENT_BYTES},
}


def catalogue_of(arguments: Mapping[str, Any], now: datetime | None = None) -> Catalogue:
    """The catalogue in the bucket of these arguments. Raises BackupError when it cannot be read."""
    if not wal.is_segment_size(arguments["wal_segment_bytes"]):
        raise BackupError(
            f"wal_segment_bytes is {arguments['wal_segment_bytes']}: PostgreSQL knows powers of two from 1 MiB to 1 GiB."
        )
    for option in ("credentials_file", "ca_file"):
        path = arguments["store"][option]
        if path and not Path(path).is_file():
            raise BackupError(f"The {option} of the store, {path}, is not there: correct the variable that names it.")
    return read_catalogue(
        Store(StoreSettings.from_mapping(arguments["store"])),
        now or datetime.now(UTC),
        stanza=arguments["stanza"],
        segment_bytes=arguments["wal_segment_bytes"],
    )
