"""Snapshots of a real Redis, taken by the role's script with the rights of user backup, and stored by the job."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.errors import BackupError
from backup.storage import Uploaded
from jobs import redis_upload
from servers import _postgres_user, free_port, program, wait_for

ROLES = Path(__file__).parents[2] / "roles"
SCRIPT = ROLES / "backup/files/redis-snapshot.sh"
CONFIGURATION = ROLES / "redis/templates/config.yaml.j2"
PASSWORD = "password-of-user-backup"


@dataclass
class Redis:
    """A server with 200 keys, its user `backup`, and the folder that the two containers of the CronJob share."""

    folder: Path

    def __post_init__(self) -> None:
        server, environ = program("redis-server", "redis-server")
        self.port = free_port()
        for name in ("data", "snapshot"):
            (self.folder / name).mkdir()
        (self.folder / "password").write_text(PASSWORD)
        rules = re.search(r"user backup on #@BACKUP_PASSWORD@ (.*)", CONFIGURATION.read_text())
        assert rules
        # Debian's Redis is older than this command, which redis-cli does not need.
        known = rules[1].replace(" +client|setinfo", "")
        (self.folder / "users.acl").write_text(
            f"user default on >default ~* &* +@all\nuser backup on >{PASSWORD} {known}\n"
        )
        self.environ = {
            **environ,
            "PATH": f"{Path(server).parent}:{environ['PATH']}",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "SNAPSHOT": str(self.folder / "snapshot"),
            "PASSWORD_FILE": str(self.folder / "password"),
            "PAUSE": "0.05",
        }
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder / "data"), "--save", ""]
        options += ["--aclfile", str(self.folder / "users.acl"), "--repl-diskless-sync-delay", "0"]
        # Root would write into any folder.
        user = _postgres_user()
        if user:
            shutil.chown(self.folder / "data", user)
        self.process = subprocess.Popen([server, *options], env=self.environ, stdout=subprocess.DEVNULL, user=user)
        wait_for(lambda: self.cli("ping") == "PONG", what="Redis answers")
        self.cli("eval", "for i = 1, 200 do redis.call('set', 'key:' .. i, string.rep('x', 5000)) end", "0")

    def cli(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), "-a", "default", "--no-auth-warning", *words]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip()

    def snapshot(self) -> str:
        """As the CronJob: the script, then the job; what the script printed."""
        done = subprocess.run(
            ["sh", str(SCRIPT)], env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]


class Store:
    """What the job stores, by key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def upload(self, key: str, chunks: Iterator[bytes]) -> Uploaded:
        self.objects[key] = b"".join(chunks)
        return Uploaded(len(self.objects[key]), "00")

    def write(self, key: str, data: bytes) -> bool:
        self.objects[key] = data
        return True


@pytest.fixture
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="hx-") as name:
        Path(name).chmod(0o755)
        server = Redis(Path(name))
        yield server
        server.process.kill()
        server.process.wait()


def stored(redis: Redis) -> dict[str, bytes]:
    """What the job stores of what the script left."""
    store = Store()
    settings: Any = SimpleNamespace(store=lambda: store)
    redis_upload.main(Namespace(file=redis.folder / "snapshot/dump.rdb"), settings)
    return store.objects


def test_a_snapshot_is_taken_checked_and_dated_before_its_transfer(redis: Redis) -> None:
    redis.cli("config", "set", "rdb-key-save-delay", "10000")
    redis.snapshot()
    objects = stored(redis)
    (key,) = [key for key in objects if key.endswith("manifest.json")]
    manifest = json.loads(objects[key])
    assert manifest["keys"] == 200
    transfer = (redis.folder / "snapshot/dump.rdb").stat().st_mtime
    assert redis_upload.times.parse(manifest["started"]).timestamp() <= transfer - 1
    assert objects[key.replace("manifest.json", "dump.rdb")].startswith(b"REDIS")


def folder_is_read_only(redis: Redis) -> None:
    """What Redis writes before it sends it, where it does not send it directly, has no place."""
    redis.cli("config", "set", "repl-diskless-sync", "no")
    (redis.folder / "data").chmod(0o500)


def child_is_killed(redis: Redis) -> None:
    """As by the kernel when memory is short."""
    redis.cli("config", "set", "rdb-key-save-delay", "20000")
    threading.Thread(target=lambda: os.kill(wait_for(redis.children, 20)[0], 9)).start()


def password_is_wrong(redis: Redis) -> None:
    (redis.folder / "password").write_text("another")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (folder_is_read_only, "Redis sent no complete snapshot"),
        (child_is_killed, "Redis sent no complete snapshot"),
        (password_is_wrong, "Redis does not answer: .*WRONGPASS"),
    ],
)
def test_a_snapshot_that_fails_is_told_and_the_next_one_is_taken(redis: Redis, fault: Any, words: str) -> None:
    fault(redis)
    redis.snapshot()
    with pytest.raises(BackupError, match=rf"{words}.*\. Nothing was stored; the next run tries again\."):
        stored(redis)
    assert not (redis.folder / "snapshot/dump.rdb").exists()
    assert redis.cli("dbsize") == "200"
    (redis.folder / "data").chmod(0o700)
    (redis.folder / "password").write_text(PASSWORD)
    redis.cli("config", "set", "rdb-key-save-delay", "0")
    redis.snapshot()
    assert len(stored(redis)) == 2
