"""The start scripts of roles pgbouncer and redis, run with stand-ins for the servers."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"

# Like the real one: ends with 1 on a broken file, otherwise runs and notes its signals.
PGBOUNCER = f"""#!{sys.executable}
import os, pathlib, signal, sys, time
file = pathlib.Path(sys.argv[1])
def note(word, content=True):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(word + (" " + file.read_text() if content else "") + "\\n")
def stop(*_):
    note("int", False)
    os._exit(3)
if "broken" in file.read_text():
    sys.exit("FATAL cannot load config file")
if file.name != "check.ini":
    signal.signal(signal.SIGHUP, lambda *_: note("hup"))
    signal.signal(signal.SIGINT, stop)
    note("up")
while True:
    time.sleep(0.05)
"""


def script(role: str, template: str, **variables: object) -> str:
    text = (ROLES / role / "templates" / template).read_text()
    environment = jinja2.Environment(trim_blocks=True, autoescape=False, undefined=jinja2.ChainableUndefined)
    environment.filters |= {"hustlex.platform.memory_bytes": lambda _quantity: 0, "dictsort": lambda _items: []}
    content: dict[str, dict[str, str]] = yaml.safe_load(environment.from_string(text).render(variables))
    return content["data"]["start.sh"]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class Pooler:
    """The start script of role pgbouncer in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.ini = folder / "etc" / "pgbouncer.ini"
        self.secrets = folder / "secrets"
        self.run = folder / "run"
        self.notes = folder / "notes"
        self.errors = folder / "errors"
        for path in (self.ini.parent, self.secrets, self.run, folder / "bin"):
            path.mkdir()
        self.notes.touch()
        self.ini.write_text("pool = 1")
        (self.secrets / "PGBOUNCER_PASSWORD").write_text('lo"ok')
        (self.secrets / "MONITOR_PASSWORD").write_text("watch")
        server = folder / "bin" / "pgbouncer"
        server.write_text(PGBOUNCER)
        server.chmod(0o755)
        text = script("pgbouncer", "scripts.yaml.j2", pgbouncer_reload_seconds=0.1)
        for place, path in {"/etc/pgbouncer-secrets": self.secrets, "/etc/pgbouncer": self.ini.parent}.items():
            text = text.replace(f"={place}\n", f"={path}\n")
        self._script = folder / "start.sh"
        self._script.write_text(text.replace("=/run/pgbouncer\n", f"={self.run}\n"))
        self._environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "NOTES": str(self.notes)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                ["sh", str(self._script)], env=self._environment, stderr=errors, start_new_session=True
            )
        return self.process

    def kill(self) -> None:
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self.process.wait()


@pytest.fixture
def pooler(tmp_path: Path) -> Iterator[Pooler]:
    found = Pooler(tmp_path)
    yield found
    found.kill()


def test_the_pooler_runs_on_private_copies(pooler: Pooler) -> None:
    pooler.start()
    eventually(lambda: pooler.notes.read_text() == "up pool = 1\n")
    users = pooler.run / "userlist.txt"
    assert users.read_text() == '"pgbouncer" "lo""ok"\n"monitor" "watch"\n'
    assert stat.S_IMODE(users.stat().st_mode) == 0o600


def test_a_changed_file_is_reloaded_and_a_broken_one_is_not(pooler: Pooler) -> None:
    pooler.start()
    eventually(lambda: "up" in pooler.notes.read_text())
    pooler.ini.write_text("broken")
    eventually(lambda: "last good one stays in force" in pooler.errors.read_text())
    assert "FATAL cannot load config file" in pooler.errors.read_text()
    assert (pooler.run / "pgbouncer.ini").read_text() == "pool = 1"
    pooler.ini.write_text("pool = 2")
    eventually(lambda: "hup pool = 2" in pooler.notes.read_text())
    (pooler.secrets / "MONITOR_PASSWORD").write_text("other")
    eventually(lambda: pooler.notes.read_text().count("hup") == 2)
    assert '"monitor" "other"' in (pooler.run / "userlist.txt").read_text()


def test_a_restarted_container_falls_back_to_the_last_good_file(pooler: Pooler) -> None:
    pooler.start()
    eventually(lambda: "up" in pooler.notes.read_text())
    pooler.kill()
    pooler.ini.write_text("broken")
    pooler.start()
    eventually(lambda: pooler.notes.read_text().count("up pool = 1") == 2)
    assert "starting with the last good one" in pooler.errors.read_text()


def test_a_stop_lets_transactions_end_and_gives_the_exit_code(pooler: Pooler) -> None:
    process = pooler.start()
    eventually(lambda: "up" in pooler.notes.read_text())
    process.terminate()
    assert process.wait(timeout=10) == 3
    assert pooler.notes.read_text().endswith("int\n")


def test_the_pooler_does_not_start_without_a_password(pooler: Pooler) -> None:
    (pooler.secrets / "PGBOUNCER_PASSWORD").write_text("")
    assert pooler.start().wait(timeout=10) != 0
    assert "password PGBOUNCER_PASSWORD is missing or empty" in pooler.errors.read_text()


def redis_start(folder: Path, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name in ("bin", "secrets", "run", "etc"):
        (folder / name).mkdir()
    server = folder / "bin" / "redis-server"
    server.write_text('#!/bin/sh\necho "started $*"\n')
    server.chmod(0o755)
    (folder / "etc" / "users.acl").write_text(
        "user default on #@REDIS_PASSWORD@ ~*\nuser admin on #@ADMIN_PASSWORD@ ~*\n"
    )
    for name, password in passwords.items():
        (folder / "secrets" / name).write_text(password)
    text = script("redis", "config.yaml.j2", redis_maxmemory_percent=0)
    for place, path in {"/etc/redis-secrets": "secrets", "/run/redis": "run", "/etc/redis": "etc"}.items():
        text = text.replace(place, str(folder / path))
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", text], env=environment, capture_output=True, text=True, timeout=10, check=False)


def test_redis_gets_hashes_in_a_private_file(tmp_path: Path) -> None:
    password = "a&b/c\\d$e"
    result = redis_start(tmp_path, {"REDIS_PASSWORD": password, "ADMIN_PASSWORD": "x"})
    assert result.stdout == f"started {tmp_path}/etc/redis.conf\n"
    users = tmp_path / "run" / "users.acl"
    assert f"user default on #{hashlib.sha256(password.encode()).hexdigest()} ~*\n" in users.read_text()
    assert "@" not in users.read_text()
    assert stat.S_IMODE(users.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("passwords", "problem"),
    [
        ({"REDIS_PASSWORD": "x", "ADMIN_PASSWORD": ""}, "the password ADMIN_PASSWORD is empty"),
        ({"REDIS_PASSWORD": "x"}, "#@ADMIN_PASSWORD@\nthe password named above is missing"),
    ],
)
def test_redis_does_not_start_without_a_password(tmp_path: Path, passwords: dict[str, str], problem: str) -> None:
    result = redis_start(tmp_path, passwords)
    assert result.returncode == 1
    assert problem in result.stderr
