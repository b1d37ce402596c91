# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything the bucket holds, read without pgBackRest and without the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from . import archive as wal_archive
from . import bases as base_backups
from . import chains, copies, infofile, times, wal
from .archive import Archive
from .bases import Base
from .chains import Gap, Window
from .copies import Copy
from .errors import MissingError, StoreError
from .storage import StoredObject
from .uploads import Upload

DUMPS = "postgres/dumps/"
SNAPSHOTS = "redis/"
REPOSITORY = "postgres/pgbackrest/"
VERIFICATIONS = "verifications/"
FAILURES = "failures/"
STATE = "retention/state.json"
_REPORTS = 30
_READERS = 8

Cache = dict[StoredObject, bytes]


class Readable(Protocol):
    """The part of a Store that the catalogue needs."""

    def list(self, prefix: str) -> Iterator[StoredObject]: ...
    def read(self, key: str) -> bytes: ...
    def clock_skew_seconds(self) -> float: ...
    def uploads(self, prefix: str) -> Iterator[Upload]: ...


@dataclass(frozen=True)
class Catalogue:
    """C(problems) are sentences about what cannot be read or does not fit: with any of them nothing may be deleted.

    C(unfinished) sets have no manifest: pgBackRest resumes or removes them. C(unlisted) sets have one and are put into
    backup.info by its next command: an expire or a backup was killed. C(warnings) are sentences that a person should
    know; C(state) is what the last retention run left. C(uploads) of dumps and snapshots are not completed.
    C(system) identifies the database that archives now, 0 when that is not known.
    """

    at: datetime
    dumps: tuple[Copy, ...] = ()
    snapshots: tuple[Copy, ...] = ()
    bases: tuple[Base, ...] = ()
    unfinished: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    archives: dict[str, Archive] = field(default_factory=dict)
    current: str = ""
    gaps: tuple[Gap, ...] = ()
    windows: tuple[Window, ...] = ()
    verifications: tuple[dict[str, Any], ...] = ()
    failures: tuple[dict[str, Any], ...] = ()
    state: dict[str, Any] | None = None
    clock_skew_seconds: float = 0.0
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()
    system: int = 0

    @property
    def archive(self) -> Archive:
        """The archive of the database as it is now; an empty one when there is none."""
        return self.archives.get(self.current) or Archive(self.current)

    @property
    def valid_bases(self) -> tuple[Base, ...]:
        """Oldest first: those of the current database that can be restored."""
        return tuple(base for base in self.bases if base.valid and base.archive == self.current)

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": times.iso(self.at),
            "dumps": [copy.to_dict() for copy in self.dumps],
            "snapshots": [copy.to_dict() for copy in self.snapshots],
            "bases": [base.to_dict() for base in self.bases],
            "unfinished": list(self.unfinished),
            "unlisted": list(self.unlisted),
            "archives": [archive.to_dict() for _id, archive in sorted(self.archives.items())],
            "current": self.current,
            "gaps": [gap.to_dict() for gap in self.gaps],
            "windows": [window.to_dict() for window in self.windows],
            "verifications": list(self.verifications),
            "failures": list(self.failures),
            "clock_skew_seconds": round(self.clock_skew_seconds, 1),
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "uploads": [upload.to_dict() for upload in self.uploads],
        }


def read_catalogue(
    store: Readable,
    now: datetime,
    *,
    stanza: str = "main",
    segment_bytes: int = wal.DEFAULT_SEGMENT_BYTES,
    cache: Cache | None = None,
) -> Catalogue:
    """One listing of each folder and the small objects in it; C(cache) spares a long-lived reader the second reading.

    Raises StoreError when the store does not answer: half a catalogue is none.
    """
    reader = _Reader(store, {} if cache is None else cache)
    dumps = copies.read_copies(store.list(DUMPS), DUMPS, "dump", reader.read_all)
    snapshots = copies.read_copies(store.list(SNAPSHOTS), SNAPSHOTS, "redis", reader.read_all)
    repository = _read_repository(store, reader, stanza, segment_bytes)
    problems = [copy.problem for copy in (*dumps, *snapshots) if copy.problem and not copy.sha256]
    warnings = [copy.problem for copy in (*dumps, *snapshots) if copy.problem and copy.sha256]
    uploads = _uploads(store, warnings)
    current = repository.archives.get(repository.current)
    reader.forget_the_rest()
    return Catalogue(
        now,
        dumps,
        snapshots,
        repository.bases,
        repository.unfinished,
        repository.unlisted,
        repository.archives,
        repository.current,
        chains.gaps(current, repository.bases) if current else (),
        chains.windows(current, repository.bases) if current else (),
        reader.documents(VERIFICATIONS),
        reader.documents(FAILURES),
        reader.document(STATE),
        store.clock_skew_seconds(),
        (*problems, *repository.problems),
        (*warnings, *repository.warnings),
        uploads,
        repository.system,
    )


def _uploads(store: Readable, warnings: list[str]) -> tuple[Upload, ...]:
    """Not every store tells, and no backup depends on it."""
    try:
        return tuple(upload for prefix in (DUMPS, SNAPSHOTS) for upload in store.uploads(prefix))
    except StoreError as error:
        warnings.append(f"Which uploads were never completed is not known: {error}")
        return ()


@dataclass
class _Repository:
    archives: dict[str, Archive] = field(default_factory=dict)
    bases: tuple[Base, ...] = ()
    unfinished: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    current: str = ""
    system: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Reader:
    """Small objects, several at once."""

    def __init__(self, store: Readable, cache: Cache) -> None:
        self._store = store
        self._cache = cache
        self._used: set[StoredObject] = set()

    def read_all(self, items: list[StoredObject]) -> dict[str, bytes]:
        """Contents by key; what was deleted since the listing is left out."""
        self._used.update(items)
        with ThreadPoolExecutor(_READERS) as pool:
            contents = list(pool.map(self._read, items))
        return {item.key: content for item, content in zip(items, contents, strict=True) if content is not None}

    def forget_the_rest(self) -> None:
        for item in set(self._cache) - self._used:
            del self._cache[item]

    def document(self, key: str) -> dict[str, Any] | None:
        try:
            value = json.loads(self._store.read(key))
        except (MissingError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def documents(self, prefix: str) -> tuple[dict[str, Any], ...]:
        """The newest reports by name."""
        keys = sorted(item.key for item in self._store.list(prefix) if item.key.endswith(".json"))[-_REPORTS:]
        found = [(key, self.document(key)) for key in keys]
        names = [(key[len(prefix) :].removesuffix(".json"), value) for key, value in found]
        return tuple({"name": name, **value} for name, value in names if value is not None)

    def info(self, folder: str, name: str, warnings: list[str]) -> infofile.Sections | None:
        """The info file or its copy, None when neither exists; InfoFileError when neither is whole."""
        failure: infofile.InfoFileError | None = None
        for key in (f"{folder}{name}", f"{folder}{name}.copy"):
            try:
                text = self._store.read(key).decode()
                sections = infofile.parse(text, key)
            except MissingError:
                continue
            except UnicodeDecodeError:
                failure = failure or infofile.InfoFileError(f"{key} is damaged.")
                continue
            except infofile.InfoFileError as error:
                failure = failure or error
                continue
            if failure:
                warnings.append(f"{failure} Its copy serves.")
            return sections
        if failure:
            raise failure
        return None

    def _read(self, item: StoredObject) -> bytes | None:
        if item not in self._cache:
            try:
                self._cache[item] = self._store.read(item.key)
            except MissingError:
                return None
        return self._cache[item]


def _read_repository(store: Readable, reader: _Reader, stanza: str, segment_bytes: int) -> _Repository:
    found = _Repository()
    wal_folder, base_folder = f"{REPOSITORY}archive/{stanza}/", f"{REPOSITORY}backup/{stanza}/"
    folders: dict[str, base_backups.Folder] = {}
    try:
        # What ends while we read is then in the later listing: the list of sets, the sets, their WAL.
        info = reader.info(base_folder, "backup.info", found.warnings)
        archived = reader.info(wal_folder, "archive.info", found.warnings)
        folders = base_backups.read_folders(store.list(base_folder), base_folder)
        if info:
            found.bases = base_backups.read_bases(info, folders, reader.read_all, segment_bytes)
    except infofile.InfoFileError as error:
        found.problems.append(str(error))
        info = archived = None
    except (KeyError, TypeError, ValueError) as error:
        found.problems.append(f"backup.info of stanza {stanza} is not understood ({error}).")
        info = archived = None
    found.archives, histories = wal_archive.read_names(store.list(wal_folder), wal_folder, segment_bytes)
    _read_histories(reader, found, histories)
    loose = sorted(set(folders) - {base.label for base in found.bases})
    found.unfinished = tuple(label for label in loose if not folders[label].manifest)
    found.unlisted = tuple(label for label in loose if folders[label].manifest)
    found.problems += _contradictions(info, archived, bool(folders or found.archives), found.problems)
    for base in found.bases:
        if base.problem:
            (found.warnings if base.readable else found.problems).append(base.problem)
    found.problems += _systems(found.bases)
    if archived:
        found.current = f"{archived['db']['db-version']}-{archived['db']['db-id']}"
        found.system = int(archived["db"]["db-system-id"])
    return found


def _read_histories(reader: _Reader, found: _Repository, histories: dict[str, list[StoredObject]]) -> None:
    for archive_id, items in histories.items():
        contents = reader.read_all(items)
        for key, content in contents.items():
            name = key.rpartition("/")[2]
            try:
                file = wal_archive.read_history(name, content)
            except (ValueError, UnicodeDecodeError) as error:
                found.problems.append(f"{name} is not readable: {error}.")
                continue
            found.archives[archive_id].history_files[file.timeline] = file
    for archive in found.archives.values():
        for timeline in archive.timelines:
            if timeline > 1 and timeline not in archive.history_files:
                found.problems.append(
                    f"{timeline:08X}.history is missing: nothing tells where timeline {timeline} begins."
                )


def _contradictions(
    info: infofile.Sections | None, archived: infofile.Sections | None, stored: bool, known: list[str]
) -> Iterable[str]:
    if known:
        return
    if stored and (info is None or archived is None):
        name = "backup.info" if info is None else "archive.info"
        yield f"{name} is missing although there are backups or WAL. Run the backup job once."
    if info and archived and info["db"]["db-system-id"] != archived["db"]["db-system-id"]:
        yield "backup.info and archive.info belong to two different databases."


def _systems(bases: tuple[Base, ...]) -> Iterable[str]:
    kinds = sorted({(base.version, base.system) for base in bases})
    if len(kinds) > 1:
        names = " and ".join(f"{version} ({system})" for version, system in kinds)
        yield f"The repository holds backups of different databases: PostgreSQL {names}."
