# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps and Redis snapshots: one folder each, its manifest written last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import times
from .storage import StoredObject

MANIFEST = "manifest.json"
_COMMON = frozenset({"id", "kind", "started", "finished", "size", "sha256", "object", "pinned", "deleting"})


@dataclass(frozen=True)
class Copy:
    """A dump or a snapshot. Its state:

    complete: manifest and object are there, the size is the recorded one;
    unfinished: no manifest: still being written, or never completed;
    deleting: a retention run marked it and was cut off;
    damaged: the manifest is unreadable or does not fit, C(problem) says how.
    """

    id: str
    kind: str
    started: datetime
    state: str
    keys: tuple[str, ...] = ()
    finished: datetime | None = None
    size: int = 0
    sha256: str = ""
    object: str = ""
    pinned: bool = False
    problem: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        return self.state == "complete"

    @property
    def object_key(self) -> str:
        """Key of the data; empty when the manifest is not readable."""
        return next((key for key in self.keys if key.endswith(f"/{self.object}")), "") if self.object else ""

    @property
    def manifest_key(self) -> str:
        return next((key for key in self.keys if key.endswith(f"/{MANIFEST}")), "")

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "started": times.iso(self.started),
            "finished": times.iso(self.finished) if self.finished else None,
            "state": self.state,
            "size": self.size,
            "sha256": self.sha256,
            "object": self.object_key,
            "pinned": self.pinned,
            "problem": self.problem,
            **self.details,
        }


def read_copies(
    objects: Iterable[StoredObject],
    prefix: str,
    kind: str,
    read_all: Callable[[list[StoredObject]], dict[str, bytes]],
) -> tuple[Copy, ...]:
    """Oldest first. Folders that are not named like a backup are not ours and are left out."""
    folders: dict[str, list[StoredObject]] = {}
    for item in objects:
        name, slash, _rest = item.key[len(prefix) :].partition("/")
        if slash:
            folders.setdefault(name, []).append(item)
    manifests = read_all([item for items in folders.values() for item in items if item.key.endswith(f"/{MANIFEST}")])
    copies = []
    for name, items in sorted(folders.items()):
        try:
            started = times.parse_backup_id(name)
        except ValueError:
            continue
        sizes = {item.key: item.size for item in items}
        text = manifests.get(f"{prefix}{name}/{MANIFEST}")
        copies.append(_copy(name, kind, started, sizes, f"{prefix}{name}/", text))
    return tuple(copies)


def _copy(name: str, kind: str, started: datetime, sizes: dict[str, int], folder: str, text: bytes | None) -> Copy:
    keys = tuple(sorted(sizes))
    if text is None:
        return Copy(name, kind, started, "unfinished", keys, size=sum(sizes.values()))
    try:
        manifest = json.loads(text)
        copy = Copy(
            name,
            kind,
            started,
            "deleting" if manifest.get("deleting") else "complete",
            keys,
            finished=times.parse(manifest["finished"]),
            size=int(manifest["size"]),
            sha256=str(manifest["sha256"]),
            object=str(manifest["object"]),
            pinned=bool(manifest.get("pinned")),
            details={key: value for key, value in manifest.items() if key not in _COMMON},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Copy(name, kind, started, "damaged", keys, problem=f"{folder}{MANIFEST} is not readable.")
    problem = _problem(manifest, copy, sizes.get(folder + copy.object))
    if problem and copy.state == "complete":
        return Copy(**{**copy.__dict__, "state": "damaged", "problem": f"{folder}: {problem}"})
    return copy


def _problem(manifest: dict[str, Any], copy: Copy, stored: int | None) -> str:
    if (manifest.get("id"), manifest.get("kind")) != (copy.id, copy.kind):
        return "its manifest belongs to another backup."
    if stored is None:
        return f"{copy.object} is missing."
    if stored != copy.size:
        return f"{copy.object} has {stored} bytes instead of {copy.size}."
    return ""
