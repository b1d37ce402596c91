"""The primary's volume is lost, then all volumes are: by the commands of docs/recovery.md, and every acknowledged row is there."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import NAMESPACE, Playbook
from .documented import commands

Kubectl = Callable[..., str]
pytestmark = [pytest.mark.usefixtures("environment"), pytest.mark.drill]

CONFIRM = ("-e", "confirm=development")
# Each command below these is run as it stands.
STANDBY, VOLUMES = ("recovery.md", "Make the standby the primary"), ("recovery.md", "All volumes are lost")
CERTIFICATES = ("backup.md", "The certificates of the base backups")
OLD, HEIR = "postgres-0", "postgres-replica-0"
# Writes as the application does: by the Service, with a new connection after an error. A dead server sends no farewell.
WRITER = """
import os, time, psycopg
connection = None
while True:
    try:
        if connection is None:
            connection = psycopg.connect(host="postgres", dbname=os.environ["DB_NAME"], user=os.environ["DB_USER"],
                password=os.environ["DB_PASSWORD"], connect_timeout=3, tcp_user_timeout=3000, autocommit=True)
        print(connection.execute("INSERT INTO survivors DEFAULT VALUES RETURNING n").fetchone()[0], flush=True)
        time.sleep(0.02)
    except psycopg.Error:
        connection = None
        time.sleep(0.2)
"""


class Writer:
    """A client in a pod of the application, and the numbers of the rows that it was told were committed."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        command = ["kubectl", "--namespace", NAMESPACE, "exec", "deployment/hustlex-api", "--"]
        command += ["timeout", "300", "python3", "-u", "-c", WRITER]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.acknowledged.extend(int(line) for line in self._process.stdout)

    def more(self) -> bool:
        """Whether rows are acknowledged now."""
        deadline, count = time.monotonic() + 60, len(self.acknowledged)
        while len(self.acknowledged) < count + 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        return len(self.acknowledged) >= count + 20

    def stop(self) -> None:
        if self._process.poll() is None:
            end = ["sh", "-c", "kill $(grep -l survivors /proc/[0-9]*/cmdline | cut -d/ -f3) 2> /dev/null"]
            subprocess.run(
                ["kubectl", "--namespace", NAMESPACE, "exec", "deployment/hustlex-api", "--", *end],
                capture_output=True,
                timeout=60,
                check=False,
            )
            self._process.terminate()
        self._thread.join(60)


@pytest.fixture(scope="module")
def psql(kubectl: Kubectl) -> Kubectl:
    def run(*statements: str, pod: str = HEIR) -> str:
        words = [word for statement in statements for word in ("-c", statement)]
        return kubectl("exec", pod, "-c", "postgres", "--", "psql", "-qAtX", *words).strip()

    return run


@pytest.fixture(scope="module")
def writer(psql: Kubectl) -> Iterator[Writer]:
    """Begins on the old primary. Its commits wait for the standby: then an acknowledged row is one that is not lost."""
    psql(
        "CREATE TABLE survivors (n bigserial PRIMARY KEY)",
        "GRANT INSERT, SELECT ON survivors TO hustlex",
        "GRANT USAGE ON SEQUENCE survivors_n_seq TO hustlex",
        f"""ALTER SYSTEM SET synchronous_standby_names = '"{HEIR}"'""",
        "SELECT pg_reload_conf()",
        pod=OLD,
    )
    found = Writer()
    yield found
    found.stop()


def rows(psql: Kubectl, pod: str) -> set[int]:
    return {int(line) for line in psql("SELECT n FROM survivors", pod=pod).splitlines()}


def archive_all(psql: Kubectl, pod: str) -> None:
    """Everything that is committed now is in the store."""
    segment = psql("SELECT pg_walfile_name(pg_current_wal_lsn())", "SELECT pg_switch_wal()", pod=pod).splitlines()[0]
    deadline = time.monotonic() + 90
    while psql(f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver", pod=pod) != "t":
        assert time.monotonic() < deadline, f"{segment} is not archived"
        time.sleep(1)


def test_the_standby_becomes_the_primary_and_has_every_acknowledged_row(
    playbook: Playbook,
    kubectl: Kubectl,
    psql: Kubectl,
    as_documented: Callable[..., str],
    kill: Callable[[str], None],
    writer: Writer,
) -> None:
    assert writer.more()
    timeline = int(psql("SELECT timeline_id FROM pg_control_checkpoint()", pod=OLD))
    # Its volume goes with it, whatever starts in its place.
    kubectl("delete", "pvc", f"postgres-data-{OLD}", "--wait=false")
    kill(OLD)
    before = len(writer.acknowledged)
    lines = [line for line in commands(*STANDBY) if "--force" not in line]
    appoint = next(number for number, line in enumerate(lines) if " patch service " in line) + 1
    for line in lines[:appoint]:
        as_documented(line)
    assert writer.more()
    for line in lines[appoint:]:
        as_documented(line)
    writer.stop()
    assert len(writer.acknowledged) > before
    assert set(writer.acknowledged) <= rows(psql, HEIR)
    assert int(psql("SELECT timeline_id FROM pg_control_checkpoint()")) > timeline
    assert psql("SELECT pg_is_in_recovery()", pod=OLD) == "t"
    assert psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'") == OLD
    deployed = playbook("deploy")
    assert (deployed.code, deployed.changed) == (0, 0), deployed.output


def test_the_new_timeline_is_archived_and_recovered_like_any_other(
    playbook: Playbook, psql: Kubectl, writer: Writer, tmp_path: Any
) -> None:
    psql("SELECT pg_create_restore_point('after-failover')")
    archive_all(psql, HEIR)
    file = tmp_path / "catalogue.json"
    assert playbook("backups", "-e", f"json={file}").code == 0
    found = json.loads(file.read_text())
    timeline = int(psql("SELECT timeline_id FROM pg_control_checkpoint()"))
    assert (found["gaps"], found["problems"]) == ([], [])
    assert any(base["timeline"] == timeline for base in found["bases"])
    run = playbook("pitr", "-e", "target=name:after-failover")
    assert run.code == 0, run.output
    assert set(writer.acknowledged) <= rows(psql, "postgres-recovery-0")
    assert playbook("pitr", "-e", "remove=true").code == 0


def test_all_volumes_are_lost_and_everything_archived_comes_back(
    playbook: Playbook, kubectl: Kubectl, psql: Kubectl, as_documented: Callable[..., str], writer: Writer
) -> None:
    archive_all(psql, HEIR)
    claims = [f"postgres-data-{pod}" for pod in (OLD, HEIR)]
    kubectl("delete", "pvc", *claims, "--wait=false")
    kubectl("delete", "pod", OLD, "--force", "--grace-period=0")
    kubectl("delete", "pod", HEIR, "--force", "--grace-period=0")
    for line in commands(*VOLUMES):
        as_documented(line)
    kubectl("rollout", "status", "statefulset/postgres-replica", "--timeout=120s")
    assert set(writer.acknowledged) <= rows(psql, OLD)
    assert psql("SELECT pg_is_in_recovery()", pod=OLD) == "f"
    assert psql("SELECT pg_is_in_recovery()", pod=HEIR) == "t"
    assert playbook("backups").code == 0
    deployed = playbook("deploy")
    assert (deployed.code, deployed.changed) == (0, 0), deployed.output


def test_the_certificates_of_the_base_backups_are_renewed(
    kubectl: Kubectl, read: Callable[..., Any], as_documented: Callable[..., str]
) -> None:
    def certificates() -> dict[str, str]:
        return dict(read("secret", "pgbackrest-tls")["data"])

    before = certificates()
    for line in commands(*CERTIFICATES):
        as_documented(line)
    after = certificates()
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name] == after[name]]
