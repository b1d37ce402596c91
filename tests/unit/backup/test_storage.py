"""The store when it fails: each failure is a clean retry or one sentence."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup.errors import LockedError, MissingError, StoreError
from backup.storage import PART_BYTES, Store, StoreSettings

from .faulty_s3 import Fault, FaultyS3


@pytest.fixture
def s3() -> FaultyS3:
    return FaultyS3()


@pytest.fixture
def store(s3: FaultyS3, tmp_path: Path) -> Iterator[Store]:
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = user-name\naws_secret_access_key = very-secret\n")
    with s3.serve() as endpoint:
        settings = StoreSettings("bucket", endpoint, path_style=True, credentials_file=str(credentials))
        yield Store(settings, sleep=lambda _seconds: None, attempts=2)


def test_pages_are_put_together_and_a_prefix_is_a_folder(s3: FaultyS3, store: Store) -> None:
    s3.page = 7
    s3.objects = {f"main/{number:03}": b"x" for number in range(50)} | {"main2/0": b"y", "main": b"z", "main/a b%": b""}
    keys = [item.key for item in store.list("main")]
    assert len(keys) == 51
    assert "main/a b%" in keys
    assert {key.partition("/")[0] for key in keys} == {"main"}


def test_a_listing_that_fails_in_the_middle_is_no_listing(s3: FaultyS3, store: Store) -> None:
    s3.page = 10
    s3.objects = {f"a/{number:03}": b"" for number in range(30)}
    s3.faults = [Fault("GET", "continuation-token=10", "AccessDenied", 403)]
    with pytest.raises(StoreError, match="refuses to list a/: its user lacks the right"):
        list(store.list("a/"))


def test_a_listing_of_other_keys_is_refused(s3: FaultyS3, store: Store) -> None:
    s3.objects = {"a/1": b""}
    s3.stray = "b/1"
    with pytest.raises(StoreError, match="listed b/1 although only a/ was asked for"):
        list(store.list("a/"))


def test_slow_down_is_waited_for(s3: FaultyS3, store: Store) -> None:
    s3.objects = {"a/1": b"content"}
    s3.faults = [Fault("GET", "a/1", "SlowDown", 503, times=1)]
    assert store.read("a/1") == b"content"


def test_slow_down_for_ever_is_a_sentence(s3: FaultyS3, store: Store) -> None:
    s3.objects = {"a/1": b"content"}
    s3.faults = [Fault("GET", "a/1", "SlowDown", 503, times=99)]
    with pytest.raises(StoreError, match="asks to slow down"):
        store.read("a/1")


def test_an_object_that_is_not_there_is_missing_and_a_refusal_is_not(s3: FaultyS3, store: Store) -> None:
    with pytest.raises(MissingError):
        store.read("a/1")
    assert not store.exists("a/1")
    s3.faults = [Fault("GET", "a/1", "AccessDenied", 403)]
    with pytest.raises(StoreError) as error:
        store.read("a/1")
    assert not isinstance(error.value, MissingError)


def test_a_read_that_breaks_off_is_taken_up_where_it_broke(s3: FaultyS3, store: Store) -> None:
    content = os.urandom(300_000)
    s3.objects = {"a/1": content}
    s3.faults = [Fault("GET", "a/1", cut_at=100_000), Fault("GET", "a/1", cut_at=1)]
    assert store.read("a/1") == content
    assert len(s3.requests) == 3


def test_a_read_that_breaks_off_again_and_again_is_an_error(s3: FaultyS3, store: Store) -> None:
    s3.objects = {"a/1": b"content"}
    s3.faults = [Fault("GET", "a/1", cut_at=1, times=99)]
    with pytest.raises(StoreError, match="broke off a/1 4 times"):
        store.read("a/1")


def test_deletes_go_in_batches(s3: FaultyS3, store: Store) -> None:
    s3.objects = {f"a/{number}": b"" for number in range(2001)}
    outcome = store.delete(list(s3.objects))
    assert (len(outcome.deleted), outcome.errors, s3.objects) == (2001, (), {})
    assert len(s3.requests) == 3


def test_what_is_busy_is_deleted_again_and_what_is_refused_is_told(s3: FaultyS3, store: Store) -> None:
    s3.objects = {f"a/{number}": b"" for number in range(5)}
    s3.delete_errors = {"a/1": "SlowDown", "a/2": "InternalError"}
    s3.locked = {"a/3"}
    outcome = store.delete(sorted(s3.objects))
    assert outcome.errors == (("a/3", "AccessDenied"),)
    assert set(s3.objects) == {"a/3"}


def test_a_key_that_stays_busy_is_told(s3: FaultyS3, store: Store) -> None:
    s3.objects = {"a/1": b""}
    s3.busy = {"a/1"}
    assert store.delete(["a/1"]).errors == (("a/1", "SlowDown"),)


@pytest.mark.parametrize("skew", [0.0, 400.0, -400.0])
def test_the_clocks_are_compared(s3: FaultyS3, store: Store, skew: float) -> None:
    s3.skew = skew
    assert abs(store.clock_skew_seconds() - skew) < 3


def test_an_upload_appears_only_when_it_is_whole(s3: FaultyS3, store: Store) -> None:
    content = os.urandom(PART_BYTES + 5)
    seen = []
    uploaded = store.upload("a/1", iter([content[:7], content[7:]]), lambda: seen.append(set(s3.objects)))
    assert seen == [set()]
    assert s3.objects["a/1"] == content
    assert uploaded.size == len(content)
    assert store.upload("a/2", []).size == 0
    assert s3.objects["a/2"] == b""


@pytest.mark.parametrize("where", ["chunks", "before completion", "part", "completion"])
def test_an_upload_that_fails_leaves_nothing(s3: FaultyS3, store: Store, where: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * PART_BYTES
        if where == "chunks":
            raise ValueError(where)
        yield b"rest"

    def before_completion() -> None:
        if where == "before completion":
            raise ValueError(where)

    if where == "part":
        s3.faults = [Fault("PUT", "partNumber=2", "AccessDenied", 403, times=99)]
    if where == "completion":
        s3.faults = [Fault("POST", "uploadId", "AccessDenied", 403, times=99)]
    with pytest.raises((ValueError, StoreError)):
        store.upload("a/1", chunks(), before_completion)
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_lock_is_held_by_one(s3: FaultyS3, store: Store) -> None:
    with store.lock("maintenance", "first", 60) as lease:
        lease.check()
        with pytest.raises(LockedError, match="first holds the lock since"), store.lock("maintenance", "second", 60):
            pass
    assert s3.objects == {}


def test_a_lease_that_ran_out_or_was_taken_is_noticed(s3: FaultyS3, store: Store) -> None:
    now = [1_000_000.0]
    timed = Store(store.settings, clock=lambda: now[0])
    with timed.lock("maintenance", "first", 60) as lease:
        now[0] += 61
        with pytest.raises(LockedError, match="ran out"):
            lease.check()
        now[0] -= 30
        s3.objects["locks/maintenance.json"] = b"{}"
        with pytest.raises(LockedError, match="Another run took the lock"):
            lease.check()
    assert s3.objects == {"locks/maintenance.json": b"{}"}


@pytest.mark.parametrize("our_clock", [-1e6, 0.0, 1e6])
def test_a_lock_that_ran_out_by_the_stores_clock_is_taken_over(s3: FaultyS3, store: Store, our_clock: float) -> None:
    timed = Store(store.settings, clock=lambda: time.time() + our_clock)
    store.write("locks/maintenance.json", b'{"holder": "dead", "since": "then", "seconds": 60}')
    s3.skew = 50
    with pytest.raises(LockedError, match="dead holds the lock since then"), timed.lock("maintenance", "second", 60):
        pass
    s3.skew = 70
    with timed.lock("maintenance", "second", 60) as lease:
        lease.renew(90)
        assert json.loads(s3.objects["locks/maintenance.json"])["seconds"] == 90
        lease.check()
    assert s3.objects == {}


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        ("InvalidAccessKeyId", 403, "does not know the access key"),
        ("SignatureDoesNotMatch", 403, "does not accept the secret key"),
        ("NoSuchBucket", 404, "bucket bucket does not exist"),
        ("RequestTimeTooSkewed", 403, "clocks of this machine and of the store"),
        ("Strange", 400, r"could not list a/ \(Strange\)"),
    ],
)
def test_errors_are_sentences_without_secrets(
    s3: FaultyS3, store: Store, code: str, status: int, sentence: str
) -> None:
    s3.faults = [Fault("GET", "prefix=a", code, status, times=99)]
    with pytest.raises(StoreError, match=sentence) as error:
        list(store.list("a/"))
    text = f"{error.value!s} {error.value!r}"
    assert not any(secret in text for secret in ("very-secret", "user-name", "secret-in-the-message", "Signature="))


def test_a_store_that_is_not_there_is_a_sentence(store: Store) -> None:
    away = Store(StoreSettings(**{**store.settings.__dict__, "endpoint": "http://127.0.0.1:9"}), attempts=1)
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9 does not answer"):
        away.read("a")


@pytest.mark.parametrize("values", [{}, {"bucket": ""}, {"bucket": "b", "key": "secret"}])
def test_settings_are_checked(values: dict[str, str]) -> None:
    with pytest.raises(StoreError):
        StoreSettings.from_mapping(values)


def test_missing_credentials_are_a_sentence(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    empty = tmp_path / "empty"
    empty.write_text("")
    anonymous = Store(StoreSettings(**{**store.settings.__dict__, "credentials_file": str(empty)}))
    with pytest.raises(StoreError, match="no credentials"):
        anonymous.read("a")
