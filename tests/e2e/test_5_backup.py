"""Backups as they run by themselves: WAL each minute, every scheduled job, and a store that is away or wrong for a while."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.catalogue import Catalogue, read_catalogue
from ansible_collections.hustlex.platform.plugins.module_utils.backup.errors import StoreError
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store

from .conftest import NAMESPACE, kill_processes, wait_until

Kubectl = Callable[..., str]
pytestmark = pytest.mark.usefixtures("environment")

CRASH = "terminating any other active server processes"
WAITING = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
FAILED = "SELECT failed_count FROM pg_stat_archiver"
STARTED = "SELECT pg_postmaster_start_time()"


@pytest.fixture
def psql(kubectl: Kubectl) -> Kubectl:
    def run(statement: str, database: str = "hustlex") -> str:
        return kubectl("exec", "postgres-0", "--", "psql", "-qAtX", "-d", database, "-c", statement).strip()

    return run


@pytest.fixture
def run_job(kubectl: Kubectl) -> Callable[[str], dict[str, Any]]:
    """Runs the job of a schedule as the guide does; returns its report."""

    def run(cron_job: str) -> dict[str, Any]:
        name = f"e2e-{cron_job}"
        kubectl("create", "job", f"--from=cronjob/{cron_job}", name)
        try:
            kubectl("wait", f"job/{name}", "--for=condition=Complete", "--timeout=110s")
            lines = kubectl("logs", f"job/{name}", "--container=backup").splitlines()
        finally:
            kubectl("delete", "job", name)
        assert lines[-1].startswith("RESULT "), lines
        report: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
        return report

    return run


def catalogue(store: Store) -> Catalogue:
    return read_catalogue(store, datetime.now(UTC))


def test_the_first_base_backup_is_there_when_a_deploy_ends(store: Store) -> None:
    found = catalogue(store)
    assert found.valid_bases
    assert (found.gaps, found.problems) == ((), ())


def test_an_idle_database_archives_each_minute(store: Store) -> None:
    """The tests before this one leave this database alone for minutes; alone, this one waits for them."""

    def uploads() -> list[float]:
        return [found.modified for found in store.list("postgres/pgbackrest/archive/") if found.key.endswith(".zst")]

    def of_two_minutes() -> bool:
        return sum(upload > time.time() - 140 for upload in uploads()) >= 2

    wait_until(of_two_minutes, 150, "two segments within two minutes")


def test_a_dump_is_what_its_manifest_says(store: Store, run_job: Callable[[str], dict[str, Any]]) -> None:
    report = run_job("postgres-backup")
    dump = next(each for each in catalogue(store).dumps if each.id == report["id"])
    assert dump.valid
    assert hashlib.sha256(store.read(dump.object_key)).hexdigest() == report["sha256"]
    assert "public.users" in report["tables"]


def test_a_snapshot_of_redis_has_its_keys(
    kubectl: Kubectl, store: Store, run_job: Callable[[str], dict[str, Any]]
) -> None:
    kubectl("exec", "redis-0", "--", "redis-cli", "set", "e2e", "kept")
    report = run_job("redis-backup")
    assert report["keys"] >= 1
    assert store.read(f"redis/{report['id']}/dump.rdb").startswith(b"REDIS")


def test_a_base_backup_disturbs_no_writer(kubectl: Kubectl, psql: Kubectl, store: Store, run_job: Any) -> None:
    bench = ["exec", "postgres-0", "--", "sh", "-c"]
    program = "$(ls /usr/lib/postgresql/*/bin/pgbench 2>/dev/null || command -v pgbench)"
    psql("CREATE DATABASE bench", "postgres")
    try:
        kubectl(*bench, f"{program} --quiet -i -s 2 bench")
        command = ["kubectl", "--namespace", NAMESPACE, *bench, f"{program} --client=2 --time=20 --rate=50 bench"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writers:
            report = run_job("postgres-base-backup")
            output = writers.communicate(timeout=100)[0]
        assert writers.returncode == 0
        assert "number of failed transactions: 0" in output
        assert any(base.label == report["label"] for base in catalogue(store).valid_bases)
    finally:
        psql("DROP DATABASE bench WITH (FORCE)", "postgres")


@pytest.fixture(scope="module")
def killed_base(kubectl: Kubectl, kill: Callable[[str], None]) -> Iterator[str]:
    """The Job of a base backup whose first pod was killed; the next one waits until the lock of that has run out."""
    job = "e2e-killed"
    kubectl("create", "job", "--from=cronjob/postgres-base-backup", job)
    wait_until(lambda: "backup start archive" in logs(kubectl, job), 100, "the backup begins")
    kill(pod_of(kubectl, job))
    yield job
    kubectl("delete", "job", job)


@pytest.fixture
def bulk(psql: Kubectl) -> Iterator[None]:
    """Random data, so that the upload of a dump takes some seconds."""
    block = "(SELECT string_agg(uuid_send(gen_random_uuid()), '') FROM generate_series(1, 500000))"
    psql(f"CREATE UNLOGGED TABLE bulk AS SELECT n, block FROM {block} random(block), generate_series(1, 40) n")
    yield
    psql("DROP TABLE bulk")


@pytest.mark.drill
def test_a_dump_that_is_killed_in_its_upload_leaves_none_and_is_made_again(
    killed_base: str, bulk: None, kubectl: Kubectl, store: Store
) -> None:
    job = "e2e-killed-dump"
    kubectl("create", "job", "--from=cronjob/postgres-backup", job)
    try:
        uids = ("get", "pods", "--selector", f"job-name={job}", "--output", "jsonpath={.items[*].metadata.uid}")
        wait_until(lambda: kubectl(*uids), 30, "the pod of the dump")
        uid = kubectl(*uids)
        upload = wait_for_a_part(store)
        # At once: the upload takes a few seconds only.
        kill_processes(uid)
        # Nothing ends it any more but the bucket's lifecycle.
        with store.asking("write", upload["Key"]) as client:
            client.abort_multipart_upload(Bucket=store.settings.bucket, **upload)
        assert upload["Key"].split("/")[2] not in {dump.id for dump in catalogue(store).dumps}
        kubectl("wait", f"job/{job}", "--for=condition=Complete", "--timeout=110s")
        report = json.loads(logs(kubectl, job).splitlines()[-1].removeprefix("RESULT "))
    finally:
        kubectl("delete", "job", job)
    made = next(dump for dump in catalogue(store).dumps if dump.id == report["id"])
    assert made.valid
    assert report["tables"]["public.bulk"] == 40
    assert hashlib.sha256(store.read(made.object_key)).hexdigest() == report["sha256"]


def wait_for_a_part(store: Store) -> dict[str, str]:
    """Key and ID of an upload of which a part is in the store already."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with store.asking("list", "uploads") as client:
            for found in client.list_multipart_uploads(Bucket=store.settings.bucket).get("Uploads", ()):
                upload = {"Key": found["Key"], "UploadId": found["UploadId"]}
                if client.list_parts(Bucket=store.settings.bucket, **upload).get("Parts"):
                    return upload
        time.sleep(0.02)
    raise TimeoutError("no part of a dump is uploaded")


def pod_of(kubectl: Kubectl, job: str) -> str:
    """The newest pod of a Job."""
    names = kubectl(
        "get",
        "pods",
        "--selector",
        f"job-name={job}",
        "--sort-by=.metadata.creationTimestamp",
        "--output",
        "jsonpath={.items[*].metadata.name}",
    )
    return names.split()[-1]


@pytest.mark.drill
def test_a_base_backup_that_is_killed_is_taken_up_again(killed_base: str, kubectl: Kubectl, store: Store) -> None:
    kubectl("wait", f"job/{killed_base}", "--for=condition=Complete", "--timeout=230s")
    report = json.loads(logs(kubectl, killed_base).splitlines()[-1].removeprefix("RESULT "))
    found = catalogue(store)
    assert found.valid_bases[-1].label == report["label"]
    assert (found.unfinished, found.gaps, found.problems) == ((), (), ())


def logs(kubectl: Kubectl, job: str) -> str:
    """Of its newest pod."""
    try:
        return kubectl("logs", pod_of(kubectl, job), "--container=backup")
    except (AssertionError, IndexError):
        return ""


def test_retention_deletes_nothing_that_is_young(run_job: Callable[[str], dict[str, Any]]) -> None:
    assert run_job("backup-retention")["result"]["changed"] is False


def test_metrics_tell_the_state(kubectl: Kubectl) -> None:
    script = "import urllib.request as u; print(u.urlopen('http://localhost:9188/metrics').read().decode())"
    lines = ("store_up 1.0", "wal_gaps 0.0", 'failed{kind="dump"} 0.0', 'age_seconds{kind="base"}')

    def told() -> bool:
        text = kubectl("exec", "deployment/backup-exporter", "--", "python3", "-c", script)
        return all(f"hustlex_backup_{line}" in text for line in lines)

    # It looks once a minute.
    wait_until(told, 90, "the exporter has seen the backups")


def crashed(kubectl: Kubectl) -> bool:
    return CRASH in kubectl("logs", "postgres-0", "--container=postgres")


@pytest.fixture
def stopped_store(kubectl: Kubectl, store: Store) -> Iterator[Callable[[], None]]:
    """The server itself does not run until the function is called, or the test ends."""

    def scale(replicas: int) -> None:
        kubectl("scale", "deployment/s3", f"--replicas={replicas}", namespace="embedded-s3")
        kubectl("rollout", "status", "deployment/s3", "--timeout=60s", namespace="embedded-s3")

    def start() -> None:
        scale(1)
        wait_until(lambda: answers(store), 60, "the store answers")

    scale(0)
    yield start
    start()


def answers(store: Store) -> bool:
    try:
        return bool(list(store.list("")))
    except StoreError:
        return False


@pytest.fixture
def store_is_away(kubectl: Kubectl) -> Iterator[Callable[[], None]]:
    """No pod of the environment reaches the store until the function is called, or the test ends."""

    def patch(value: str) -> None:
        change = {"spec": {"podSelector": {"matchLabels": {"hustlex.app/uses-backup-store": value}}}}
        kubectl("patch", "networkpolicy", "uses-backup-store", "--type=merge", "--patch", json.dumps(change))

    patch("away")
    yield lambda: patch("true")
    patch("true")


@pytest.mark.drill
def test_a_store_that_is_away_loses_nothing(
    kubectl: Kubectl,
    psql: Kubectl,
    store: Store,
    store_is_away: Callable[[], None],
    stopped_store: Callable[[], None],
) -> None:
    """Stopped for longer than a checkpoint; then it runs, but is out of reach while the database starts again."""
    started, failures = psql(STARTED), int(psql(FAILED))
    psql("CREATE TABLE outage AS SELECT generate_series(1, 100000) AS id")
    for _segment in range(3):
        psql("SELECT pg_switch_wal(); INSERT INTO outage SELECT 0")
    psql("CHECKPOINT")
    wait_until(lambda: int(psql(FAILED)) > failures, 150, "archiving gives up on a segment")
    assert psql(STARTED) == started
    assert not crashed(kubectl)
    # The server waits for its archive_command before it goes.
    kubectl("delete", "pod", "postgres-0", "--wait=false")
    stopped_store()
    wait_until(lambda: psql_or_none(psql, STARTED) not in (None, started), 240, "another server runs")
    assert int(psql(WAITING)) >= 3
    store_is_away()
    wait_until(lambda: int(psql(WAITING)) == 0, 150, "the backlog is archived")
    assert psql("SELECT count(*) FROM outage") == "100003"
    assert catalogue(store).gaps == ()
    psql("DROP TABLE outage")


def psql_or_none(psql: Kubectl, statement: str) -> str | None:
    try:
        return psql(statement)
    except AssertionError:
        return None


@pytest.mark.drill
def test_a_wrong_bucket_does_not_touch_the_database(kubectl: Kubectl, psql: Kubectl, store: Store) -> None:
    config = json.loads(kubectl("get", "configmap", "pgbackrest", "--output=json"))["data"]["server.conf"]
    started, failures = psql(STARTED), int(psql(FAILED))

    def set_config(text: str) -> None:
        kubectl(
            "patch", "configmap", "pgbackrest", "--type=merge", "--patch", json.dumps({"data": {"server.conf": text}})
        )
        # A change of the pod lets the kubelet look at what it has mounted.
        kubectl("annotate", "pod", "postgres-0", f"e2e/looked={time.time()}", "--overwrite")

    try:
        set_config(config.replace("repo1-s3-bucket=", "repo1-s3-bucket=no-"))
        psql("SELECT pg_logical_emit_message(true, 'e2e', 'x'); SELECT pg_switch_wal()")
        wait_until(lambda: int(psql(FAILED)) > failures, 180, "archiving fails")
    finally:
        set_config(config)
    wait_until(lambda: int(psql(WAITING)) == 0, 180, "the backlog is archived")
    assert psql(STARTED) == started
    assert not crashed(kubectl)
    assert catalogue(store).gaps == ()


def test_the_next_deploy_has_nothing_to_do(playbook: Any) -> None:
    run = playbook("deploy")
    assert (run.code, run.changed) == (0, 0), run.output
