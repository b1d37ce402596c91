# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every job is told by its mounted files: the store, the database, the policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backup.errors import BackupError
from backup.storage import Store, StoreSettings
from backup.wal import DEFAULT_SEGMENT_BYTES

FOLDER = Path("/etc/backup")
DATABASE_PORT = "5432"


@dataclass(frozen=True)
class Settings:
    """backup.json. folder: where it and the mounted passwords are; policy: as backup.retention takes it."""

    store_settings: StoreSettings
    environment: str
    namespace: str
    folder: Path = FOLDER
    stanza: str = "main"
    database: str = "hustlex"
    database_host: str = "postgres"
    wal_segment_bytes: int = DEFAULT_SEGMENT_BYTES
    policy: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Settings:
        """Raises BackupError when the file is missing or says something unknown."""
        path = folder / "backup.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            store = StoreSettings.from_mapping(values.pop("store"))
            return cls(store_settings=store, folder=folder, **values)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BackupError(f"{path} cannot be used ({error}): deploy role backup again.") from None

    def store(self) -> Store:
        return Store(self.store_settings)

    def password(self, role: str) -> str:
        """Password of a database role, from the Secret that is mounted for it."""
        path = self.folder / "database" / f"{role.upper()}_PASSWORD"
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError:
            raise BackupError(f"{path} cannot be read: this job has no password for database role {role}.") from None

    def members(self) -> list[str]:
        """Names of the database pods, which are also those of their Services."""
        path = self.folder / "database" / "members"
        try:
            return [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except OSError:
            raise BackupError(f"{path} cannot be read: deploy role postgres first.") from None
