"""Restores of Redis snapshots with a real Redis: fetched by the job, loaded, proved and exchanged by the role's script."""

from __future__ import annotations

import hashlib
import json
import subprocess
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.errors import BackupError, RefusedError
from jobs import restore_redis
from servers import free_port, program, wait_for
from test_restores import Memory

SCRIPT = Path(__file__).parents[2] / "roles/backup/files/restore-redis.sh"
ID = "20261124T031500Z"


@dataclass
class Volume:
    """The volume of Redis, and a server on it as the role runs it: with its log on."""

    folder: Path
    store: Memory

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environ(self) -> dict[str, str]:
        server, environ = program("redis-server", "redis-server")
        path = f"{Path(server).parent}:{environ['PATH']}"
        return {**environ, "PATH": path, "DATA": str(self.data), "WORK": str(self.folder / "work")}

    def script(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(SCRIPT), *arguments]
        return subprocess.run(
            command, env={**self.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
        )

    def report(self, *arguments: str) -> dict[str, Any]:
        done = self.script(*arguments)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT ")))

    def fetch(self, backup: str = "latest") -> str:
        settings: Any = SimpleNamespace(store=lambda: self.store)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return str(restore_redis.main(Namespace(backup=backup, data=self.data, work=work), settings)["id"])

    def restored(self, backup: str = "latest") -> dict[str, Any]:
        self.fetch(backup)
        return self.report("build")

    def with_redis(self, *commands: list[str], appendonly: str = "yes") -> list[str]:
        """Answers of a Redis that runs on the live data for these commands."""
        port = str(free_port())
        options = [
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.data),
            "--appendonly",
            appendonly,
            "--save",
            "",
        ]
        server = subprocess.Popen(["redis-server", *options], env=self.environ, stdout=subprocess.DEVNULL)

        def cli(*words: str) -> str:
            done = subprocess.run(
                ["redis-cli", "-p", port, *words],
                env=self.environ,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            return done.stdout.strip()

        wait_for(lambda: cli("ping") == "PONG", what="Redis answers")
        answers = [cli(*words) for words in commands]
        cli("shutdown", "nosave")
        server.wait(20)
        return answers

    def snapshot(self, backup: str = ID, **changes: Any) -> None:
        """As the CronJob takes it, of the live data."""
        self.with_redis(["save"])
        data = (self.data / "dump.rdb").read_bytes()
        (self.data / "dump.rdb").unlink()
        manifest = {
            "id": backup,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "object": "dump.rdb",
            "keys": 103,
            **changes,
        }
        self.store.objects[f"redis/{backup}/dump.rdb"] = data
        self.store.objects[f"redis/{backup}/manifest.json"] = json.dumps(manifest).encode()

    def dbsize(self) -> str:
        return self.with_redis(["dbsize"])[0]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """103 keys in two databases, one of which expires soon and one later; then snapshot; then one key more."""
    found = Volume(tmp_path, Memory())
    found.data.mkdir()
    found.with_redis(
        ["eval", "for i = 1, 100 do redis.call('set', 'key:' .. i, string.rep('x', 100)) end", "0"],
        ["set", "later", "1", "ex", "3600"],
        ["set", "soon", "1", "px", "60000"],
        ["-n", "3", "set", "other", "1"],
    )
    found.snapshot()
    found.with_redis(["set", "after the snapshot", "1"])
    return found


def test_builds_beside_and_leaves_the_live_data_alone(volume: Volume) -> None:
    assert volume.restored() == {"id": ID, "state": "restored", "keys": 103, "volatile": 2, "expired": 0}
    assert volume.with_redis(["get", "after the snapshot"]) == ["1"]
    assert volume.restored()["keys"] == 103, "a second run finds it built"
    assert sorted(path.name for path in (volume.data / f"restored-{ID}").iterdir()) == [
        "appendonlydir",
        "dump.rdb",
        "restored.txt",
    ]


def test_swaps_and_goes_back(volume: Volume) -> None:
    volume.restored()
    assert volume.report("swap", ID)["state"] == "swapped"
    assert volume.with_redis(["get", "after the snapshot"], ["dbsize"], ["-n", "3", "get", "other"]) == ["", "102", "1"]
    volume.with_redis(["set", "after the restore", "1"])
    assert volume.restored()["state"] == "swapped", "a second run finds it done"
    assert volume.report("find", "latest") == {"id": ID, "state": "found", "keys": 0, "volatile": 0, "expired": 0}
    assert volume.report("revert", ID)["state"] == "reverted"
    assert volume.report("find", "latest")["state"] == "reverted", "a second run finds it done"
    assert volume.with_redis(["get", "after the snapshot"], ["get", "after the restore"]) == ["1", ""]
    volume.report("swap", ID)
    assert volume.with_redis(["get", "after the restore"]) == ["1"]
    assert volume.report("remove")["removed"] == 1
    assert sorted(path.name for path in volume.data.iterdir()) == [
        ".restore.lock",
        "appendonlydir",
        "dump.rdb",
    ]


def test_goes_back_to_before_the_last_of_several_restores(volume: Volume) -> None:
    second = "20261124T040000Z"
    volume.with_redis(["set", "more", "1"])
    volume.snapshot(second, keys=105)
    for backup in (second, ID):
        volume.restored(backup)
        volume.report("swap", backup)
    assert volume.report("find", "latest")["id"] == ID
    volume.report("revert", ID)
    assert volume.with_redis(["get", "more"]) == ["1"]


def test_serves_a_redis_without_a_log_as_well(volume: Volume) -> None:
    volume.restored()
    volume.report("swap", ID)
    assert volume.with_redis(["dbsize"], appendonly="no") == ["102"]


def test_expired_keys_are_allowed_for(volume: Volume) -> None:
    volume.with_redis(["del", "after the snapshot"], ["set", "gone", "1", "px", "1500"])
    volume.snapshot(keys=104)
    subprocess.run(["sleep", "2"], check=True)
    assert volume.restored() == {"id": ID, "state": "restored", "keys": 103, "volatile": 2, "expired": 1}


def test_an_exchange_cut_off_anywhere_goes_on(volume: Volume) -> None:
    """Each state that a kill can leave behind is made by hand; the next run ends in the same place."""
    volume.restored()
    live, new, old = volume.data, volume.data / f"restored-{ID}", volume.data / f"before-{ID}"
    partial = volume.data / f"before-{ID}.partial"
    steps = [
        partial.mkdir,
        lambda: (live / "appendonlydir").rename(partial / "appendonlydir"),
        lambda: partial.rename(old),
        lambda: (new / "appendonlydir").rename(live / "appendonlydir"),
        lambda: (new / "dump.rdb").rename(live / "dump.rdb"),
        lambda: (new / "restored.txt").rename(live / "restored.txt"),
        new.rmdir,
    ]
    for count in range(len(steps) + 1):
        for step in steps[:count]:
            step()
        volume.report("swap", ID)
        assert volume.dbsize() == "102"
        assert not new.exists()
        volume.report("revert", ID)
        assert volume.with_redis(["get", "after the snapshot"]) == ["1"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "it is cut off"),
        (lambda data: data[:-20] + b"x" * 20, "its content is damaged"),
    ],
)
def test_a_damaged_object_is_not_even_loaded(volume: Volume, damage: Any, words: str) -> None:
    key = f"redis/{ID}/dump.rdb"
    volume.store.objects[key] = damage(volume.store.objects[key])
    with pytest.raises(BackupError, match=words):
        volume.restored()
    assert not (volume.data / f"restored-{ID}.partial").exists()


def test_a_snapshot_that_was_bad_from_the_start_is_refused_by_redis_own_check(volume: Volume) -> None:
    good = volume.store.objects[f"redis/{ID}/dump.rdb"]
    bad = good[:100] + b"\xff" * 50 + good[150:]
    manifest = json.loads(volume.store.objects[f"redis/{ID}/manifest.json"])
    manifest["sha256"] = hashlib.sha256(bad).hexdigest()
    volume.store.objects |= {f"redis/{ID}/dump.rdb": bad, f"redis/{ID}/manifest.json": json.dumps(manifest).encode()}
    volume.fetch()
    done = volume.script("build")
    assert done.returncode == 1
    assert f"Snapshot {ID} is damaged, Redis' own check says" in done.stderr
    assert volume.with_redis(["get", "after the snapshot"]) == ["1"]


def test_another_number_of_keys_than_the_manifest_says_is_refused(volume: Volume) -> None:
    volume.snapshot(keys=999)
    volume.fetch()
    assert "holds 104 keys, but its manifest says 999" in volume.script("build").stderr


def test_refuses_what_is_not_there_or_was_not_removed(volume: Volume) -> None:
    assert "nothing to go back to" in volume.script("find", "latest").stderr
    assert "nothing to go back to" in volume.script("find", ID).stderr
    assert "nothing to exchange" in volume.script("swap", ID).stderr
    volume.restored()
    volume.report("swap", ID)
    volume.report("revert", ID)
    (volume.data / f"before-{ID}").mkdir()
    assert "is there from an earlier restore" in volume.script("swap", ID).stderr
    assert "is there from an earlier restore" in volume.script("build").stderr
    with pytest.raises(RefusedError, match="the newest are"):
        volume.fetch("20200101T000000Z")


def test_of_two_at_once_one_is_refused(volume: Volume) -> None:
    volume.fetch()
    with (volume.data / ".restore.lock").open("w") as lock:
        holder = subprocess.Popen(["flock", str(lock.name), "sleep", "5"])
        wait_for(lambda: "Another restore" in volume.script("build").stderr, 5)
        holder.kill()
        holder.wait()
    subprocess.run(["flock", "-w", "10", str(volume.data / ".restore.lock"), "true"], check=True)
    assert volume.report("build")["keys"] == 103


def test_a_full_volume_is_refused_before_anything_is_written(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(RefusedError, match="redis_storage_size"):
        volume.fetch()
    assert not list(volume.data.glob("restored-*"))


def test_without_enough_memory_it_says_so(volume: Volume) -> None:
    volume.fetch()
    limited = ["sh", "-c", f"ulimit -v 30000; exec sh {SCRIPT} build"]
    done = subprocess.run(limited, env=volume.environ, capture_output=True, text=True, timeout=60, check=False)
    assert "Redis ended while it should load the data" in done.stderr
    assert not (volume.data / f"restored-{ID}").exists()
    assert (volume.data / "appendonlydir").exists()
