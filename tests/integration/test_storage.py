"""The store of the backups on two real S3 servers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backup.errors import LockedError, MissingError, StoreError
from backup.storage import PART_BYTES, Store, StoreSettings
from stores import STRANGER
from stores import Store as Server


def opened(server: Server, bucket: str, user: str | None = None) -> Store:
    values = server.settings(bucket, user) if user else server.settings(bucket)
    return Store(StoreSettings.from_mapping(values), attempts=2)


@pytest.fixture
def bucket(store: Server) -> str:
    return store.make_bucket()


@pytest.fixture
def ours(store: Server, bucket: str) -> Store:
    return opened(store, bucket)


def uploads(server: Server, bucket: str) -> list[str]:
    return [one["Key"] for one in server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def test_what_is_written_is_read(ours: Store) -> None:
    ours.write("folder/name with blank", b"content")
    assert ours.read("folder/name with blank") == b"content"
    assert [(item.key, item.size) for item in ours.list("folder")] == [("folder/name with blank", 7)]
    assert ours.exists("folder/name with blank")
    assert not ours.exists("folder/name")
    with pytest.raises(MissingError):
        ours.read("folder/name")


def test_more_keys_than_a_page_are_listed_and_deleted_and_main2_is_not_main(ours: Store) -> None:
    keys = [f"archive/main/{number:04}" for number in range(1005)] + ["archive/main2/0001"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: ours.write(key, b"x"), keys))
    assert [item.key for item in ours.list("archive/main")] == keys[:-1]
    outcome = ours.delete(keys[:-1])
    assert (len(outcome.deleted), outcome.errors) == (1005, ())
    assert [item.key for item in ours.list("archive")] == ["archive/main2/0001"]
    assert ours.delete(keys[:1]).errors == ()


def test_an_upload_in_parts(ours: Store) -> None:
    content = os.urandom(1 << 20) * 35
    uploaded = ours.upload("dump", (content[start : start + 999_983] for start in range(0, len(content), 999_983)))
    assert uploaded.size == len(content) > 2 * PART_BYTES
    assert b"".join(ours.download("dump")) == content
    assert ours.upload("empty", []).size == 0
    assert ours.read("empty") == b""


def test_an_upload_that_fails_leaves_no_object_and_no_parts(store: Server, bucket: str, ours: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * PART_BYTES
        raise OSError("pg_dump failed")

    with pytest.raises(OSError, match="pg_dump failed"):
        ours.upload("dump", broken())

    def refuse() -> None:
        raise ValueError("exit code 1")

    with pytest.raises(ValueError, match="exit code"):
        ours.upload("dump", [b"x"], refuse)
    assert not ours.exists("dump")
    assert uploads(store, bucket) == []


KILLED = """
import os, sys, time
from backup.storage import PART_BYTES, Store, StoreSettings
def chunks():
    for _ in range(3):
        yield b"x" * PART_BYTES
    print("half", flush=True)
    time.sleep(60)
Store(StoreSettings(**eval(sys.argv[1]))).upload("postgres/dumps/1/dump", chunks())
"""


def test_an_upload_that_is_killed_leaves_no_object_and_its_parts_can_be_removed(
    store: Server, bucket: str, ours: Store
) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, repr(store.settings(bucket))],
        env={**os.environ, "PYTHONPATH": str(root / "plugins" / "module_utils")},
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"half\n"
    process.kill()
    process.wait()
    assert list(ours.list("")) == []
    key = "postgres/dumps/1/dump"
    ours.upload(key, [b"whole"])
    assert ours.read(key) == b"whole"
    (left,) = ours.uploads("postgres/dumps/")
    assert left.key == key
    assert abs(left.started.timestamp() - time.time()) < 600
    assert list(ours.uploads("redis/")) == []
    for _again in range(2):
        ours.abort(left)
    assert list(ours.uploads("postgres/dumps/")) == uploads(store, bucket) == []
    assert ours.read(key) == b"whole"


def test_one_of_many_takes_the_lock(ours: Store) -> None:
    with ours.lock("maintenance", "first", 60) as lease:
        lease.check()
        with pytest.raises(LockedError, match="first holds the lock"), ours.lock("maintenance", "second", 60):
            pass
    with ours.lock("maintenance", "third", 60):
        pass
    assert list(ours.list("locks")) == []


def test_a_lock_that_ran_out_is_taken_by_one(store: Server, bucket: str, ours: Store) -> None:
    ours.write("locks/maintenance.json", b'{"holder": "dead", "since": "-", "seconds": 1}')
    with pytest.raises(LockedError, match="dead"), ours.lock("maintenance", "second", 60):
        pass
    time.sleep(3)
    with ours.lock("maintenance", "second", 60) as lease:
        lease.check()
        with pytest.raises(LockedError, match="second"), opened(store, bucket).lock("maintenance", "third", 60):
            pass


def test_a_stranger_is_refused_in_a_sentence(store: Server, bucket: str) -> None:
    with pytest.raises(StoreError, match=r"The store refuses to (list|read)") as error:
        list(opened(store, bucket, STRANGER).list("a"))
    assert store.secrets[STRANGER] not in str(error.value)
    wrong = Store(StoreSettings.from_mapping(store.settings("absent-bucket")), attempts=1)
    with pytest.raises(StoreError):
        list(wrong.list("a"))


def test_the_clocks_agree(ours: Store) -> None:
    assert abs(ours.clock_skew_seconds()) < 5


def test_a_versioned_bucket_only_hides_what_is_deleted(store: Server) -> None:
    ours = opened(store, store.make_bucket(versioning=True))
    ours.write("a/1", b"1")
    outcome = ours.delete(["a/1"])
    assert outcome.errors == ()
    assert outcome.markers == 1
    assert list(ours.list("a")) == []


def test_a_locked_object_survives_its_deletion(store: Server) -> None:
    bucket = store.make_bucket(lock=True)
    ours = opened(store, bucket)
    ours.write("a/1", b"1")
    client = store.client()
    version = client.list_object_versions(Bucket=bucket)["Versions"][0]["VersionId"]
    client.put_object_legal_hold(Bucket=bucket, Key="a/1", VersionId=version, LegalHold={"Status": "ON"})
    outcome = ours.delete(["a/1"])
    assert outcome.markers == 1 or outcome.errors
    assert len(client.list_object_versions(Bucket=bucket)["Versions"]) == 1
    client.put_object_legal_hold(Bucket=bucket, Key="a/1", VersionId=version, LegalHold={"Status": "OFF"})


def test_rights_that_are_missing_on_list_and_delete_are_told(versitygw: Server) -> None:
    bucket = versitygw.make_bucket()
    ours = opened(versitygw, bucket)
    ours.write("a/1", b"1")
    versitygw.allow(bucket, on_bucket=[], on_objects=["GetObject", "PutObject"])
    with pytest.raises(StoreError, match="refuses to list a/"):
        list(ours.list("a"))
    outcome = ours.delete(["a/1"])
    assert (outcome.deleted, outcome.errors) == ((), (("a/1", "AccessDenied"),))
    assert ours.read("a/1") == b"1"


def test_an_outage_is_a_sentence_and_ends(versitygw: Server) -> None:
    ours = opened(versitygw, versitygw.make_bucket())
    ours.write("a/1", b"1")
    versitygw.stop()
    try:
        with pytest.raises(StoreError, match="does not answer"):
            ours.read("a/1")
    finally:
        versitygw.start()
    assert ours.read("a/1") == b"1"
