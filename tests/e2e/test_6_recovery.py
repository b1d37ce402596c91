"""Recovery to a point in time under a write load: exactly what was asked for, swapped in, taken back, killed anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store

from .conftest import NAMESPACE, ROOT, Playbook, command_of, wait_until
from .documented import commands

Kubectl = Callable[..., str]
pytestmark = pytest.mark.usefixtures("environment")

CONFIRM = ("-e", "confirm=development")
# Steps of a swap that take longer than the look at them: a kill that follows the look meets them.
LONG_STEPS = {"stop-database", "start-database", "start-replicas", "base-backup"}
WAL = "postgres/pgbackrest/archive/main/"
BASES = "postgres/pgbackrest/backup/main/"
# An acknowledged row is one whose number the client was told after the commit.
WRITER = """
while [ -e /tmp/write ]; do
  psql -qAtX -c 'INSERT INTO acknowledged DEFAULT VALUES RETURNING n' 2> /dev/null || sleep 0.2
done
"""


class Writer:
    """Writes rows one by one, also across restarts of the database, and remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        script = f"touch /tmp/write; {WRITER}"
        command = ["kubectl", "-n", NAMESPACE, "exec", "postgres-0", "-c", "postgres", "--", "sh", "-c", script]
        while not self._stop.is_set():
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip().isdigit():
                    self.acknowledged.append(int(line))
            process.wait()
            time.sleep(0.5)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        stop = ["kubectl", "-n", NAMESPACE, "exec", "postgres-0", "-c", "postgres", "--", "rm", "-f", "/tmp/write"]
        subprocess.run(stop, capture_output=True, timeout=60, check=False)
        self._thread.join(60)


@pytest.fixture(scope="module")
def psql(kubectl: Kubectl) -> Kubectl:
    def run(statement: str, pod: str = "postgres-0") -> str:
        return kubectl("exec", pod, "-c", "postgres", "--", "psql", "-qAtX", "-c", statement).strip()

    return run


@dataclass(frozen=True)
class First:
    """Rows that were acknowledged while a base backup was taken, and a moment just after, before all other rows."""

    rows: list[int]
    base: str
    moment: str
    position: str
    timeline: int


@pytest.fixture(scope="module")
def first(psql: Kubectl, playbook: Playbook) -> First:
    psql("DROP TABLE IF EXISTS acknowledged; CREATE TABLE acknowledged (n bigserial PRIMARY KEY, at timestamptz)")
    with Writer() as writer:
        run = playbook("backup", "-e", "what=base")
        assert run.code == 0, run.output
    time.sleep(1)
    moment, position, timeline = psql(
        """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.USZ'), pg_current_wal_lsn(),
            (SELECT timeline_id FROM pg_control_checkpoint())"""
    ).split("|")
    time.sleep(1)
    labels = re.findall(r"\b[0-9]{8}-[0-9]{6}F\b", run.output)
    return First(writer.acknowledged, labels[-1], moment, position, int(timeline))


@pytest.fixture(scope="module")
def load(first: First) -> Iterator[Writer]:
    """A write load that goes on during the recovery, up to the swap."""
    with Writer() as writer:
        yield writer


@pytest.fixture(scope="module")
def archived(first: First, load: Writer, playbook: Playbook, psql: Kubectl) -> str:
    """The moment, once WAL from after it is in the store: then its plan is proved."""
    wait_until(lambda: load.acknowledged, 60, "a row after the moment")
    psql("SELECT pg_switch_wal()")
    deadline = time.monotonic() + 300
    while (run := pitr(playbook, first.moment, "--check")).code != 0:
        assert time.monotonic() < deadline, run.failure
        time.sleep(2)
    return first.moment


def pitr(playbook: Playbook, target: str = "", *arguments: str) -> Any:
    return playbook("pitr", *(["-e", f"target={target}"] if target else []), *arguments)


def record(kubectl: Kubectl) -> dict[str, str]:
    found: dict[str, str] = json.loads(kubectl("get", "configmap", "postgres-recovery", "-o", "json"))["data"]
    return found


def primary_rows(psql: Kubectl) -> list[int]:
    return [int(line) for line in psql("SELECT n FROM acknowledged ORDER BY n").splitlines()]


@contextmanager
def background(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """playbooks/pitr.yml that the test kills."""
    # Into nothing: a pipe that nobody empties would stop it.
    process = subprocess.Popen(
        command_of("pitr", *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("2026-11-24T10:30:00", "does not say its time zone"),
        ("2099-01-01T00:00:00Z", "lies in the future"),
        ("2001-01-01T00:00:00Z", "lies before the end of the oldest base backup"),
        ("yesterday", "is not a target"),
        ("lsn:FF/0", "cannot be reached"),
    ],
)
def test_a_target_that_cannot_be_reached_is_refused(
    playbook: Playbook, kubectl: Kubectl, target: str, words: str
) -> None:
    run = pitr(playbook, target)
    assert run.code != 0
    assert words in run.failure
    assert "postgres-recovery" not in kubectl("get", "pvc,job,configmap", "-o", "name")


@pytest.mark.parametrize("action", ["swap", "revert"])
def test_there_is_nothing_to_swap_yet(playbook: Playbook, action: str) -> None:
    assert "add -e confirm=development" in playbook("pitr", "-e", f"{action}=true").failure
    wrong = playbook("pitr", "-e", f"{action}=true", "-e", "confirm=production").failure
    assert "add -e confirm=development, not production" in wrong
    run = playbook("pitr", "-e", f"{action}=true", *CONFIRM)
    assert "No recovery is ready" in run.failure or "There is nothing to revert" in run.failure


def test_while_somebody_holds_the_lock_nothing_is_exchanged(playbook: Playbook, kubectl: Kubectl) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held = {"holderIdentity": "ada@elsewhere", "acquireTime": now, "renewTime": now, "leaseDurationSeconds": 300}
    patch = ["patch", "lease", "hustlex-operation", "--type=merge", "--patch"]
    kubectl(*patch, json.dumps({"spec": held}))
    try:
        for name, order in (("pitr", "swap"), ("pitr", "revert"), ("restore", "swap"), ("restore_redis", "revert")):
            run = playbook(name, "-e", f"{order}=true", *CONFIRM)
            assert "ada@elsewhere holds the lock of this environment since" in run.failure, run.output
    finally:
        kubectl(*patch, json.dumps({"spec": dict.fromkeys(held)}))


@pytest.mark.parametrize("kind", ["time", "name", "xid"])
def test_the_plan_alone_changes_nothing(
    playbook: Playbook, kubectl: Kubectl, psql: Kubectl, archived: str, kind: str
) -> None:
    psql("SELECT pg_create_restore_point('before-upgrade')")
    target = {"time": archived, "name": "name:before-upgrade", "xid": f"xid:{psql('SELECT txid_current()')}"}[kind]
    run = pitr(playbook, target, "--check")
    assert run.code == 0, run.output
    assert "is proved possible" in run.output
    assert "postgres-recovery" not in kubectl("get", "pvc,job,configmap", "-o", "name")


def test_a_volume_that_is_too_small_is_refused(playbook: Playbook, archived: str) -> None:
    run = pitr(playbook, archived, "-e", "backup_recovery_storage_size=100Mi")
    assert "add -e backup_recovery_storage_size=" in run.failure


@contextmanager
def damaged(store: Store, key: str, content: bytes | None) -> Iterator[None]:
    """An object that is gone (None) or has another content, and is whole again afterwards."""
    whole = store.read(key)
    store.delete([key])
    if content is not None:
        store.write(key, content)
    try:
        yield
    finally:
        store.delete([key])
        store.write(key, whole)


def planned_segments(store: Store, playbook: Playbook, moment: str) -> list[str]:
    """Keys of the segments that the plan for the moment names."""
    output = pitr(playbook, moment, "--check").output
    words = output[output.index("  WAL ") :].split("\n")[0].replace(":", " ").split()
    keys = sorted(found.key for found in store.list(WAL) if found.key.endswith(".zst"))
    return [key for key in keys if words[1] <= key.rsplit("/", 1)[1][:24] <= words[3]]


def test_missing_wal_is_refused_before_anything_is_touched(
    playbook: Playbook, kubectl: Kubectl, store: Store, archived: str
) -> None:
    key = planned_segments(store, playbook, archived)[-2]
    for content in (None, b""):
        with damaged(store, key, content):
            run = pitr(playbook, archived)
        assert run.code != 0
        # The base backup's own WAL or what follows it: the moment decides which.
        assert re.search("missing, empty or there twice|no valid base backup with its WAL", run.failure)
        assert "Nothing was changed. Reachable:" in run.failure
    assert "postgres-recovery" not in kubectl("get", "pvc,job,configmap", "-o", "name")


def test_a_killed_restore_pod_and_a_killed_controller(
    playbook: Playbook, kubectl: Kubectl, kill: Callable[[str], None], archived: str
) -> None:
    """Both at once, by SIGKILL: the pod, and the playbook that waits for it."""
    with background("-e", f"target={archived}"):
        pod = wait_until(
            lambda: kubectl(
                "get",
                "pods",
                "-l",
                "app=postgres-recovery-job",
                "--field-selector",
                "status.phase=Running",
                "-o",
                "name",
            ),
            120,
            "the restore runs",
        )
        kill(pod.strip().removeprefix("pod/"))
    run = wait_until(lambda: (done := pitr(playbook, archived)).code == 0 and done, 300, "the restore is done again")
    assert "amcheck        passed" in run.output


def recovered_rows(as_documented: Callable[..., str]) -> list[int]:
    """As a person looks at the copy."""
    (look,) = (command for command in commands("recovery.md") if "postgres-recovery-0" in command)
    # The prompt's answers, without the decoration of a terminal.
    shown = as_documented(
        look, typed="\\pset format unaligned\n\\pset tuples_only\nSELECT n FROM acknowledged ORDER BY n;\n"
    )
    return [int(line) for line in shown.splitlines() if line.isdigit()]


def test_exactly_the_rows_of_the_base_backup_under_load(
    kubectl: Kubectl, as_documented: Callable[..., str], first: First
) -> None:
    assert recovered_rows(as_documented) == first.rows
    found = record(kubectl)
    report = json.loads(found["report"])
    assert json.loads(found["plan"])["base"] == first.base
    assert report["tables"]["public.acknowledged"] == len(first.rows)
    assert report["timeline"] > 1


def test_a_second_recovery_is_refused_while_one_is_there(playbook: Playbook, archived: str) -> None:
    assert "is restored already: swap it in" in pitr(playbook, "latest").failure
    run = pitr(playbook, archived)
    assert run.code == 0, run.output


def test_a_copy_that_nobody_wants_makes_room_for_another(
    playbook: Playbook, kubectl: Kubectl, as_documented: Callable[..., str], first: First
) -> None:
    run = playbook("pitr", "-e", "remove=true")
    assert run.code == 0, run.output
    assert "postgres-recovery" not in kubectl("get", "pvc,job,configmap,statefulset", "-o", "name")
    run = pitr(playbook, f"lsn:{first.position}", "-e", f"timeline={first.timeline}")
    assert run.code == 0, run.output
    assert recovered_rows(as_documented) == first.rows


@contextmanager
def recorded_steps() -> Iterator[Iterator[str]]:
    """Each step as it is written down, without a look in between that would miss the short ones."""
    command = ["kubectl", "-n", NAMESPACE, "get", "configmap", "postgres-recovery", "--watch"]
    command += ["--output", 'jsonpath={.data.state} {.data.step}{"\\n"}']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    limit = threading.Timer(300, process.terminate)
    limit.start()
    try:
        yield (line.strip() for line in process.stdout)
    finally:
        limit.cancel()
        process.terminate()
        process.wait()


def test_a_swap_that_is_killed_again_and_again(playbook: Playbook, psql: Kubectl, first: First) -> None:
    """At every step but those that pass before the kill: the unit tests of the exchange kill it at every request."""
    killed: list[str] = []
    while "swapped" not in killed:
        with recorded_steps() as steps, background("-e", "swap=true", *CONFIRM):
            killed.append(next(step for step in steps if step != "restored" and step not in killed))
    run = playbook("pitr", "-e", "swap=true", *CONFIRM)
    assert run.code == 0, run.output
    assert {step.removeprefix("swapping ") for step in killed} >= LONG_STEPS, killed
    assert [n for n in primary_rows(psql) if n <= first.rows[-1]] == first.rows


def test_after_the_swap_all_is_as_before(playbook: Playbook, kubectl: Kubectl, psql: Kubectl, tmp_path: Any) -> None:
    assert psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'") == "postgres-replica-0"
    # A restore that was killed after its promotion has used a number up.
    timeline = json.loads(record(kubectl)["report"])["timeline"]
    assert psql("SELECT timeline_id FROM pg_control_checkpoint()") == str(timeline)
    assert psql("SELECT pg_is_in_recovery()", pod="postgres-replica-0") == "t"
    health = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:8080/api/v1/health\").status)'"
    wait_until(
        lambda: kubectl("exec", "deployment/hustlex-api", "--", "sh", "-c", health).strip() == "200",
        60,
        "the API is healthy",
    )
    catalogue = tmp_path / "catalogue.json"
    run = playbook("backups", "-e", f"json={catalogue}")
    assert run.code == 0, run.output
    found = json.loads(catalogue.read_text())
    assert found["gaps"] == []
    assert any(base["timeline"] == timeline for base in found["bases"])
    assert playbook("pitr", "-e", "swap=true", *CONFIRM).changed == 0


def test_no_pod_that_starts_again_is_another_primary(playbook: Playbook, kubectl: Kubectl, psql: Kubectl) -> None:
    kubectl("delete", "pod", "postgres-0", "postgres-replica-0")
    for name in ("postgres", "postgres-replica"):
        kubectl("rollout", "status", f"statefulset/{name}", "--timeout=200s")
    topology = kubectl("get", "configmap", "postgres-topology", "-o", "jsonpath={.data.primary}")
    assert topology == "postgres-0"
    assert psql("SELECT pg_is_in_recovery()") == "f"
    assert psql("SELECT pg_is_in_recovery()", pod="postgres-replica-0") == "t"
    run = playbook("deploy")
    assert (run.code, run.changed) == (0, 0), run.output


def test_the_way_back_has_every_row_of_before_the_swap(
    playbook: Playbook, psql: Kubectl, load: Writer, first: First, kubectl: Kubectl
) -> None:
    kept = record(kubectl)["kept"]
    load.__exit__()
    # What the load was told before the fence is in the volume that was taken out; what came after is on the other timeline.
    turn = _turn(load.acknowledged)
    before, after = load.acknowledged[:turn], load.acknowledged[turn:]
    assert after
    assert set(first.rows) | set(after) <= set(primary_rows(psql))
    run = playbook("pitr", "-e", "revert=true", *CONFIRM)
    assert run.code == 0, run.output
    assert set(first.rows) | set(before) <= set(primary_rows(psql))
    swapped = json.loads(record(kubectl)["report"])["timeline"]
    assert int(psql("SELECT timeline_id FROM pg_control_checkpoint()")) > swapped
    assert psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'") == "postgres-replica-0"
    assert kept not in kubectl("get", "pvc", "-o", "name")


def _turn(numbers: list[int]) -> int:
    """Where the numbers begin again lower: the load then wrote to the recovered database."""
    return next((i for i in range(1, len(numbers)) if numbers[i] < numbers[i - 1]), len(numbers))


def test_what_is_left_is_removed_with_confirmation_alone(playbook: Playbook, kubectl: Kubectl) -> None:
    kept = record(kubectl)["kept"]
    assert "the way back" in playbook("pitr", "-e", "remove=true").failure
    run = playbook("pitr", "-e", "remove=true", *CONFIRM)
    assert run.code == 0, run.output
    assert kept not in kubectl("get", "pvc", "-o", "name")
    assert "postgres-recovery" not in kubectl("get", "configmap", "-o", "name")


@pytest.mark.drill
def test_a_damaged_newest_backup_is_found_by_its_verification(
    playbook: Playbook, kubectl: Kubectl, store: Store
) -> None:
    newest = max(found.key for found in store.list(BASES) if found.key.endswith("F/backup.manifest"))
    files = [found for found in store.list(newest.removesuffix("backup.manifest")) if "/pg_data/" in found.key]
    largest = max(files, key=lambda found: found.size)
    content = bytearray(store.read(largest.key))
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    with damaged(store, largest.key, bytes(content)):
        run = playbook("verify_backups")
    assert run.code != 0
    assert "Job backup-verify-now failed; its last words" in run.failure
    assert "restoring base backup" in kubectl("logs", "job/backup-verify-now")


def test_a_verification_reports_time_and_age_and_leaves_nothing(
    playbook: Playbook, kubectl: Kubectl, store: Store
) -> None:
    run = playbook("verify_backups")
    assert run.code == 0, run.output
    assert "restored and proved in" in run.output
    reports = [found.key for found in store.list("verifications/")]
    assert json.loads(store.read(reports[-1]))["ok"] is True
    wait_until(lambda: "backup-verify" not in kubectl("get", "pod,pvc,job", "-o", "name"), 60, "the instance is gone")
    # It looks once a minute, and when it starts.
    kubectl("delete", "pod", "--selector", "app=backup-exporter")
    script = "import urllib.request as u; print(u.urlopen('http://localhost:9188/metrics').read().decode())"

    def ages() -> list[str]:
        text = kubectl("exec", "deployment/backup-exporter", "--", "python3", "-c", script)
        assert 'hustlex_backup_failed{kind="verify"} 0.0' in text
        return re.findall(r"^hustlex_backup_verified_(?:age|restore)_seconds ([0-9.]+)$", text, re.MULTILINE)

    age, restore = wait_until(ages, 60, "the exporter tells of the verification")
    assert float(age) < 120
    assert float(restore) > 0
