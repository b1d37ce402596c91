"""A database that archives by the real pgBackRest into a folder, and the restore job over it; nothing is installed."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers import program, wait_for
from stores import USER, Store

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "images/backup"), str(ROOT / "plugins/module_utils")]

catalogue, errors, recovery, storage = (
    importlib.import_module(f"backup.{name}") for name in ("catalogue", "errors", "recovery", "storage")
)
base, init, maintenance, restore, retention, settings, target_volume, verify = (
    importlib.import_module(f"jobs.{name}")
    for name in ("base", "init", "maintenance", "restore", "retention", "settings", "target_volume", "verify")
)
importlib.import_module("encodings.idna")

WRAPPER = ROOT / "images/backup/bin/pgbackrest-archive-get"


class FolderStore:
    """A folder as the object store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self, prefix: str) -> Iterator[Any]:
        for path in sorted((self.folder / prefix).rglob("*")):
            if path.is_file():
                status = path.stat()
                yield storage.StoredObject(str(path.relative_to(self.folder)), status.st_size, status.st_mtime)

    def read(self, key: str) -> bytes:
        try:
            return (self.folder / key).read_bytes()
        except FileNotFoundError:
            raise errors.MissingError(f"{key} is not there.") from None

    def write(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return True

    def clock_skew_seconds(self) -> float:
        return 0.0

    def uploads(self, _prefix: str) -> Iterator[Any]:
        return iter(())


def user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return None if os.getuid() else "postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody"


def as_user(work: Callable[[], Any], kill_when: Callable[[], bool] = lambda: False) -> Any:
    """What `work` returns or raises in a process of the server's user; that process is killed when told so."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def inside() -> None:
        os.setsid()
        if name := user():
            entry = pwd.getpwnam(name)
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        try:
            there.send((True, work()))
        except errors.BackupError as error:
            there.send((False, str(error)))

    process = context.Process(target=inside)
    process.start()
    while not here.poll(0.05):
        if not process.is_alive():
            raise AssertionError("the job died")
        if kill_when():
            os.killpg(process.pid or 0, 9)
            process.join()
            return None
    good, value = here.recv()
    process.join()
    if not good:
        raise errors.BackupError(value)
    return value


@dataclass
class Database:
    """A primary with an archive. `folder` belongs to the server's user."""

    folder: Path

    def __post_init__(self) -> None:
        binary, environ = program("pgbackrest", "pgbackrest")
        self.pgbackrest = self.folder / "pgbackrest"
        self.data = self.folder / "primary"
        self.repository = self.folder / "bucket"
        for name in ("bucket", "socket", "config", "spool", "log"):
            (self.folder / name).mkdir()
        configuration = self.folder / "pgbackrest.conf"
        configuration.write_text(
            f"[global]\n{self.place()}repo1-bundle=y\nlog-level-file=off\nexpire-auto=n\n"
            f"lock-path={self.folder}/lock\nlog-path={self.folder}/log\nspool-path={self.folder}/spool\nstart-fast=y\n"
            f"compress-type=zst\n[main]\npg1-path={self.data}\npg1-socket-path={self.folder}/socket\npg1-user=postgres\n"
        )
        library = environ.get("LD_LIBRARY_PATH", "")
        self.pgbackrest.write_text(
            f'#!/bin/sh\nexport LD_LIBRARY_PATH={library}\nexec {binary} --config={configuration} "$@"\n'
        )
        # As restore_command it runs in the recovered data folder, which is in another place than the primary's here.
        self.fetch = self.folder / "pgbackrest-fetch"
        self.fetch.write_text(f'#!/bin/sh\nexec {self.pgbackrest} --pg1-path="$PWD" "$@"\n')
        for script in (self.pgbackrest, self.fetch):
            script.chmod(0o755)
        (self.folder / "config/postgresql.conf").write_text(
            "listen_addresses=''\nfsync=off\nmax_connections=30\ntimezone=UTC\nlog_timezone=UTC\narchive_timeout=60\n"
            f"archive_mode=on\narchive_command='{self.pgbackrest} --stanza=main archive-push %p'\n"
        )
        (self.folder / "config/pg_hba.conf").write_text("local all all trust\n")
        if name := user():
            subprocess.run(["chown", "-R", f"{name}:", self.folder], check=True)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--data-checksums")
        self.start()
        self.run(self.pgbackrest, "--stanza=main", "stanza-create")

    def place(self) -> str:
        """Where the repository is, as pgBackRest is told."""
        return f"repo1-path={self.repository}/postgres/pgbackrest\n"

    def run(self, *command: str | Path) -> str:
        environ = restore.programs()
        done = subprocess.run(
            [str(part) for part in command],
            env=environ, user=user(), cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def second(self, name: str) -> Second:
        """A new, empty database of its own, beside the same repository."""
        return Second(self, self.folder / name)

    def start(self) -> None:
        files = [
            f"-c config_file={self.folder}/config/postgresql.conf",
            f"-c hba_file={self.folder}/config/pg_hba.conf",
        ]
        options = " ".join([*files, f"-c unix_socket_directories={self.folder}/socket"])
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log/primary", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop")

    def sql(self, statement: str) -> str:
        return self.run("psql", "-XAtq", "-h", self.folder / "socket", "-U", "postgres", "-c", statement)

    def base(self) -> None:
        self.run(self.pgbackrest, "--stanza=main", "--type=full", "backup")

    def archive_all(self) -> None:
        """As the heartbeat and archive_timeout do within a minute."""
        self.sql("SELECT pg_logical_emit_message(true, 'hustlex.heartbeat', 'now')")
        name = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        wait_for(lambda: self.sql(f"SELECT last_archived_wal >= '{name}' FROM pg_stat_archiver") == "t")

    def now(self) -> str:
        return self.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")

    def fail_over(self) -> None:
        """The same data go on as a new timeline, as a promoted standby does."""
        self.stop()
        (self.data / "standby.signal").touch()
        if owner := user():
            shutil.chown(self.data / "standby.signal", owner)
        self.start()
        self.run("pg_ctl", "-D", self.data, "-w", "promote")

    @property
    def store(self) -> Any:
        return FolderStore(self.repository)


class BucketDatabase(Database):
    """Archives into a bucket of a real S3 server, whose files for users are copied to where it may read them."""

    def __init__(self, folder: Path, server: Store, bucket: str) -> None:
        given = server.settings(bucket)
        for name in ("ca_file", "credentials_file"):
            shutil.copy(given[name], folder / name)
            given[name] = str(folder / name)
        self.settings = storage.StoreSettings.from_mapping(given)
        self.server = server
        # The server's user cannot read the libraries where they are: what a request loads is loaded by this one.
        with self.store.lock("first", "the tests", 60) as lease:
            lease.renew(60)
        list(self.store.list(""))
        super().__init__(folder)

    def place(self) -> str:
        options = {
            "type": "s3",
            "path": "/postgres/pgbackrest",
            "s3-bucket": self.settings.bucket,
            "s3-endpoint": "localhost",
            "s3-region": self.settings.region,
            "s3-uri-style": "path",
            "s3-key": USER,
            "s3-key-secret": self.server.secrets[USER],
            "storage-ca-file": self.settings.ca_file,
            "storage-port": self.server.port,
        }
        return "".join(f"repo1-{name}={value}\n" for name, value in options.items())

    @property
    def store(self) -> Any:
        """A client of its own for each process, made before that becomes another user's."""
        return storage.Store(self.settings)


class Second:
    """Another database system, which archives nothing by itself."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.data, self.socket = database, folder / "data", folder / "socket"
        for path in (folder, self.socket):
            path.mkdir()
            if owner := user():
                shutil.chown(path, owner)
        database.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        command = f"{database.pgbackrest} --stanza=main archive-push %p"
        self.options = (
            f"-c listen_addresses='' -c unix_socket_directories={self.socket} -c fsync=off -c archive_mode=on"
        )
        (self.data / "postgresql.auto.conf").write_text(f"archive_command = '{command}'\n")
        database.run("pg_ctl", "-D", self.data, "-w", "-l", folder / "log", "-o", self.options, "start")

    def segment(self) -> str:
        statement = "SELECT pg_walfile_name(pg_current_wal_lsn())"
        return self.database.run("psql", "-XAtq", "-h", self.socket, "-U", "postgres", "-c", statement)

    def stop(self) -> None:
        self.database.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")


class Recovery:
    """The restore job of one target into a volume of its own."""

    def __init__(self, database: Database, target: str, name: str = "volume") -> None:
        self.database = database
        folder = database.folder / name
        folder.mkdir(exist_ok=True)
        socket = database.folder / "recovery-socket"
        socket.mkdir(exist_ok=True)
        if owner := user():
            shutil.chown(folder, owner)
            shutil.chown(socket, owner)
        self.volume = target_volume.TargetVolume(folder / "pgdata")
        self.target = recovery.Target.parse(target)
        self.paths = restore.Paths(
            config=database.folder / "config",
            socket=socket,
            wrapper=str(WRAPPER),
            pgbackrest=(str(database.pgbackrest),),
        )
        store = storage.StoreSettings("none")
        self.settings = settings.Settings(store, "test", "test", database="postgres")
        os.environ["ARCHIVE_GET_PROGRAM"] = str(database.fetch)
        os.environ["ARCHIVE_GET_PAUSE"] = "0"

    def plan(self) -> Any:
        now = datetime.now(UTC)
        return recovery.plan(catalogue.read_catalogue(self.database.store, now), self.target, now)

    def order(self) -> Any:
        agreed = self.plan()
        return restore.Order(self.target, agreed.digest(), agreed.base, agreed.last_segment)

    def run(self, order: Any = None, kill_when: Callable[[], bool] = lambda: False) -> Any:
        order, store = order or self.order(), self.database.store
        return as_user(lambda: restore.restore(self.settings, store, self.volume, order, 120, self.paths), kill_when)

    def new_pod(self) -> None:
        """What is not on the volume is gone with the pod, and so is every process that holds its lock.

        Those of a server that was killed see it a little later, each for itself.
        """
        wait_for(self._is_free, what="the killed server is gone")
        for path in self.paths.socket.iterdir():
            path.unlink()

    def _is_free(self) -> bool:
        try:
            with self.volume.locked():
                return True
        except errors.LockedError:
            return False

    def verify(self) -> Any:
        store = self.database.store
        return as_user(lambda: verify.verify(self.settings, store, self.volume, 120, self.paths))

    def sql(self, statement: str) -> str:
        """In the recovered database, started as the swap does."""
        files = [f"-c config_file={self.paths.config}/postgresql.conf", f"-c hba_file={self.paths.config}/pg_hba.conf"]
        options = " ".join([*files, f"-c unix_socket_directories={self.paths.socket}"])
        log = self.database.folder / "log/recovered"
        self.database.run("pg_ctl", "-D", self.volume.data, "-w", "-l", log, "-o", options, "start")
        try:
            return self.database.run("psql", "-XAtq", "-h", self.paths.socket, "-U", "postgres", "-c", statement)
        finally:
            self.database.run("pg_ctl", "-D", self.volume.data, "-w", "-m", "fast", "stop")


def write_minutes(database: Database, count: int) -> list[str]:
    """Rows 1..count, each with a moment after it and before the next one."""
    database.sql("CREATE TABLE IF NOT EXISTS t (n int PRIMARY KEY)")
    moments = []
    for number in range(1, count + 1):
        database.sql(f"INSERT INTO t VALUES ({number})")
        time.sleep(0.02)
        moments.append(database.now())
        time.sleep(0.02)
        database.sql("SELECT pg_switch_wal()")
    database.archive_all()
    return moments
