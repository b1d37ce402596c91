"""A bucket in memory, filled as pgBackRest and the jobs fill one, and pgBackRest's expire on it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup import times, wal
from backup.catalogue import DUMPS, REPOSITORY, SNAPSHOTS, Catalogue, read_catalogue
from backup.errors import MissingError
from backup.infofile import render
from backup.storage import DeleteOutcome, StoredObject
from backup.uploads import Upload

SYSTEM = 7711569477655889078
WAL = f"{REPOSITORY}archive/main/"
BASES = f"{REPOSITORY}backup/main/"
OPTIONS = ("archive-check", "archive-copy", "backup-standby", "checksum-page", "compress", "hardlink", "online")
CATALOG = {"db-catalog-version": 202209061, "db-control-version": 1300}
SEGMENT = re.compile(rf"{WAL}([^/]+)/[0-9A-F]{{16}}/([0-9A-F]{{24}})")
FOLDER = re.compile(rf"{BASES}(\d{{8}}-[^/]+)/")
MANIFEST = re.compile(rf"{BASES}(\d{{8}}-[^/]+)/backup.manifest$")


def day(number: float) -> datetime:
    """So many days after 1 November 2026."""
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number)


def sha1_of(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """Objects by key: content and the moment of the upload. Sizes are those of the content."""

    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    sets: dict[str, dict] = field(default_factory=dict)
    every: dict[str, dict] = field(default_factory=dict)
    systems: dict[str, dict] = field(default_factory=lambda: {"1": {"db-system-id": SYSTEM, "db-version": "15"}})
    archive: str = "15-1"
    skew: float = 0.0
    pending: list[Upload] = field(default_factory=list)

    # What a Store does

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                content, modified = self.objects[key]
                yield StoredObject(key, len(content), modified)

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise MissingError(f"{key} is not there.")
        return self.objects[key][0]

    def write(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        if if_absent and key in self.objects:
            return False
        self.objects[key] = (data, 0.0)
        return True

    def delete(self, keys: Sequence[str]) -> DeleteOutcome:
        for key in keys:
            self.objects.pop(key, None)
        return DeleteOutcome(tuple(keys), ())

    def clock_skew_seconds(self) -> float:
        return self.skew

    def uploads(self, prefix: str) -> Iterator[Upload]:
        return iter([upload for upload in self.pending if upload.key.startswith(prefix)])

    def abort(self, upload: Upload) -> None:
        self.pending.remove(upload)

    def catalogue(self, now: datetime) -> Catalogue:
        return read_catalogue(self, now)

    # Filling it

    def put(self, key: str, content: bytes | str, at: datetime) -> None:
        self.objects[key] = (content.encode() if isinstance(content, str) else content, at.timestamp())

    def segment(self, timeline: int, number: int, at: datetime, content: bytes = b"wal", sha1: str = "") -> str:
        name = wal.segment_name(timeline, number)
        key = f"{WAL}{self.archive}/{name[:16]}/{name}-{sha1 or sha1_of(name)}.zst"
        self.put(key, content, at)
        return key

    def row(self, timeline: int, first: int, last: int, start: datetime, end: datetime) -> None:
        """Segments first..last, uploaded at even distances from start to end."""
        steps = max(1, last - first)
        for number in range(first, last + 1):
            self.segment(timeline, number, start + (end - start) * (number - first) / steps)

    def history(self, timeline: int, *switches: tuple[int, str], at: datetime | None = None) -> None:
        text = "".join(f"{parent}\t{lsn}\tno recovery target specified\n\n" for parent, lsn in switches)
        self.put(f"{WAL}{self.archive}/{timeline:08X}.history", text, at or day(0))

    def base(
        self,
        at: datetime,
        start: int,
        stop: int | None = None,
        *,
        timeline: int = 1,
        prior: str = "",
        pinned: bool = False,
        error: bool = False,
        tablespace: bool = False,
        system: str = "1",
        minutes: float = 10,
    ) -> str:
        """A set that was taken from C(at) on for ten minutes; the label."""
        stop = start if stop is None else stop
        stamp = at.strftime("%Y%m%d-%H%M%S")
        label = f"{prior.partition('_')[0]}_{stamp}I" if prior else f"{stamp}F"
        references = [prior, *self.sets[prior].get("backup-reference", [])] if prior else []
        self.sets[label] = {
            "backup-annotation": {"pinned": "true"} if pinned else {},
            "backup-archive-start": wal.segment_name(timeline, start),
            "backup-archive-stop": wal.segment_name(timeline, stop),
            "backup-error": error,
            "backup-info-repo-size": 7,
            "backup-info-repo-size-delta": 7,
            "backup-info-size": 1000,
            "backup-info-size-delta": 1000,
            "backup-lsn-start": wal.format_lsn(start * wal.DEFAULT_SEGMENT_BYTES + 0x28),
            "backup-lsn-stop": wal.format_lsn(stop * wal.DEFAULT_SEGMENT_BYTES + 0x100),
            "backup-reference": sorted(set(references)),
            "backup-timestamp-start": int(at.timestamp()),
            "backup-timestamp-stop": int((at + timedelta(minutes=minutes)).timestamp()),
            "backup-type": "incr" if prior else "full",
            "db-id": int(system),
            **{f"option-{name}": False for name in OPTIONS},
        } | ({"backup-prior": prior} if prior else {})
        self.every[label] = self.sets[label]
        self.put(f"{BASES}{label}/bundle/1", b"content", at)
        self.put(f"{BASES}{label}/backup.manifest", self.manifest(label, tablespace), at)
        self.put(f"{BASES}{label}/backup.manifest.copy", self.manifest(label, tablespace), at)
        self.write_info()
        return label

    def manifest(self, label: str, tablespace: bool = False) -> str:
        targets = {"pg_data": {"path": "/data", "type": "path"}}
        if tablespace:
            targets["pg_tblspc/16385"] = {"path": "/space", "tablespace-id": "16385", "type": "link"}
        system = self.systems[str(self.sets[label]["db-id"])]
        return render(
            {
                "backrest": {"backrest-format": 5, "backrest-version": "2.55.1"},
                "backup": self._summary(label),
                "backup:db": {**CATALOG, "db-id": self.sets[label]["db-id"], **system},
                "backup:option": {f"option-{name}": False for name in OPTIONS},
                "backup:target": targets,
            }
        )

    def _summary(self, label: str) -> dict:
        entry = self.sets[label]
        names = (
            "archive-start",
            "archive-stop",
            "lsn-start",
            "lsn-stop",
            "prior",
            "timestamp-start",
            "timestamp-stop",
            "type",
        )
        known = {f"backup-{name}": entry[f"backup-{name}"] for name in names if f"backup-{name}" in entry}
        copied = {"backup-timestamp-copy-start": entry["backup-timestamp-start"]}
        return dict(sorted({**known, **copied, "backup-label": label, "backup-bundle": True}.items()))

    def write_info(self) -> None:
        newest = max(self.systems)
        system = {"db-id": int(newest), **self.systems[newest]}
        head = {"backrest-format": 5, "backrest-version": "2.55.1"}
        history = {number: {**CATALOG, **each} for number, each in self.systems.items()}
        sets = {label: {**head, **self._listed(label)} for label in sorted(self.sets)}
        backups = {"backrest": head, "backup:current": sets, "db": {**CATALOG, **system}, "db:history": history}
        if not sets:
            del backups["backup:current"]
        archived = {
            number: {"db-id": each["db-system-id"], "db-version": each["db-version"]}
            for number, each in self.systems.items()
        }
        for suffix in ("", ".copy"):
            self.put(f"{BASES}backup.info{suffix}", render(backups), day(0))
            self.put(
                f"{WAL}archive.info{suffix}", render({"backrest": head, "db": system, "db:history": archived}), day(0)
            )

    def _listed(self, label: str) -> dict:
        """As pgBackRest writes it: sorted, nothing that is empty."""
        return {key: value for key, value in sorted(self.sets[label].items()) if value not in ({}, [])}

    def dump(self, at: datetime, *, kind: str = "dump", complete: bool = True, **manifest: object) -> str:
        name = times.backup_id(at)
        prefix, file = (DUMPS, "hustlex.dump") if kind == "dump" else (SNAPSHOTS, "dump.rdb")
        self.put(f"{prefix}{name}/{file}", b"dumped", at)
        if complete:
            facts = {"id": name, "kind": kind, "started": times.iso(at), "finished": times.iso(at), "size": 6}
            facts |= {"sha256": hashlib.sha256(b"dumped").hexdigest(), "object": file, "pinned": False, **manifest}
            self.put(f"{prefix}{name}/manifest.json", json.dumps(facts), at)
        return name

    # pgBackRest

    def pgbackrest(self, arguments: Sequence[str]) -> str:
        """expire as pgBackRest 2.45-2.55 does it; tests/integration compares it with the real one."""
        assert arguments[0] == "expire"
        options = dict(one.removeprefix("--").partition("=")[::2] for one in arguments[1:])
        assert options["repo1-retention-full"] == "9999999"
        complete = {match[1] for key in self.objects if (match := MANIFEST.match(key))}
        left = {label: entry for label, entry in self.every.items() if label in complete}
        if label := options.get("set"):
            for name in sorted(left, reverse=True):
                if name == label or label in left[name]["backup-reference"]:
                    del left[name]
        folders = {match[1] for key in self.objects if (match := FOLDER.match(key))}
        gone = sorted(folders - set(left), reverse=True)
        printed = [f"INFO: repo1: remove expired backup {name}" for name in gone]
        doomed = self._doomed_wal(left, int(options.get("repo1-retention-archive", 0)))
        if doomed:
            names = sorted(SEGMENT.match(key)[2] for key in doomed)
            printed.append(f"INFO: repo1: {self.archive} remove archive, start = {names[0]}, stop = {names[-1]}")
        if "dry-run" not in options:
            self.sets = left
            self.write_info()
            for name in gone:
                keys = [key for key in self.objects if key.startswith(f"{BASES}{name}/")]
                self.delete(sorted(keys, key=lambda key: "manifest" not in key))
            for key in doomed:
                self.delete([key])
        return "\n".join(printed)

    def _doomed_wal(self, sets: dict[str, dict], retention: int) -> list[str]:
        """Everything whose NAME sorts before the start of the oldest full set that stays, whatever its timeline."""
        fulls = sorted(label for label in sets if label.endswith("F"))
        if not retention or len(fulls) < retention:
            return []
        start = sets[fulls[-retention]]["backup-archive-start"]
        return [key for key in self.objects if (match := SEGMENT.match(key)) and match[2] < start]

    def save(self, folder: Path) -> None:
        """The repository as files, for the real pgBackRest."""
        for key, (content, _modified) in self.objects.items():
            if key.startswith(REPOSITORY):
                path = folder / key.removeprefix(REPOSITORY)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
