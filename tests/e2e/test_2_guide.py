"""The guide's own commands work on what was deployed."""

from __future__ import annotations

import json
import time

import pytest

pytestmark = pytest.mark.usefixtures("environment")


@pytest.mark.parametrize(
    "command",
    [
        ["postgres-0", "--", "psql", "-c", "SELECT count(*) FROM pg_stat_activity;"],
        ["postgres-0", "--", "psql", "-c", "SELECT * FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 10;"],
        ["redis-0", "--", "redis-cli", "info", "clients"],
        ["deployment/hustlex-api", "--", "./api", "migrate", "status"],
        ["deployment/hustlex-api", "--", "nc", "-zv", "postgres", "5432"],
        ["deployment/hustlex-api", "--", "nc", "-zv", "redis", "6379"],
        ["postgres-0", "--", "df", "-h"],
    ],
    ids=" ".join,
)
def test_command_in_a_pod(kubectl, command):
    kubectl("exec", *command)


def test_top_shows_the_pods(kubectl):
    assert "postgres-0" in kubectl("top", "pods")


def test_replica_streams(kubectl):
    def psql(pod: str, statement: str) -> str:
        return kubectl("exec", pod, "--", "psql", "-qAtc", statement).strip()

    assert psql("postgres-0", "SELECT state FROM pg_stat_replication WHERE usename = 'replicator'") == "streaming"
    psql("postgres-0", "CREATE TABLE IF NOT EXISTS e2e (id int); INSERT INTO e2e VALUES (1)")
    deadline = time.monotonic() + 10
    while psql("postgres-replica-0", "SELECT to_regclass('e2e') IS NOT NULL") != "t":
        assert time.monotonic() < deadline, "the replica has not seen the table within 10 s"
    psql("postgres-0", "DROP TABLE e2e")


# Each connection prepares the same statement under a name of its own; in transaction mode they share server connections.
PREPARED = """
import os, psycopg
from concurrent.futures import ThreadPoolExecutor

def client(number):
    names = {"host": "DB_HOST", "port": "DB_PORT", "dbname": "DB_NAME", "user": "DB_USER", "password": "DB_PASSWORD"}
    options = {option: os.environ[name] for option, name in names.items()}
    with psycopg.connect(**options, autocommit=True, prepare_threshold=0) as connection:
        for turn in range(50):
            found = connection.execute("SELECT %s::int + %s::int", [number, turn]).fetchone()
            assert found == (number + turn,), found
        return connection.execute("SELECT count(*) > 0 FROM pg_prepared_statements").fetchone()[0]

with ThreadPoolExecutor() as pool:
    print(os.environ["DB_HOST"], all(pool.map(client, range(8))))
"""


def test_prepared_statements_work_through_the_pooler(kubectl):
    host, prepared = kubectl("exec", "deployment/hustlex-api", "--", "python3", "-c", PREPARED).split()
    assert "pgbouncer" in host
    assert prepared == "True"


def test_application_role_owns_nothing(kubectl):
    owned = "SELECT count(*) FROM pg_tables WHERE tableowner = 'hustlex'"
    assert kubectl("exec", "postgres-0", "--", "psql", "-qAtc", owned).strip() == "0"


@pytest.mark.parametrize(
    ("labels", "port"), [({}, "closed"), ({"hustlex.app/uses-postgres": "true"}, "open")], ids=["without", "with"]
)
def test_the_label_alone_lets_a_pod_reach_the_database(kubectl, read, labels, port):
    image = read("deployment", "hustlex-api")["spec"]["template"]["spec"]["containers"][0]["image"]
    manifest = {
        "metadata": {"labels": labels},
        "spec": {
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "stranger",
                    "image": image,
                    "command": ["sleep", "60"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    kubectl("run", "stranger", "--image", image, "--restart", "Never", "--overrides", json.dumps(manifest))
    try:
        kubectl("wait", "pod/stranger", "--for", "condition=Ready", "--timeout", "60s")
        # The policies of a new pod take a moment to be in force.
        script = "for try in 1 2 3 4 5; do nc -z -w 3 postgres 5432 && echo open && exit; sleep 1; done; echo closed"
        assert kubectl("exec", "stranger", "--", "/bin/sh", "-c", script).strip() == port
    finally:
        kubectl("delete", "pod", "stranger", "--now")
