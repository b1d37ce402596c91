"""Restores of dumps against a real PostgreSQL with the roles of role postgres, and a store in memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backup.errors import BackupError, LockedError, MissingError, RefusedError
from database import Cluster, Pod, cluster
from jobs import restore_dump, swap
from jobs.databases import login
from servers import wait_for

ID = "20261124T030000Z"
LIVE, RESTORED, BEFORE = "hustlex", f"hustlex_restored_{ID.lower()}", f"hustlex_before_{ID.lower()}"
SCHEMA = """
CREATE TABLE users (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE transactions (id bigserial PRIMARY KEY, user_id int REFERENCES users, amount numeric);
CREATE INDEX ON transactions (user_id);
CREATE VIEW rich AS SELECT user_id FROM transactions GROUP BY 1 HAVING sum(amount) > 100;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql RETURN n * 2;
REVOKE DELETE ON transactions FROM hustlex;
COMMENT ON TABLE users IS 'people';
COMMENT ON SCHEMA public IS 'ours';
INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 1000) n;
INSERT INTO transactions (user_id, amount) SELECT 1 + n % 1000, n FROM generate_series(1, 5000) n;
"""


@dataclass
class Memory:
    """A store of bytes."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def list(self, prefix: str) -> Iterator[Any]:
        for key, data in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield SimpleNamespace(key=key, size=len(data))

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise MissingError(f"{key} is not there.")
        return self.objects[key]

    def download(self, key: str) -> Iterator[bytes]:
        data = self.read(key)
        for start in range(0, len(data), 4096):
            yield data[start : start + 4096]


@dataclass
class Environment:
    """A primary with data, a dump of it in the store, and what the Job is given."""

    pod: Pod
    pods: Cluster
    store: Memory
    settings: Any

    def run(
        self, action: str = "restore", backup: str = "latest", confirm: str = "test", volume_bytes: int = 0
    ) -> dict[str, Any]:
        arguments = Namespace(action=action, backup=backup, confirm=confirm, volume_bytes=volume_bytes)
        return restore_dump.main(arguments, self.settings)

    def databases(self) -> list[str]:
        return self.pod.sql("SELECT datname FROM pg_database WHERE datname ~ '^hustlex' ORDER BY 1").split()

    def as_application(self, statement: str, database: str = LIVE) -> str:
        return self.pod.login("hustlex", self.pods.password("DB"), statement, database)

    def dump(self, backup: str = ID, **changes: Any) -> None:
        with login(self.settings, "backup") as server:
            data = subprocess.run(
                ["pg_dump", "--format=custom", f"--dbname={LIVE}"],
                env=dict(server.environment),
                capture_output=True,
                check=True,
            ).stdout
        manifest = {
            "id": backup,
            "kind": "dump",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "object": "hustlex.dump",
            "server_version": "15.1",
            "tables": {"public.users": 1000, "public.transactions": 5000},
            **changes,
        }
        self.store.objects[f"postgres/dumps/{backup}/hustlex.dump"] = data
        self.store.objects[f"postgres/dumps/{backup}/manifest.json"] = json.dumps(manifest).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with tempfile.TemporaryDirectory(prefix="hx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with cluster(folder / "c") as pods:
            pod = pods.pods["postgres-0"].start()
            pod.login("hustlex_owner", pods.password("OWNER"), SCHEMA)
            store = Memory()
            settings = SimpleNamespace(
                environment="test",
                database=LIVE,
                database_host="127.0.0.1",
                password=lambda role: pods.password(role.upper()),
                store=lambda: store,
            )
            environment = Environment(pod, pods, store, settings)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PGPORT", str(pod.port))
                environment.dump()
                yield environment


@pytest.fixture
def env(running: Environment) -> Iterator[Environment]:
    """Every test begins and ends with the live database alone."""
    kept = dict(running.store.objects)
    yield running
    running.store.objects = kept
    databases = running.databases()
    if BEFORE in databases:
        running.run("revert")
    running.run("remove")
    assert running.databases() == [LIVE, "hustlex_template"]
    assert running.as_application("SELECT count(*) FROM users") == "1000"


def test_restores_beside_and_leaves_the_live_database_alone(env: Environment) -> None:
    report = env.run()
    assert report["database"] == RESTORED
    assert report["changed"]
    assert report["rows"] == {"public.users": 1000, "public.transactions": 5000}
    assert report["indexes"] > 50
    assert report["differences"] == []
    assert report["notes"] == []
    assert env.databases() == [LIVE, RESTORED, "hustlex_template"]
    again = env.run()
    assert not again["changed"]
    assert again["rows"] == report["rows"]


def test_has_owners_privileges_comments_and_statistics(env: Environment) -> None:
    env.run()
    sql = partial(env.pod.sql, database=RESTORED)
    assert (
        sql(
            "SELECT count(*) FROM pg_class WHERE relowner <> 'hustlex_owner'::regrole AND relnamespace = 'public'::regnamespace AND relname !~ 'pg_stat'"
        )
        == "0"
    )
    assert sql("SELECT obj_description('users'::regclass) || obj_description('public'::regnamespace)") == "peopleours"
    assert sql("SELECT has_table_privilege('hustlex', 'transactions', 'DELETE')") == "f"
    assert sql("SELECT has_table_privilege('hustlex', 'users', 'DELETE')") == "t"
    assert sql("SELECT proowner::regrole FROM pg_proc WHERE proname = 'user_lookup'") == "postgres"
    assert sql("SELECT reltuples FROM pg_class WHERE relname = 'users'") == "1000"
    datacl = "SELECT array_agg(a::text ORDER BY a::text) FROM pg_database, unnest(datacl) a WHERE datname = '{}'"
    assert env.pod.sql(datacl.format(LIVE)) == env.pod.sql(datacl.format(RESTORED))


def test_keeps_what_belongs_to_the_database_itself(env: Environment) -> None:
    env.pod.sql(f"ALTER DATABASE {LIVE} SET statement_timeout = '7s'")
    env.pod.sql(f'ALTER DATABASE {LIVE} SET search_path = "$user", public')
    env.pod.sql(f"ALTER DATABASE {LIVE} CONNECTION LIMIT 77")
    env.run()
    settings = "SELECT datconnlimit, setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = '{}'"
    assert env.pod.sql(settings.format(RESTORED)) == env.pod.sql(settings.format(LIVE))
    env.pod.sql(f"ALTER DATABASE {LIVE} CONNECTION LIMIT -1")
    env.pod.sql(f"ALTER DATABASE {LIVE} RESET ALL")


def test_says_what_is_not_as_in_the_live_database(env: Environment) -> None:
    owner = env.pods.password("OWNER")
    env.pod.login("hustlex_owner", owner, "CREATE TABLE later (n int); GRANT DELETE ON transactions TO hustlex")
    found = env.run()["differences"]
    assert "table public.later is in the live database alone" in found
    assert any(
        line.startswith("table public.transactions is owner hustlex_owner, privileges hustlex=insert+")
        for line in found
    )
    assert len(found) == 2
    env.pod.login("hustlex_owner", owner, "DROP TABLE later; REVOKE DELETE ON transactions FROM hustlex")


def test_the_swap_is_short_and_the_way_back_works(env: Environment) -> None:
    env.run()
    env.as_application("INSERT INTO users (name) VALUES ('written after the backup')")
    stop, gaps = threading.Event(), []

    def client() -> None:
        """Connects anew for each query, as the application does after a lost connection; notes the time without an answer."""
        well = time.monotonic()
        while not stop.is_set():
            if env.as_application("SELECT 1") == "1":
                gaps.append(time.monotonic() - well)
                well = time.monotonic()

    thread = threading.Thread(target=client)
    thread.start()
    sleeper = subprocess.Popen(
        ["psql", "-h", "127.0.0.1", "-p", str(env.pod.port), "-U", "hustlex", "-d", LIVE, "-c", "SELECT pg_sleep(60)"],
        env={"PGPASSWORD": env.pods.password("DB"), "PATH": "/usr/bin:/bin"}, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(0.5)
    report = env.run("swap")
    time.sleep(0.5)
    stop.set()
    thread.join()
    assert sleeper.wait(10) != 0, "a session of before is ended"
    assert report["aside"] == BEFORE
    assert report["seconds"] < 2
    assert max(gaps) < 3
    assert env.databases() == [LIVE, BEFORE, "hustlex_template"]
    assert env.as_application("SELECT count(*) FROM users") == "1000"
    assert env.as_application("INSERT INTO users (name) VALUES ('new') RETURNING name") == "new"
    back = env.run("revert")
    assert back["aside"] == RESTORED
    assert env.as_application("SELECT count(*) FROM users") == "1001"
    env.as_application("DELETE FROM users WHERE id > 1000")
    assert env.databases() == [LIVE, RESTORED, "hustlex_template"]


def test_after_a_swap_the_keeper_and_pgbouncer_find_all_they_need(env: Environment) -> None:
    env.run()
    env.run("swap")
    (env.pod.run_dir / "roles.synced").unlink()
    before = env.pod.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    assert env.pod.script("keeper.sh", "once").returncode == 0
    assert env.pod.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before, "the keeper had nothing to mend"
    lookup = "SELECT left(phash, 13) FROM pgbouncer.user_lookup('hustlex')"
    assert env.pod.login("pgbouncer", env.pods.password("PGBOUNCER"), lookup) == "SCRAM-SHA-256"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "it is cut off"),
        (lambda data: data[:-1], "it is cut off"),
        (lambda data: b"hello", "it is cut off"),
        (lambda data: b"x" + data[1:], "its content is damaged"),
        (lambda data: data[:-200] + b"x" * 200, "its content is damaged"),
        (lambda data: data[: len(data) // 2] + b"\0" * 100 + data[len(data) // 2 + 100 :], "its content is damaged"),
    ],
)
def test_a_damaged_dump_becomes_visible_to_nobody(env: Environment, damage: Any, words: str) -> None:
    key = f"postgres/dumps/{ID}/hustlex.dump"
    env.store.objects[key] = damage(env.store.objects[key])
    with pytest.raises(BackupError, match=words):
        env.run()
    assert env.databases() == [LIVE, "hustlex_template"]


def test_what_is_no_dump_is_said_to_be_none(env: Environment) -> None:
    data = b"hello"
    env.dump(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    env.store.objects[f"postgres/dumps/{ID}/hustlex.dump"] = data
    with pytest.raises(
        BackupError, match=r"pg_restore cannot read postgres/dumps/.*: input file does not appear to be a valid archive"
    ):
        env.run()
    assert env.databases() == [LIVE, "hustlex_template"]


def test_an_unknown_backup_lists_the_newest(env: Environment) -> None:
    for hour in range(4, 10):
        env.dump(f"20261124T0{hour}0000Z")
    # Without a manifest it is no backup.
    env.store.objects["postgres/dumps/20261124T110000Z/hustlex.dump"] = b""
    with pytest.raises(RefusedError) as refused:
        env.run(backup="20261124T110000Z")
    newest = ", ".join(f"20261124T0{hour}0000Z" for hour in (9, 8, 7, 6, 5))
    assert str(refused.value) == f"20261124T110000Z is no complete backup in postgres/dumps/; the newest are: {newest}."
    with pytest.raises(RefusedError, match="no backup ID"):
        env.run("swap", backup="yesterday")


def test_a_table_that_the_manifest_has_must_be_there(env: Environment) -> None:
    env.dump(tables={"public.users": 1000, "public.gone": 1})
    with pytest.raises(BackupError, match=r"lacks tables of the manifest: public\.gone"):
        env.run()


def test_a_second_copy_must_fit(env: Environment) -> None:
    env.dump(database_bytes=1 << 30)
    with pytest.raises(RefusedError, match="a second copy needs"):
        env.run(volume_bytes=200 << 20)
    assert env.run(volume_bytes=20 << 30)["changed"]


def test_a_dump_of_a_later_version_is_refused(env: Environment) -> None:
    env.dump(server_version="99.1")
    with pytest.raises(RefusedError, match="comes from PostgreSQL 99"):
        env.run()


@pytest.mark.parametrize("action", ["swap", "revert", "remove"])
@pytest.mark.parametrize("confirm", ["", "production"])
def test_nothing_changes_without_confirmation(env: Environment, action: str, confirm: str) -> None:
    env.run()
    env.run("swap")
    with pytest.raises(RefusedError, match="confirm=test"):
        env.run(action, confirm=confirm)
    assert env.databases() == [LIVE, BEFORE, "hustlex_template"]


def test_a_copy_that_nobody_uses_is_removed_without_confirmation(env: Environment) -> None:
    env.run()
    assert env.run("remove", confirm="")["removed"] == [RESTORED]
    assert not env.run("remove", confirm="")["changed"]


def test_a_swap_needs_a_restore_and_a_way_back_a_swap(env: Environment) -> None:
    with pytest.raises(RefusedError, match="restore it first"):
        env.run("swap")
    with pytest.raises(RefusedError, match="nothing to go back to"):
        env.run("revert", backup=ID)


def test_of_two_restores_at_once_one_is_refused(env: Environment) -> None:
    with login(env.settings, "restore") as server, server.locked(), pytest.raises(LockedError, match="Another restore"):
        env.run()
    assert env.run()["changed"]


def test_a_superuser_at_work_is_named_and_nothing_changes(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.swap.SUPERUSER_SECONDS", 0.5)
    env.run()
    sleeping = threading.Thread(target=env.pod.sql, args=("SELECT pg_sleep(3)",))
    sleeping.start()
    time.sleep(0.3)
    with pytest.raises(RefusedError, match="Still at work in the databases: process"):
        env.run("swap")
    assert env.as_application("SELECT 1") == "1"
    sleeping.join()


def test_a_killed_restore_begins_anew(env: Environment) -> None:
    with login(env.settings, "restore") as server:
        restoring = RESTORED.replace("restored", "restoring")
        server.rows("postgres", f"CREATE DATABASE {restoring} OWNER hustlex_owner TEMPLATE hustlex_template")
    assert env.run()["changed"]
    assert env.databases() == [LIVE, RESTORED, "hustlex_template"]


@pytest.mark.parametrize(
    ("statement", "done"),
    [("SET LOCAL", False), ("ALTER DATABASE :", False), ("COMMIT", False), ("", True)],
    ids=["before the first name", "between the names", "before the commit", "after the commit"],
)
def test_a_swap_killed_anywhere_has_done_all_or_nothing(
    env: Environment, monkeypatch: pytest.MonkeyPatch, statement: str, done: bool
) -> None:
    """The renaming session dies, as with its pod, while it waits before the statement."""
    env.run()
    script = swap._RENAME
    place = script.index(statement) if statement else len(script)
    with monkeypatch.context() as patch:
        patch.setattr(swap, "_RENAME", f"{script[:place]}SELECT pg_sleep(20);\n{script[place:]}")
        killed = threading.Thread(target=_kill, args=(env,))
        killed.start()
        if done:
            env.run("swap")
        else:
            with pytest.raises(BackupError, match=r"nothing was changed: (terminating connection|server closed)"):
                env.run("swap")
        killed.join()
    assert env.databases() == [LIVE, BEFORE if done else RESTORED, "hustlex_template"]
    assert env.as_application("SELECT 1") == "1"
    if not done:
        env.run("swap")
    assert env.databases() == [LIVE, BEFORE, "hustlex_template"]


def _kill(env: Environment) -> None:
    sleeping = "FROM pg_stat_activity WHERE usename = 'restore' AND query LIKE 'SELECT pg_sleep%'"
    wait_for(lambda: env.pod.sql(f"SELECT count(pg_terminate_backend(pid)) {sleeping}", "postgres") == "1", 60)


def test_restores_also_when_the_live_database_is_gone(env: Environment) -> None:
    env.pod.sql(f"ALTER DATABASE {LIVE} RENAME TO hidden", "postgres")
    try:
        env.run()
        report = env.run("swap")
        assert report["database"] == LIVE
        assert env.pod.sql("SELECT count(*) FROM users") == "1000"
    finally:
        env.pod.sql(f"DROP DATABASE IF EXISTS {LIVE}", "postgres")
        env.pod.sql(f"ALTER DATABASE hidden RENAME TO {LIVE}", "postgres")


def test_the_password_is_in_no_message(env: Environment) -> None:
    wrong = SimpleNamespace(**{**vars(env.settings), "password": lambda _role: "not-the:password\\"})
    with pytest.raises(BackupError) as failed:
        Environment(env.pod, env.pods, env.store, wrong).run()
    assert "password authentication failed" in str(failed.value)
    assert "not-the" not in str(failed.value)
