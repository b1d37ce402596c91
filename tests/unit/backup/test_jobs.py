"""What the jobs decide by themselves: whether a dump is good, what a snapshot holds, what Prometheus is told."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.bases import Base
from backup.catalogue import Catalogue
from backup.chains import Gap, Window
from backup.copies import Copy
from backup.errors import BackupError, LockedError, StoreError
from backup.storage import DeleteOutcome, StoreSettings, Uploaded
from jobs import base, dump, exporter, failures, maintenance, pgbackrest, redis_upload
from jobs.exporter import Archiver, Look
from jobs.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG = "head -c 3000000 /dev/zero"
CONTENTS = 'echo "; Archive"; echo "1; TABLE DATA public users"; echo "2; INDEX public users_pkey"'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Stand-ins for pg_dump and pg_restore, as shell scripts."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(pg_dump: str, pg_restore: str) -> None:
        for name, text in (("pg_dump", pg_dump), ("pg_restore", pg_restore)):
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)

    return make


def stream() -> tuple[int, dump.Dump]:
    with dump.Dump("hustlex", "zstd:1", os.environ) as made:
        size = sum(len(chunk) for chunk in made.chunks())
        made.check()
    return size, made


@pytest.mark.parametrize("reader", ["head -c 100 > /dev/null", "cat > /dev/null"], ids=["stops early", "reads all"])
def test_a_good_dump(programs: Callable[[str, str], None], reader: str) -> None:
    programs(LONG, f"{reader}; {CONTENTS}")
    size, made = stream()
    assert (size, made.entries) == (3_000_000, 2)


@pytest.mark.parametrize(
    ("pg_dump", "pg_restore", "words"),
    [
        (f"{LONG}; echo 'pg_dump: error: server closed the connection' >&2; exit 1", CONTENTS, "server closed"),
        (LONG, "cat > /dev/null; echo 'pg_restore: error: could not read' >&2; exit 1", "could not read"),
        ("exit 1", "cat > /dev/null", "it said nothing"),
    ],
    ids=["cut off", "unreadable", "silent"],
)
def test_a_bad_dump(programs: Callable[[str, str], None], pg_dump: str, pg_restore: str, words: str) -> None:
    programs(pg_dump, pg_restore)
    with pytest.raises(BackupError, match=words):
        stream()


def test_facts_about_a_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "check.txt"
    file.write_text("[offset 0] Checking RDB file\n[info] 42 keys read\n[info] 1 expires\n")
    assert redis_upload.fact(file, r"^\[info\] (\d+) keys read") == "42"
    with pytest.raises(BackupError, match="gone"):
        redis_upload.fact(tmp_path / "gone.txt", "(.)")


def test_a_snapshot_is_as_old_as_the_moment_before_its_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    monkeypatch.setattr(Settings, "store", lambda _self: store)
    for name, text in {"check": "[info] 42 keys read\n", "server": "redis_version:8.10.0\r\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "dump.rdb").write_bytes(b"REDIS")
    os.utime(tmp_path / "server.txt", (NOW.timestamp(), NOW.timestamp()))
    settings = Settings(StoreSettings("b"), "development", "hustlex")
    manifest = redis_upload.main(argparse.Namespace(file=tmp_path / "dump.rdb"), settings)
    assert (manifest["id"], manifest["started"]) == ("20261124T120000Z", "2026-11-24T12:00:00Z")
    assert store.objects["redis/20261124T120000Z/dump.rdb"] == b"REDIS"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "2026-11-24 03:00:00.000 P00  ERROR: [056]: unable to find primary cluster\n   HINT: start it",
            "unable to find",
        ),
        ("", "it said nothing"),
        ("no code here.", "no code here"),
    ],
)
def test_last_words_of_pgbackrest(text: str, words: str) -> None:
    assert pgbackrest.last_words(text).startswith(words)


def test_a_failure_says_what_to_do() -> None:
    assert "backup_bucket" in str(pgbackrest.PgBackRestError("stanza-create", 28, "do not match"))


class MemoryStore:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def write(self, key: str, data: bytes) -> bool:
        self.objects[key] = data
        return True

    def delete(self, keys: list[str]) -> DeleteOutcome:
        for key in keys:
            self.objects.pop(key, None)
        return DeleteOutcome(tuple(keys), ())

    def upload(self, key: str, chunks: Iterable[bytes]) -> Uploaded:
        self.objects[key] = b"".join(chunks)
        return Uploaded(len(self.objects[key]), "00")


def test_a_failure_stays_until_the_next_success(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr(Settings, "store", lambda _self: store)
    settings = Settings(StoreSettings("b"), "development", "hustlex")
    with pytest.raises(ZeroDivisionError), failures.recorded(settings, "dump"):
        raise ZeroDivisionError("division by zero")
    assert json.loads(store.objects["failures/dump.json"])["message"].startswith("ZeroDivisionError")
    with failures.recorded(settings, "dump"):
        pass
    assert store.objects == {}


def test_a_record_that_cannot_be_removed_does_not_fail_a_good_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Denied(MemoryStore):
        def delete(self, keys: list[str]) -> DeleteOutcome:
            raise StoreError("The store refuses to delete 1 objects.")

    class Refusing(MemoryStore):
        def delete(self, keys: list[str]) -> DeleteOutcome:
            return DeleteOutcome((), tuple((key, "AccessDenied") for key in keys))

    settings = Settings(StoreSettings("b"), "development", "hustlex")
    for store, words in ((Denied(), "refuses to delete"), (Refusing(), "AccessDenied")):
        monkeypatch.setattr(Settings, "store", lambda _self, store=store: store)
        with failures.recorded(settings, "dump"):
            pass
        assert words in capsys.readouterr().out


class Busy:
    """A lock that is free at the try of the given number."""

    def __init__(self, free_at: int) -> None:
        self.tries, self.free_at = 0, free_at

    @contextlib.contextmanager
    def lock(self, *_arguments: Any) -> Iterator[Any]:
        self.tries += 1
        if self.tries < self.free_at:
            raise LockedError("Retention holds the lock.")
        yield SimpleNamespace(renew=lambda _seconds: None)


def test_the_lock_is_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(maintenance, "_PAUSE_SECONDS", 0.01)
    store = Busy(free_at=4)
    with maintenance.held(store, "A base backup", wait_seconds=30):  # type: ignore[arg-type]
        assert store.tries == 4
    assert capsys.readouterr().out.count("Retention holds the lock.") == 1


def test_waiting_for_the_lock_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_PAUSE_SECONDS", 0.01)
    store, began = Busy(free_at=1 << 30), time.monotonic()
    with pytest.raises(LockedError), maintenance.held(store, "A base backup", wait_seconds=0.2):  # type: ignore[arg-type]
        pass
    assert store.tries > 2
    assert 0.2 <= time.monotonic() - began < 10


class Losing:
    """A lease that is lost at the check of the given number."""

    def __init__(self, lost_at: int, error: type[BackupError] = LockedError) -> None:
        self.checks, self.lost_at, self.error = 0, lost_at, error

    def check(self) -> None:
        self.checks += 1
        if self.checks >= self.lost_at:
            raise self.error("Another run took the lock; this one stops.")


@pytest.fixture
def pgbackrest_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    """A stand-in for pgBackRest as a shell script."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(pgbackrest, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(pgbackrest, "database_options", lambda _settings: [])

    def make(script: str) -> Settings:
        (tmp_path / "pgbackrest").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "pgbackrest").chmod(0o755)
        return Settings(StoreSettings("b"), "development", "hustlex")

    return make


def test_a_base_backup_that_loses_its_lock_is_stopped(pgbackrest_does: Callable[[str], Settings]) -> None:
    settings, began = pgbackrest_does("exec sleep 60"), time.monotonic()
    with pytest.raises(LockedError, match="took the lock"):
        base.backup(settings, Losing(3))  # type: ignore[arg-type]
    assert time.monotonic() - began < 30


def test_a_lock_that_was_lost_at_the_end_is_noticed(pgbackrest_does: Callable[[str], Settings]) -> None:
    with pytest.raises(LockedError):
        base.backup(pgbackrest_does("exit 0"), Losing(1))  # type: ignore[arg-type]


def test_a_store_that_is_away_for_a_moment_stops_no_backup(pgbackrest_does: Callable[[str], Settings]) -> None:
    lease = Losing(1, StoreError)
    pgbackrest.run(pgbackrest_does("sleep 0.5"), "backup", [], 60, still=lease.check)
    assert lease.checks


def test_what_keeps_a_lock_from_being_renewed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a lock that is lost is not asked for for ever."""
    monkeypatch.setattr(maintenance, "LEASE_SECONDS", 0.04)
    answers = [StoreError("The store does not answer."), StoreError("The store does not answer."), LockedError("Lost.")]
    asked: list[float] = []

    def renew(seconds: float) -> None:
        asked.append(seconds)
        raise answers[len(asked) - 1]

    with maintenance._renewed(SimpleNamespace(renew=renew)):  # type: ignore[arg-type]
        time.sleep(0.5)
    assert len(asked) == 3
    assert capsys.readouterr().out.count("The lock is not renewed yet: The store does not answer.") == 1


def samples(look: Look) -> dict[str, float]:
    return {
        f"{sample.name.removeprefix('hustlex_backup_')}{''.join(sample.labels.values())}": sample.value
        for family in exporter.families(look, NOW)
        for sample in family.samples
    }


def test_metrics_without_a_store() -> None:
    assert samples(Look(archiver=Archiver(3, 1, -1))) == {"store_up": 0, "wal_waiting_segments": 3, "wal_failures": 1}


def test_metrics_of_a_catalogue() -> None:
    hour = timedelta(hours=1)
    good = Copy("20261124T100000Z", "dump", NOW - 2 * hour, "complete", finished=NOW - hour, size=7)
    bad = Copy("20261124T110000Z", "dump", NOW - hour, "damaged", finished=NOW, problem="it is damaged.")
    good_base = Base("L", "full", NOW - 4 * hour, NOW - 3 * hour, 1, 1, 2, 1, 2, 100, 50, archive="17-1")
    found = Catalogue(
        NOW - timedelta(seconds=5),
        dumps=(good, bad),
        bases=(good_base,),
        current="17-1",
        gaps=(Gap(1, "A", "B", 2),),
        windows=(Window(NOW - 3 * hour, NOW - timedelta(seconds=30), 1, "L", "A", "B"),),
        verifications=(
            {"ok": True, "finished": "2026-11-24T11:00:00Z", "rto_seconds": 9.5},
            {"ok": False, "finished": "2026-11-24T11:30:00Z"},
        ),
        failures=({"kind": "redis", "time": "2026-11-24T11:59:00Z"},),
    )
    got = samples(Look(found, reachable=True))
    assert got == got | {
        "store_up": 1,
        "catalogue_age_seconds": 5,
        "age_secondsdump": 7200,
        "age_secondsbase": 10800,
        "duration_secondsdump": 3600,
        "size_bytesbase": 50,
        "countdump": 1,
        "countredis": 0,
        "wal_gaps": 1,
        "wal_missing_segments": 2,
        "window_seconds": 10770,
        "window_end_age_seconds": 30,
        "verified_age_seconds": 3600,
        "verified_restore_seconds": 9.5,
        "failedredis": 1,
        "faileddump": 0,
        "failure_age_secondsredis": 60,
    }
    assert "age_secondsredis" not in got
