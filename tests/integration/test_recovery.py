"""Restore to a point in time with the real PostgreSQL and pgBackRest: exactly what was asked for, or a clear stop."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
from recoveries import Database, Recovery, as_user, errors, init, write_minutes


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[Database, list[str]]]:
    """A database with a base backup, six rows in segments of their own, and a moment after each."""
    folder = Path(tempfile.mkdtemp(prefix="hx-"))
    folder.chmod(0o755)
    database = Database(folder)
    database.base()
    time.sleep(1.1)
    moments = write_minutes(database, 6)
    yield database, moments
    database.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(written: tuple[Database, list[str]]) -> Iterator[Database]:
    yield written[0]
    for name in ("volume", "other"):
        shutil.rmtree(written[0].folder / name, ignore_errors=True)


@pytest.fixture
def moments(written: tuple[Database, list[str]]) -> list[str]:
    return written[1]


ROWS = "SELECT string_agg(n::text, ',' ORDER BY n) FROM t"


def test_a_moment_between_two_rows(database: Database, moments: list[str]) -> None:
    recovery = Recovery(database, moments[2])
    order = recovery.order()
    report = recovery.run(order)
    assert report["tables"] == {"public.t": 3}
    assert (report["timeline"], report["amcheck"]) == (2, "passed")
    assert report["stopped"].startswith("recovery stopping before commit of transaction")
    assert 0 <= report["age_seconds"] < 5
    settings = (recovery.volume.data / "postgresql.auto.conf").read_text()
    assert [line for line in settings.splitlines() if line and not line.startswith("#")] == []
    assert not (recovery.volume.data / "recovery.signal").exists()
    ready = {path.name for path in (recovery.volume.data / "pg_wal/archive_status").glob("*.ready")}
    assert "00000002.history.ready" in ready
    assert recovery.run(order) == report
    assert recovery.sql(ROWS) == "1,2,3"


def test_the_newest_moment(database: Database) -> None:
    report = Recovery(database, "latest").run()
    assert report["tables"] == {"public.t": 6}
    assert report["stopped"] == ""


def test_a_moment_of_an_idle_database(database: Database) -> None:
    """Nothing but the heartbeat commits after it, and nothing has since the last row."""
    time.sleep(1)
    idle = database.now()
    with pytest.raises(errors.RefusedError, match="wait until a later one is archived"):
        Recovery(database, idle).plan()
    time.sleep(0.1)
    database.archive_all()
    report = Recovery(database, idle).run()
    assert report["tables"] == {"public.t": 6}
    assert report["stopped"].startswith("recovery stopping before commit of transaction")
    assert report["age_seconds"] >= 1


def test_a_new_database_beside_the_backups_of_another_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in database.repository.rglob("*")}
    other = database.second("new")
    try:
        monkeypatch.setenv("PATH", f"{database.folder}:{os.environ['PATH']}")
        options = [f"--pg1-path={other.data}", f"--pg1-socket-path={other.socket}"]
        monkeypatch.setattr(init.pgbackrest, "database_options", lambda _settings: options)
        began = time.monotonic()
        with pytest.raises(
            errors.BackupError, match=r"code 28: the store holds the backups of another database.*backup_bucket"
        ):
            as_user(lambda: init.main(Namespace(wait=120), Recovery(database, "latest").settings))
        assert time.monotonic() - began < 60, "waiting changes nothing about it"
        segment = other.data / "pg_wal" / other.segment()
        with pytest.raises(AssertionError, match="do not match"):
            database.run(database.pgbackrest, "--stanza=main", options[0], "archive-push", segment)
    finally:
        other.stop()
        shutil.rmtree(database.folder / "new")
    assert {path: path.stat().st_mtime_ns for path in database.repository.rglob("*")} == before


def test_a_position_and_a_transaction(database: Database) -> None:
    lsn = database.sql("SELECT pg_current_wal_lsn()")
    database.sql("SELECT pg_create_restore_point('before'); INSERT INTO t VALUES (7)")
    number = database.sql("INSERT INTO t VALUES (8) RETURNING pg_current_xact_id()")
    database.sql("INSERT INTO t VALUES (9)")
    for _round in range(2):
        database.archive_all()
    try:
        for target, rows in ((f"lsn:{lsn}", 6), ("name:before", 6), (f"xid:{number}", 8)):
            recovery = Recovery(database, target)
            assert recovery.run()["tables"] == {"public.t": rows}, target
            recovery.volume.clear()
    finally:
        database.sql("DELETE FROM t WHERE n > 6")
        database.archive_all()


def test_another_plan_is_refused(database: Database, moments: list[str]) -> None:
    recovery = Recovery(database, moments[2])
    other = Recovery(database, moments[3]).order()
    with pytest.raises(errors.BackupError, match="another plan"):
        recovery.run(type(other)(recovery.target, other.digest, other.base, other.last))


def test_a_volume_that_holds_something_else_is_refused(database: Database, moments: list[str]) -> None:
    recovery = Recovery(database, moments[2])
    recovery.volume.data.mkdir()
    (recovery.volume.data / "PG_VERSION").write_text("15")
    with pytest.raises(errors.BackupError, match="not empty and not of a recovery"):
        recovery.run()
    shutil.rmtree(recovery.volume.data)
    recovery.run()
    with pytest.raises(errors.BackupError, match="holds a recovery to"):
        Recovery(database, moments[3]).run()


def test_two_restores_at_once(database: Database, moments: list[str]) -> None:
    recovery = Recovery(database, moments[2])
    with recovery.volume.locked():
        (recovery.volume.data.parent / "lock").chmod(0o666)
        with pytest.raises(errors.BackupError, match="Another server or restore uses"):
            recovery.run()


def segment_file(database: Database, number: int) -> Path:
    names = sorted((database.repository / "postgres/pgbackrest/archive").rglob("0000000100000000*-*"))
    return names[number]


def flipped(database: Database, segment: Path, whole: bytes) -> bytes:
    """The segment with one bit flipped where neither the compression nor pgBackRest by itself notices."""
    fetched = database.folder / "spool/fetched"
    for place in range(len(whole) // 4, len(whole), max(1, len(whole) // 64)):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        segment.write_bytes(damaged)
        try:
            database.run(database.pgbackrest, "--stanza=main", "archive-get", segment.name[:24], fetched)
        except AssertionError:
            continue
        sha1 = hashlib.sha1(fetched.read_bytes(), usedforsecurity=False).hexdigest()
        fetched.unlink()
        if sha1 != segment.name[25:65]:
            return damaged
    raise AssertionError("every flip was noticed")


@pytest.mark.parametrize("fault", ["removed", "emptied", "truncated", "flipped", "foreign"])
@pytest.mark.parametrize("target", ["latest", "moment"])
def test_a_damaged_segment_is_never_the_silent_end(
    database: Database, moments: list[str], fault: str, target: str
) -> None:
    """Damage that comes after the plan was made: before it the plan itself refuses."""
    recovery = Recovery(database, "latest" if target == "latest" else moments[4])
    order = recovery.order()
    plan = recovery.plan()
    middle = next(
        path
        for path in sorted((database.repository / "postgres/pgbackrest/archive").rglob("*-*.zst"))
        if path.name[:24] > plan.first_segment and (plan.last_segment > path.name[:24])
    )
    whole = middle.read_bytes()
    status = middle.stat()
    other = next(path for path in middle.parent.iterdir() if path.name[:24] > middle.name[:24])
    try:
        if fault == "removed":
            middle.unlink()
        else:
            content = {
                "emptied": b"",
                "truncated": whole[: len(whole) // 2],
                "flipped": flipped(database, middle, whole) if fault == "flipped" else b"",
                "foreign": other.read_bytes(),
            }
            middle.write_bytes(content[fault])
        with pytest.raises(errors.BackupError) as stopped:
            recovery.run(order)
        assert not recovery.volume.read().get("report")
        if fault in ("removed", "emptied"):
            assert "missing" in str(stopped.value)
        else:
            assert "another content" in str(stopped.value) or "could not be fetched" in str(stopped.value)
    finally:
        middle.write_bytes(whole)
        shutil.chown(middle, status.st_uid, status.st_gid)
    assert recovery.run(order)["amcheck"] == "passed"


@pytest.fixture
def small(database: Database) -> Iterator[Path]:
    """A volume of 64 MiB, which can be made larger as one of Kubernetes can."""
    if os.getuid():
        pytest.skip("only root may mount a volume")
    folder = database.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def enlarge(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free)
        file.seek(0, os.SEEK_END)
        while True:
            file.write(bytes(1 << 20))


@pytest.mark.parametrize("phase", ["restore", "replay"])
def test_a_volume_that_is_or_becomes_too_small(database: Database, moments: list[str], small: Path, phase: str) -> None:
    recovery = Recovery(database, moments[4], "small")
    with pytest.raises(errors.BackupError, match=r"The volume has 0\.\d GiB free, but the recovery needs"):
        recovery.run()
    assert not recovery.volume.data.exists()
    enlarge(small, "340m")
    sign = recovery.volume.wal_plan if phase == "restore" else recovery.volume.log
    order = recovery.order()

    def fills() -> bool:
        if sign.exists() and not (small / "filler").exists():
            fill(small)
        return False

    with pytest.raises(errors.BackupError, match=r"The volume became full .*Make it larger"):
        recovery.run(order, fills)
    assert not recovery.volume.read().get("report")
    recovery.new_pod()
    enlarge(small, "1g")
    assert recovery.run(order)["tables"] == {"public.t": 5}
    assert recovery.sql(ROWS) == "1,2,3,4,5"


@pytest.mark.parametrize("phase", ["restore", "replay"])
def test_a_killed_restore_is_done_again(database: Database, moments: list[str], phase: str) -> None:
    recovery = Recovery(database, moments[4])
    sign = recovery.volume.data / "global" if phase == "restore" else recovery.volume.log
    order = recovery.order()
    assert recovery.run(order, sign.exists) is None
    recovery.new_pod()
    assert recovery.run(order)["tables"] == {"public.t": 5}
    assert recovery.sql(ROWS) == "1,2,3,4,5"


def test_a_verification_that_fails_leaves_a_report_that_says_so(database: Database) -> None:
    recovery = Recovery(database, "latest")
    segment = sorted((database.repository / "postgres/pgbackrest/archive").rglob("0000000100000000*-*"))[-2]
    aside = segment.rename(segment.parent.parent / segment.name)
    try:
        with pytest.raises(errors.BackupError, match="is missing"):
            recovery.verify()
    finally:
        aside.rename(segment)
    (path,) = (database.repository / "verifications").glob("*.json")
    report = json.loads(path.read_text())
    assert not report["ok"]
    assert "is missing" in report["message"]
    assert not recovery.volume.data.exists()
    path.unlink()


def test_a_verification_leaves_a_report_and_no_data(database: Database) -> None:
    recovery = Recovery(database, "latest")
    report = recovery.verify()
    assert report["ok"]
    assert report["tables"] == {"public.t": 6}
    assert report["rto_seconds"] > 0
    assert report["data_age_seconds"] >= 0
    assert list((database.repository / "verifications").glob("*.json"))
    assert not recovery.volume.data.exists()
