"""Restores of dumps and Redis snapshots by the playbooks: beside, swapped in while clients work, taken back, cut off, damaged."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store

from .conftest import NAMESPACE, ROOT, Playbook, Run, command_of

Kubectl = Callable[..., str]
pytestmark = pytest.mark.usefixtures("environment")

CONFIRM = ("-e", "confirm=development")
LONGEST_BREAK_SECONDS = 5.0
# Asks again and again as the application does, with a new connection after an error; prints the longest time without an answer.
CLIENT = """
import os, sys, time, psycopg
began = well = time.monotonic(); longest = 0.0; errors = 0; connection = None
while time.monotonic() - began < 45:
    try:
        if connection is None:
            connection = psycopg.connect(host=sys.argv[1], dbname=os.environ["DB_NAME"], user=os.environ["DB_USER"],
                                         password=os.environ["DB_PASSWORD"], connect_timeout=5, autocommit=True)
        connection.execute("SELECT count(*) FROM users").fetchone()
    except psycopg.Error:
        errors += 1; connection = None
        continue
    longest = max(longest, time.monotonic() - well); well = time.monotonic()
    time.sleep(0.02)
print(f"longest={longest:.2f} errors={errors}")
"""


@pytest.fixture
def psql(kubectl: Kubectl) -> Kubectl:
    def run(statement: str, database: str = "hustlex") -> str:
        return kubectl("exec", "postgres-0", "--", "psql", "-qAtX", "-d", database, "-c", statement).strip()

    return run


def databases(psql: Kubectl) -> list[str]:
    return psql(
        "SELECT datname FROM pg_database WHERE datname ~ '^hustlex_(rest|before)' ORDER BY 1", "postgres"
    ).split()


@pytest.fixture(scope="module", autouse=True)
def no_schedules(kubectl: Kubectl) -> Iterator[None]:
    """What these tests took last is the latest backup."""
    for suspend in (True, False):
        for name in ("postgres-backup", "redis-backup"):
            kubectl("patch", "cronjob", name, "--patch", json.dumps({"spec": {"suspend": suspend}}))
        if suspend:
            yield


@pytest.fixture(scope="module")
def dump(playbook: Playbook, kubectl: Kubectl) -> Iterator[str]:
    """The ID of a dump of some megabytes; the row `later` is not in it."""
    statements = """DROP TABLE IF EXISTS ballast, later;
        CREATE TABLE ballast AS SELECT n, md5(n::text) AS text FROM generate_series(1, 400000) n;
        CREATE INDEX ON ballast (text); ALTER TABLE ballast OWNER TO hustlex_owner; CREATE TABLE later (n int)"""
    kubectl("exec", "postgres-0", "--", "psql", "-qX", "-c", statements)
    taken = playbook("backup", "-e", "what=dump")
    assert taken.code == 0, taken.output
    kubectl("exec", "postgres-0", "--", "psql", "-qX", "-c", "INSERT INTO later VALUES (1)")
    yield re.findall(r"as ([0-9]{8}T[0-9]{6}Z)", taken.output)[-1]
    kubectl("exec", "postgres-0", "--", "psql", "-qX", "-c", "DROP TABLE ballast, later")


@pytest.fixture(scope="module")
def restored(playbook: Playbook, dump: str) -> Run:
    run = playbook("restore", "-e", "backup=latest")
    assert run.code == 0, run.output
    return run


def test_restores_beside_and_says_what_comes_next(
    restored: Run, dump: str, psql: Kubectl, as_documented: Callable[..., str]
) -> None:
    name = f"hustlex_restored_{dump.lower()}"
    assert databases(psql) == [name]
    (look,) = re.findall(r"kubectl exec -it svc/postgres -c postgres .*psql \w+", restored.output)
    assert "400000" in as_documented(look, typed="SELECT count(*) FROM ballast;\n")
    assert psql("SELECT count(*) FROM later", name) == "0"
    assert psql("SELECT count(*) FROM later") == "1"
    assert f"-e backup={dump} -e swap=true -e confirm=development" in restored.output


def test_clients_see_a_short_break_and_the_way_back_works(
    restored: Run, dump: str, playbook: Playbook, psql: Kubectl, kubectl: Kubectl
) -> None:
    command = ["kubectl", "--namespace", NAMESPACE, "exec", "deployment/hustlex-api", "--", "python3", "-c", CLIENT]
    clients = [
        subprocess.Popen([*command, host], stdout=subprocess.PIPE, text=True) for host in ("postgres", "pgbouncer")
    ]
    swapped = playbook("restore", "-e", f"backup={dump}", "-e", "swap=true", *CONFIRM)
    outputs = [client.communicate(timeout=120)[0] for client in clients]
    assert swapped.code == 0, swapped.output
    for output in outputs:
        assert float(re.findall(r"longest=([0-9.]+)", output)[0]) < LONGEST_BREAK_SECONDS, outputs
    assert psql("SELECT count(*) FROM later") == "0"
    assert databases(psql) == [f"hustlex_before_{dump.lower()}"]
    kubectl("rollout", "status", "deployment/hustlex-api", "--timeout=60s")
    back = playbook("restore", "-e", "revert=true", *CONFIRM)
    assert back.code == 0, back.output
    assert psql("SELECT count(*) FROM later") == "1"
    removed = playbook("restore", "-e", f"backup={dump}", "-e", "remove=true")
    assert removed.code == 0, removed.output
    assert databases(psql) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", "backup=20200101T000000Z"], "is no complete backup in postgres/dumps/; the newest are"),
        (["-e", "swap=true"], "add -e confirm=development"),
        (["-e", "swap=true", "-e", "confirm=production"], "add -e confirm=development"),
        (["-e", "swap=true", *CONFIRM], "restore it first"),
        (["-e", "revert=true", *CONFIRM], "nothing to go back to"),
        (["-e", "revert=true", "-e", "remove=true"], "Say one thing to do"),
        ([], "Say one thing to do"),
    ],
)
def test_an_impossible_order_changes_nothing(
    dump: str, playbook: Playbook, psql: Kubectl, arguments: list[str], words: str
) -> None:
    refused = playbook("restore", *arguments)
    assert refused.code != 0
    assert words in refused.failure
    assert databases(psql) == []


def test_a_damaged_dump_becomes_visible_to_nobody(
    dump: str, playbook: Playbook, psql: Kubectl, as_documented: Callable[..., str], store: Store
) -> None:
    key = f"postgres/dumps/{dump}/hustlex.dump"
    good = store.read(key)
    for bad, words in [(good[:-100], "it is cut off"), (good[:-100] + b"x" * 100, "its content is damaged")]:
        store.write(key, bad)
        refused = playbook("restore", "-e", f"backup={dump}")
        assert refused.code != 0
        assert words in refused.failure
        look = re.search(r"kubectl logs job/\S+ -n [\w-]+", refused.failure)
        assert look is not None
        assert words in as_documented(look.group())
        assert databases(psql) == []
    store.write(key, good)


@pytest.mark.drill
def test_a_restore_whose_pod_is_killed_begins_anew(
    dump: str, playbook: Playbook, psql: Kubectl, kubectl: Kubectl, kill: Callable[[str], None]
) -> None:
    killer = threading.Thread(target=kill_when, args=(psql, kubectl, kill, f"hustlex_restoring_{dump.lower()}"))
    killer.start()
    cut_off = playbook("restore", "-e", f"backup={dump}")
    killer.join()
    assert cut_off.code != 0, cut_off.output
    assert playbook("restore", "-e", f"backup={dump}").code == 0
    assert databases(psql) == [f"hustlex_restored_{dump.lower()}"]
    assert playbook("restore", "-e", f"backup={dump}", "-e", "remove=true").code == 0


def kill_when(psql: Kubectl, kubectl: Kubectl, kill: Callable[[str], None], database: str) -> None:
    deadline = time.monotonic() + 60
    while database not in databases(psql) and time.monotonic() < deadline:
        time.sleep(0.1)
    selector = ["--selector", "app=restore-dump", "--field-selector", "status.phase=Running"]
    kill(kubectl("get", "pod", *selector, "--output", "name").strip().removeprefix("pod/"))


@pytest.fixture
def redis(kubectl: Kubectl) -> Kubectl:
    def run(*words: str) -> str:
        return kubectl("exec", "redis-0", "--", "redis-cli", *words).strip()

    return run


@pytest.fixture(scope="module")
def snapshot(playbook: Playbook, kubectl: Kubectl) -> str:
    """The ID of a snapshot with 1,000 keys; the key `later` is not in it."""
    assert playbook("restore_redis", "-e", "remove=true", *CONFIRM).code == 0
    fill = "for i = 1, 1000 do redis.call('set', 'e2e:' .. i, i) end redis.call('del', 'later')"
    kubectl("exec", "redis-0", "--", "redis-cli", "eval", fill, "0")
    taken = playbook("backup", "-e", "what=redis")
    assert taken.code == 0, taken.output
    kubectl("exec", "redis-0", "--", "redis-cli", "set", "later", "1")
    return re.findall(r"as ([0-9]{8}T[0-9]{6}Z)", taken.output)[-1]


def test_redis_has_the_snapshot_and_its_log_and_goes_back(
    snapshot: str, playbook: Playbook, redis: Kubectl, kubectl: Kubectl
) -> None:
    done = playbook("restore_redis", "-e", "backup=latest", *CONFIRM)
    assert done.code == 0, done.output
    assert f"of snapshot {snapshot}" in done.output
    assert (redis("exists", "later"), redis("get", "e2e:1000")) == ("0", "1000")
    # What a restart loads is the log, not the snapshot.
    redis("set", "after", "1")
    kubectl("delete", "pod", "redis-0")
    kubectl("wait", "pod/redis-0", "--for=condition=Ready", "--timeout=60s")
    assert (redis("get", "after"), redis("get", "e2e:1000")) == ("1", "1000")
    back = playbook("restore_redis", "-e", "revert=true", *CONFIRM)
    assert back.code == 0, back.output
    assert redis("get", "later") == "1"
    assert playbook("restore_redis", "-e", "remove=true", *CONFIRM).code == 0
    assert "restored-" not in kubectl("exec", "redis-0", "--", "ls", "/data")


@pytest.mark.drill
def test_a_redis_restore_whose_controller_is_killed_goes_on(
    snapshot: str, playbook: Playbook, redis: Kubectl, read: Callable[..., Any]
) -> None:
    command = command_of("restore_redis", "-e", f"backup={snapshot}", *CONFIRM)
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while read("statefulset", "redis")["spec"]["replicas"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    again = playbook("restore_redis", "-e", f"backup={snapshot}", *CONFIRM)
    assert again.code == 0, again.output
    assert (redis("exists", "later"), redis("get", "e2e:1000")) == ("0", "1000")
    assert playbook("restore_redis", "-e", "remove=true", *CONFIRM).code == 0


def test_a_bad_snapshot_leaves_redis_running(snapshot: str, playbook: Playbook, redis: Kubectl, store: Store) -> None:
    started = redis("info", "server").split("run_id:")[1].split()[0]
    key = f"redis/{snapshot}/dump.rdb"
    good = store.read(key)
    store.write(key, good[:-10])
    refused = playbook("restore_redis", "-e", f"backup={snapshot}", *CONFIRM)
    store.write(key, good)
    assert refused.code != 0
    assert "it is cut off" in refused.output
    assert "add -e confirm=development" in playbook("restore_redis", "-e", f"backup={snapshot}").failure
    assert redis("info", "server").split("run_id:")[1].split()[0] == started
