"""Base backups, increments, WAL, timelines, recovery and retention by the jobs and the real pgBackRest, on two S3 servers."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from recoveries import BucketDatabase, Recovery, as_user, base, catalogue, maintenance, retention, settings
from servers import wait_for
from stores import SERVERS, Store

POLICY = {"window_days": 1e-6, "minimum_bases": 1, "cap": "100%"}
ROWS = "SELECT string_agg(n::text, ',' ORDER BY n) FROM t"


@dataclass
class Life:
    """A database on a bucket: two rows and a full base, one row and an increment, a failover, and rows after it."""

    database: BucketDatabase
    moments: dict[int, str]
    increment: str

    def job(self, work: Callable[[Any], Any]) -> Any:
        """As its pod runs it: pgBackRest is in the path, and the database beside it."""

        class Here(settings.Settings):
            def store(self, made: Any = self.database.store) -> Any:
                return made

        here = Here(self.database.settings, "test", "test", database="postgres")
        return as_user(lambda: work(here))


def row(database: BucketDatabase, number: int) -> str:
    """A row, a moment after it, and another transaction behind that one."""
    database.sql(f"INSERT INTO t VALUES ({number})")
    time.sleep(0.05)
    moment = database.now()
    time.sleep(0.05)
    database.sql("SELECT pg_switch_wal()")
    return moment


def archive_all(database: BucketDatabase) -> None:
    """Later than all moments so far, also by an S3 server, which tells the time of an upload in whole seconds."""
    time.sleep(1)
    database.archive_all()


@pytest.fixture(scope="module", params=list(SERVERS))
def life(request: pytest.FixtureRequest, store_of: Callable[[str], Store]) -> Iterator[Life]:
    folder = Path(tempfile.mkdtemp(prefix="hx-"))
    folder.chmod(0o755)
    server = store_of(request.param)
    database = BucketDatabase(folder, server, server.make_bucket())
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
            patch.setattr(base.pgbackrest, "database_options", lambda _settings: [])
            patch.setattr(maintenance, "_PAUSE_SECONDS", 0.2)
            yield lived(database)
    finally:
        database.stop()
        shutil.rmtree(folder)


def lived(database: BucketDatabase) -> Life:
    made = Life(database, {}, "")
    database.sql("CREATE TABLE t (n int PRIMARY KEY)")
    for number in (1, 2):
        made.moments[number] = row(database, number)
    made.job(lambda here: base.main(Namespace(type="full"), here))
    made.moments[3] = row(database, 3)
    made.increment = made.job(lambda here: base.main(Namespace(type="incr"), here))["label"]
    time.sleep(1.1)
    made.moments[4] = row(database, 4)
    database.fail_over()
    for number in (5, 6):
        made.moments[number] = row(database, number)
    archive_all(database)
    return made


@pytest.fixture
def recovery(life: Life) -> Iterator[Callable[[str], Recovery]]:
    yield lambda target: Recovery(life.database, target)
    shutil.rmtree(life.database.folder / "volume", ignore_errors=True)


@pytest.mark.parametrize("number", [4, 5], ids=["before the failover", "behind it"])
def test_an_increment_is_recovered_across_timelines(
    life: Life, recovery: Callable[[str], Recovery], number: int
) -> None:
    found = recovery(life.moments[number])
    planned = found.plan()
    assert (planned.base, planned.timeline) == (life.increment, 2)
    assert [piece.timeline for piece in planned.pieces] == [1, 2]
    report = found.run()
    assert (report["from_timeline"], report["timeline"], report["amcheck"]) == (2, 3, "passed")
    assert found.sql(ROWS) == ",".join(str(each) for each in range(1, number + 1))


def test_retention_during_a_base_backup_waits_and_nothing_is_lost(
    life: Life, recovery: Callable[[str], Recovery]
) -> None:
    """Old sets and WAL go by the real expire, under the lock that the real backup holds."""
    full = Namespace(type="full")
    kept = life.job(lambda here: base.main(full, here))["label"]
    time.sleep(1.2)
    with ThreadPoolExecutor(2) as pool:
        backup = pool.submit(life.job, lambda here: base.main(full, here))
        wait_for(lambda: life.database.store.exists("locks/maintenance.json"), 60)
        order = Namespace(check=False, expect="", confirm=True)
        going = pool.submit(life.job, lambda here: retention.main(order, replace(here, policy=POLICY)))
        made, report = backup.result(), going.result()
    planned, finished = (datetime.fromisoformat(each) for each in (report["plan"]["at"], made["finished"]))
    assert planned >= finished, "retention planned while the backup was being written"
    assert report["result"]["problems"] == []
    assert life.increment in report["result"]["bases"]
    assert report["result"]["segments"] > 0
    now = datetime.now(UTC)
    found = catalogue.read_catalogue(life.database.store, now)
    assert {made["label"]} <= {each.label for each in found.valid_bases} <= {kept, made["label"]}
    assert (found.problems, found.gaps) == ((), ())
    moment = row(life.database, 7)
    archive_all(life.database)
    assert recovery(moment).run()["tables"] == {"public.t": 7}
