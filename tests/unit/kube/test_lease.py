"""One operation at a time, whatever happens to those who held the lock."""

from __future__ import annotations

import copy
import multiprocessing
import os
import subprocess
import time as time_module
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube import lease
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.lease import (
    Keeper,
    LeaseHeldError,
    LeaseLostError,
    Run,
)

START = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
ADA, BOB = Run("ada@laptop", 11), Run("bob@desk", 12)


class Server:
    """One Lease, with the API server's rule that a change names the version it was made of."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None
        self.time, self.version = START, 0
        self.meanwhile: Any = None
        self.away = False

    def now(self) -> datetime:
        return self.time

    def find(self, *_where: Any) -> dict[str, Any] | None:
        if self.away:
            raise KubeError("away")
        found = copy.deepcopy(self.found)
        if self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        return found

    def create(self, _kind: Any, manifest: dict[str, Any]) -> None:
        if self.found is not None:
            raise ApiError("already exists", 409)
        self._store(copy.deepcopy(manifest))

    def merge(self, _kind: Any, _namespace: str, _name: str, change: dict[str, Any]) -> None:
        assert self.found is not None
        if change["metadata"]["resourceVersion"] != self.found["metadata"]["resourceVersion"]:
            raise ApiError("the object has been modified", 409)
        merged = copy.deepcopy(self.found)
        _merge(merged, change)
        self._store(merged)

    def _store(self, manifest: dict[str, Any]) -> None:
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        self.found = manifest


def _merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


@pytest.fixture
def server() -> Server:
    return Server()


def take(server: Server, run: Run, seconds: int = 60) -> lease.Held:
    return lease.acquire(server, "hustlex", "op", run, f"deploy by {run.who}", seconds)  # type: ignore[arg-type]


def give(server: Server, run: Run) -> bool:
    return lease.release(server, "hustlex", "op", run.identity)  # type: ignore[arg-type]


def test_taken_given_back_taken_by_another(server):
    assert take(server, ADA) == lease.Held(ADA.identity)
    assert give(server, ADA) is True
    assert take(server, BOB) == lease.Held(BOB.identity)
    assert give(server, ADA) is False


def test_a_second_run_is_told_who_holds_it_since_when_and_what_for(server):
    take(server, ADA)
    server.time += timedelta(seconds=20)
    with pytest.raises(LeaseHeldError) as error:
        take(server, BOB)
    for words in ("ada@laptop (process 11", "since 2026-11-25T15:00:00Z", '"deploy by ada@laptop"', "free in 40 s"):
        assert words in str(error.value)


def test_the_same_run_takes_it_again(server):
    take(server, ADA)
    assert take(server, ADA).taken_from == ""


def test_what_ran_out_is_taken_over_and_told(server):
    take(server, ADA)
    server.time += timedelta(seconds=60)
    assert take(server, BOB).taken_from == ADA.identity


def test_what_a_dead_run_of_this_machine_left_is_taken_over_at_once(server):
    process = subprocess.Popen(["sleep", "60"])
    try:
        mine = replace(Run.current(), pid=process.pid, started=lease._start_time(process.pid))
        take(server, mine)
        with pytest.raises(LeaseHeldError):
            take(server, BOB)
    finally:
        process.kill()
        process.wait()
    assert take(server, BOB).taken_from == mine.identity


def test_what_a_run_of_another_machine_left_is_taken_over_when_it_runs_out_and_not_before(server, time):
    elsewhere = Run("ada@laptop", 2**22 + 1, "another boot", "1")
    take(server, elsewhere)
    server.time += timedelta(seconds=40)
    Keeper("hustlex", held(elsewhere), clock=lambda: time[0]).beat(server)
    server.time += timedelta(seconds=59)
    with pytest.raises(LeaseHeldError) as error:
        take(server, BOB)
    assert str(error.value) == (
        f'{elsewhere.identity} holds the lock of this environment since 2026-11-25T15:00:00Z for "deploy by ada@laptop":'
        " wait until it has ended; if it died, the lock is free in 1 s."
    )
    server.time += timedelta(seconds=1)
    assert take(server, BOB) == lease.Held(BOB.identity, elsewhere.identity)
    assert server.found["spec"]["acquireTime"].startswith("2026-11-25T15:01:40")
    assert give(server, elsewhere) is False


@pytest.mark.parametrize(
    ("change", "is_over"),
    [
        ({}, True),
        ({"pid": os.getpid()}, True),
        ({"pid": os.getpid(), "started": lease._start_time(os.getpid())}, False),
        ({"machine": "another boot"}, False),
    ],
    ids=["ended", "its number is another's", "lives", "another machine"],
)
def test_a_run_is_only_taken_for_dead_where_that_is_sure(change, is_over):
    ended = replace(Run.current(), pid=2**22 + 1, started="1")
    assert replace(ended, **change).is_over() is is_over


def test_where_machines_cannot_be_told_apart_no_run_is_taken_for_dead(monkeypatch):
    monkeypatch.setattr(lease, "_machine", lambda: "")
    assert not replace(Run.current(), pid=2**22 + 1, started="1").is_over()


@pytest.mark.parametrize("first", [True, False], ids=["create", "change"])
def test_of_two_at_the_same_moment_one_wins(server, first):
    if not first:
        take(server, ADA)
        give(server, ADA)
    server.meanwhile = lambda: take(server, BOB)
    with pytest.raises(LeaseHeldError, match="bob@desk"):
        take(server, ADA)


def held(run: Run = ADA) -> dict[str, Any]:
    return {"name": "op", "holder": run.identity, "seconds": 60}


@pytest.fixture
def time() -> list[float]:
    return [0.0]


def keep(time: list[float], orphaned: bool = False) -> Keeper:
    return Keeper("hustlex", held(), clock=lambda: time[0], orphaned=lambda: orphaned)


def test_it_is_renewed_when_a_third_of_its_time_is_over(server, time):
    take(server, ADA)
    keeper = keep(time)
    keeper.beat(server)
    version = server.version
    time[0] = 19
    keeper.beat(server)
    assert server.version == version
    time[0], server.time = 21, START + timedelta(seconds=21)
    keeper.beat(server)
    assert server.version == version + 1
    server.time = START + timedelta(seconds=80)
    with pytest.raises(LeaseHeldError):
        take(server, BOB)


def test_a_lost_lease_ends_the_wait(server, time):
    take(server, ADA)
    server.time += timedelta(seconds=61)
    take(server, BOB)
    with pytest.raises(LeaseLostError, match="bob@desk"):
        keep(time).beat(server)


def test_a_task_whose_run_was_killed_ends(server, time):
    take(server, ADA)
    keeper = keep(time, orphaned=True)
    with pytest.raises(LeaseLostError, match="is no more"):
        keeper.beat(server)


def test_the_worker_of_a_killed_run_takes_no_lock():
    """As Ansible's workers it was forked by the run, and lives on with another parent, for which it must not lock."""
    context = multiprocessing.get_context("fork")
    answers, told = context.Pipe(duplex=False)
    go = context.Event()

    def worker() -> None:
        go.wait(20)
        try:
            told.send(f"is {Run.current().pid}")
        except LeaseLostError as error:
            told.send(str(error))

    def playbook() -> None:
        context.Process(target=worker).start()
        time_module.sleep(20)

    killed = context.Process(target=playbook)
    killed.start()
    time_module.sleep(0.5)
    killed.kill()
    killed.join()
    go.set()
    assert answers.poll(20)
    assert "is no more" in answers.recv()


def test_an_api_server_that_is_away_ends_nothing(server, time):
    take(server, ADA)
    keeper = keep(time)
    server.away = True
    keeper.beat(server)
    server.away = False
    keeper.beat(server)
    assert server.found["spec"]["renewTime"].startswith("2026-11-25T15:00:00")
