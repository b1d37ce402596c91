"""Catalogue, plan and deletion against real S3 servers; pgBackRest's part is in test_expire.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backup.catalogue import read_catalogue
from backup.policy import Keep, Policy
from backup.removal import RetentionResult, apply_plan
from backup.retention import plan
from backup.storage import Store, StoreSettings
from stores import USER
from stores import Store as Server

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "backup"))
from repository import Repository, day

NOW = day(20)
POLICY = Policy(dumps=Keep(days=5.0, minimum=2), snapshots=Keep(days=3.0, minimum=1), cap="100%")


def filled() -> Repository:
    repository = Repository()
    repository.row(1, 1, 200, day(0), NOW - timedelta(seconds=1))
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
        repository.dump(day(number + 0.5))
        repository.dump(day(number + 0.6), kind="redis")
    return repository


def opened(server: Server, bucket: str, repository: Repository) -> Store:
    ours = Store(StoreSettings.from_mapping(server.settings(bucket)), attempts=2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: ours.write(item[0], item[1][0]), repository.objects.items()))
    return ours


def nothing_physical(_arguments: object) -> str:
    raise AssertionError("this plan deletes no base backup")


def run(ours: Store) -> RetentionResult:
    """Dumps and snapshots only: no base backup is older than this window."""
    policy = Policy(window_days=100.0, dumps=POLICY.dumps, snapshots=POLICY.snapshots, cap="100%")
    found = plan(read_catalogue(ours, NOW), policy, NOW)
    return apply_plan(ours, found, nothing_physical, lambda: read_catalogue(ours, NOW), confirm=True)


def test_a_real_store_gives_the_same_plan_as_the_one_in_memory(store: Server) -> None:
    repository = filled()
    ours = opened(store, store.make_bucket(), repository)
    here, there = repository.catalogue(NOW), read_catalogue(ours, NOW)
    assert there.problems == ()
    assert [base.to_dict() for base in there.bases] == [base.to_dict() for base in here.bases]
    assert plan(there, POLICY, NOW).digest() == plan(here, POLICY, NOW).digest()


def test_old_dumps_and_snapshots_go_and_a_second_run_has_nothing_to_do(store: Server) -> None:
    ours = opened(store, store.make_bucket(), filled())
    result = run(ours)
    assert (len(result.dumps), len(result.snapshots), result.problems) == (15, 17, ())
    assert len(list(ours.list("postgres/dumps"))) == 5 * 2
    assert not run(ours).changed


def test_what_a_killed_upload_left_is_aborted(store: Server) -> None:
    bucket = store.make_bucket()
    ours = opened(store, bucket, Repository())
    begun = [f"postgres/dumps/{name}/hustlex.dump" for name in ("1", "2")] + ["redis/1/dump.rdb", "other/1"]
    for key in begun:
        upload = store.client(USER).create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        store.client(USER).upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"part")
    later = datetime.now(UTC) + timedelta(days=2, minutes=1)
    for moment, there in ((datetime.now(UTC), 4), (later, 1)):
        found = plan(read_catalogue(ours, moment), POLICY, moment)
        result = apply_plan(ours, found, nothing_physical, lambda: read_catalogue(ours, later))
        assert (result.problems, result.uploads) == ((), len(found.aborts)), found.aborts
        left = [one["Key"] for one in store.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
        assert len(left) == there
    assert left == ["other/1"]


KILLED = """
import os, signal, sys
from datetime import datetime
from backup.storage import Store, StoreSettings
from test_bucket_retention import run
class Mortal(Store):
    left = int(sys.argv[2])
    def write(self, key, data, if_absent=False):
        self.die()
        return super().write(key, data, if_absent)
    def delete(self, keys):
        self.die()
        keys = list(keys)
        super().delete(keys[: len(keys) // 2])
        self.die()
        return super().delete(keys)
    def die(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
run(Mortal(StoreSettings(**eval(sys.argv[1]))))
"""


@pytest.mark.parametrize("steps", [10, 33, 35])
def test_a_run_that_is_killed_is_finished_by_the_next(versitygw: Server, steps: int) -> None:
    bucket = versitygw.make_bucket()
    ours = opened(versitygw, bucket, filled())
    root = Path(__file__).parents[2]
    paths = [
        root / "plugins" / "module_utils",
        Path(__file__).parent,
        root / "roles" / "cluster" / "files" / "embedded",
    ]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, repr(versitygw.settings(bucket)), str(steps)],
        env={**os.environ, "PYTHONPATH": ":".join(map(str, paths))},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    run(ours)
    names = {item.key.split("/")[-2] for item in ours.list("postgres/dumps")}
    assert names == {f"202611{16 + number:02}T120000Z" for number in range(5)}
    assert len(list(ours.list("redis"))) == 3 * 2
    assert not run(ours).changed


def test_a_right_that_is_missing_is_told_and_the_next_run_goes_on(versitygw: Server) -> None:
    bucket = versitygw.make_bucket()
    ours = opened(versitygw, bucket, filled())
    versitygw.allow(bucket, on_objects=["GetObject", "PutObject"])
    result = run(ours)
    assert "did not delete" in result.problems[0]
    assert (result.dumps, result.snapshots) == ((), ())
    assert len(list(ours.list("postgres/dumps"))) == 20 * 2
    versitygw.allow(bucket)
    assert len(run(ours).dumps) == 15
