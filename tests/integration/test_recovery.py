"""Restore to a point in time with the real PostgreSQL and pgBackRest: exactly what was asked for, or a clear stop."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recoveries import Database, Recovery, errors, write_minutes


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
    report = recovery.run()
    assert report["tables"] == {"public.t": 3}
    assert (report["timeline"], report["amcheck"]) == (2, "passed")
    assert report["stopped"].startswith("recovery stopping before commit of transaction")
    assert 0 <= report["age_seconds"] < 5
    settings = (recovery.volume.data / "postgresql.auto.conf").read_text()
    assert [line for line in settings.splitlines() if line and not line.startswith("#")] == []
    assert not (recovery.volume.data / "recovery.signal").exists()
    ready = {path.name for path in (recovery.volume.data / "pg_wal/archive_status").glob("*.ready")}
    assert "00000002.history.ready" in ready
    assert recovery.run() == report
    assert recovery.sql(ROWS) == "1,2,3"


def test_the_newest_moment(database: Database) -> None:
    report = Recovery(database, "latest").run()
    assert report["tables"] == {"public.t": 6}
    assert report["stopped"] == ""


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


@pytest.mark.parametrize("fault", ["removed", "emptied", "truncated", "foreign"])
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
            content = {"emptied": b"", "truncated": whole[: len(whole) // 2], "foreign": other.read_bytes()}
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


@pytest.mark.parametrize("phase", ["restore", "replay"])
def test_a_killed_restore_is_done_again(database: Database, moments: list[str], phase: str) -> None:
    recovery = Recovery(database, moments[4])
    sign = recovery.volume.data / "global" if phase == "restore" else recovery.volume.log
    assert recovery.run(kill_when=sign.exists) is None
    recovery.new_pod()
    assert recovery.run()["tables"] == {"public.t": 5}
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
