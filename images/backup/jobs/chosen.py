# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which dump or snapshot is meant, and its manifest."""

from __future__ import annotations

import json
import re
from typing import Any

from backup.errors import MissingError, RefusedError
from backup.storage import Store

_MANIFEST = re.compile(r"([0-9]{8}T[0-9]{6}Z)/manifest\.json")
_NEEDED = ("id", "size", "sha256", "object")


def choose(store: Store, prefix: str, backup: str) -> dict[str, Any]:
    """The manifest of a complete backup below `prefix`; RefusedError lists the newest ones when it is not there."""
    found = complete(store, prefix)
    if not found:
        raise RefusedError(f"There is no complete backup in {prefix}: see playbooks/backups.yml.")
    wanted = found[-1] if backup == "latest" else backup
    if wanted not in found:
        newest = ", ".join(reversed(found[-5:]))
        raise RefusedError(f"{backup} is no complete backup in {prefix}; the newest are: {newest}.")
    return read_manifest(store, prefix, wanted)


def complete(store: Store, prefix: str) -> list[str]:
    """IDs of the backups that have their manifest, which is written last; oldest first."""
    keys = (found.key.removeprefix(prefix) for found in store.list(prefix))
    return sorted(match[1] for key in keys if (match := _MANIFEST.fullmatch(key)))


def read_manifest(store: Store, prefix: str, backup: str) -> dict[str, Any]:
    key = f"{prefix}{backup}/manifest.json"
    try:
        manifest = json.loads(store.read(key))
        missing = [name for name in _NEEDED if name not in manifest]
    except (ValueError, TypeError, MissingError):
        raise RefusedError(f"{key} cannot be read: choose another backup, see playbooks/backups.yml.") from None
    if missing or manifest["id"] != backup:
        raise RefusedError(f"{key} is not the manifest of {backup}: choose another backup, see playbooks/backups.yml.")
    return dict(manifest)
