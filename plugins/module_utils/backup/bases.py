# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Base backups: the sets that pgBackRest's backup.info lists, judged by what is really stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from . import infofile, times, wal
from .storage import StoredObject

MANIFEST = "backup.manifest"
LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
_MANIFEST_SECTIONS = frozenset({"backup", "backup:db", "backup:target"})


@dataclass(frozen=True)
class Base:
    """A set of pgBackRest; it can serve a recovery only when C(problem) is empty.

    C(readable) is false when what is wrong is its manifest: nobody knows then what the set holds.
    """

    label: str
    type: str
    started: datetime
    stopped: datetime
    timeline: int
    start_lsn: int
    stop_lsn: int
    start_segment: int
    stop_segment: int
    size: int
    stored: int
    references: tuple[str, ...] = ()
    archive: str = ""
    system: int = 0
    version: str = ""
    pinned: bool = False
    tablespaces: tuple[str, ...] = ()
    problem: str = ""
    readable: bool = True

    @property
    def valid(self) -> bool:
        return not self.problem

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "type": self.type,
            "started": times.iso(self.started),
            "stopped": times.iso(self.stopped),
            "timeline": self.timeline,
            "start_lsn": wal.format_lsn(self.start_lsn),
            "stop_lsn": wal.format_lsn(self.stop_lsn),
            "size": self.size,
            "stored": self.stored,
            "references": list(self.references),
            "archive": self.archive,
            "system": str(self.system),
            "version": self.version,
            "pinned": self.pinned,
            "tablespaces": list(self.tablespaces),
            "problem": self.problem,
        }


@dataclass
class Folder:
    """What is stored of one set: bytes of its data, and its manifest if there is one."""

    data: int = 0
    manifest: StoredObject | None = None


def read_folders(objects: Iterable[StoredObject], prefix: str) -> dict[str, Folder]:
    """Folders by label from a listing of backup/STANZA/."""
    folders: dict[str, Folder] = {}
    for item in objects:
        label, slash, rest = item.key[len(prefix) :].partition("/")
        if not slash or not LABEL.fullmatch(label):
            continue
        folder = folders.setdefault(label, Folder())
        if rest == MANIFEST:
            folder.manifest = item
        elif rest != f"{MANIFEST}.copy":
            folder.data += item.size
    return folders


def read_bases(
    info: infofile.Sections,
    folders: Mapping[str, Folder],
    read_all: Callable[[list[StoredObject]], dict[str, bytes]],
    segment_bytes: int,
) -> tuple[Base, ...]:
    """The listed sets, oldest first. Raises ValueError, KeyError or TypeError when backup.info is not understood."""
    listed = info.get("backup:current", {})
    systems = info["db:history"]
    manifests = read_all([f.manifest for label, f in folders.items() if label in listed and f.manifest])
    bases: dict[str, Base] = {}
    for label, entry in sorted(listed.items()):
        base = _base(label, entry, systems, segment_bytes)
        folder = folders.get(label, Folder())
        text = manifests.get(folder.manifest.key) if folder.manifest else None
        bases[label] = _judge(base, entry, folder, text, bases)
    return tuple(sorted(bases.values(), key=lambda base: (base.stopped, base.label)))


def _base(label: str, entry: Mapping[str, Any], systems: Mapping[str, Any], segment_bytes: int) -> Base:
    timeline, start_segment = wal.parse_segment(entry["backup-archive-start"], segment_bytes)
    _timeline, stop_segment = wal.parse_segment(entry["backup-archive-stop"], segment_bytes)
    system = systems[str(entry["db-id"])]
    pinned = str((entry.get("backup-annotation") or {}).get("pinned", "")).lower()
    return Base(
        label,
        entry["backup-type"],
        times.from_epoch(entry["backup-timestamp-start"]),
        times.from_epoch(entry["backup-timestamp-stop"]),
        timeline,
        wal.parse_lsn(entry["backup-lsn-start"]),
        wal.parse_lsn(entry["backup-lsn-stop"]),
        start_segment,
        stop_segment,
        size=int(entry["backup-info-size"]),
        stored=int(entry["backup-info-repo-size-delta"]),
        references=tuple(name for name in entry.get("backup-reference", ()) if name != label),
        archive=f"{system['db-version']}-{entry['db-id']}",
        system=int(system["db-system-id"]),
        version=str(system["db-version"]),
        pinned=pinned in ("true", "yes", "1"),
    )


def _judge(
    base: Base, entry: Mapping[str, Any], folder: Folder, text: bytes | None, earlier: Mapping[str, Base]
) -> Base:
    """C(base) with the first reason why it cannot be restored, if there is one."""
    label = base.label
    if entry.get("backup-error"):
        return replace(base, problem=f"Base {label} contains pages with wrong checksums.")
    if text is None:
        return replace(base, problem=f"Base {label} has no manifest.", readable=False)
    if folder.data != base.stored:
        return replace(base, problem=f"Base {label} has {folder.data} bytes stored instead of {base.stored}.")
    broken = [name for name in base.references if name not in earlier or earlier[name].problem]
    if broken:
        return replace(base, problem=f"Base {label} builds on {broken[0]}, which cannot be restored.")
    try:
        manifest = infofile.parse(text.decode(), f"The manifest of base {label}", _MANIFEST_SECTIONS)
        same = manifest["backup"]["backup-label"] == label and manifest["backup:db"]["db-system-id"] == base.system
    except infofile.InfoFileError as error:
        return replace(base, problem=str(error), readable=False)
    except (UnicodeDecodeError, KeyError, TypeError):
        return replace(base, problem=f"The manifest of base {label} is not readable.", readable=False)
    if not same:
        return replace(base, problem=f"The manifest of base {label} belongs to another backup.", readable=False)
    return replace(base, tablespaces=tuple(name for name in manifest["backup:target"] if name.startswith("pg_tblspc/")))
