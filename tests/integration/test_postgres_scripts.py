"""The scripts of role postgres against real servers: start, replication, crashes, roles, demotion."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import Cluster, Pod, cluster
from servers import _postgres_user, wait_for

TOOLS = [
    "sh",
    "cat",
    "chmod",
    "cksum",
    "date",
    "basename",
    "dirname",
    "flock",
    "grep",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "sed",
]
TOOLS += ["sleep", "sync", "tail", "touch", "tr"]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, because a socket's path may not be longer than 107 characters.
    path = Path(tempfile.mkdtemp(prefix="hx-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def pods(folder: Path) -> Iterator[Cluster]:
    with cluster(folder) as running:
        yield running


@pytest.fixture
def primary(pods: Cluster) -> Pod:
    return pods.pods["postgres-0"].start()


@pytest.fixture
def replica(pods: Cluster, primary: Pod) -> Pod:
    return pods.pods["postgres-replica-0"].start()


@pytest.fixture
def busybox(folder: Path) -> list[str]:
    """Shell and tools as in the Alpine images."""
    root = Path(tempfile.gettempdir()) / "hustlex-test-busybox"
    subprocess.run([Path(__file__).parent / "unpack-debian", root, "busybox"], check=True, timeout=300)
    path = next(str(found) for found in root.rglob("busybox") if found.is_file() and os.access(found, os.X_OK))
    tools = folder / "busybox"
    tools.mkdir()
    applets = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in TOOLS:
        # Debian leaves out a few that Alpine has.
        (tools / name).symlink_to(path if name in applets else shutil.which(name) or "")
    return [path, str(tools)]


def write(pod: Pod, count: int = 1) -> None:
    pod.sql(f"CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t SELECT generate_series(1, {count})")


def rows(pod: Pod) -> int:
    return int(pod.sql("SELECT count(*) FROM t"))


def test_a_new_primary_is_safe_and_has_its_roles(primary: Pod) -> None:
    assert primary.sql("SHOW data_checksums") == "on"
    assert primary.sql("SHOW server_encoding") == "UTF8"
    assert primary.sql("SELECT datcollate FROM pg_database WHERE datname = 'hustlex'") == "C.UTF-8"
    assert primary.sql("SELECT * FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 1")
    assert primary.sql("SELECT bt_index_check('pg_class_oid_index')") == ""
    assert primary.sql("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'postgres'") == "t"
    kinds = "SELECT string_agg(DISTINCT left(rolpassword, 13), ',') FROM pg_authid WHERE rolpassword <> ''"
    assert primary.sql(kinds) == "SCRAM-SHA-256"


def test_each_role_can_what_it_must_and_no_more(pods: Cluster, primary: Pod) -> None:
    owner, application = pods.password("OWNER"), pods.password("DB")
    assert primary.login("hustlex_owner", owner, "CREATE TABLE gigs (id serial PRIMARY KEY, title text)") == ""
    assert primary.login("hustlex", application, "INSERT INTO gigs (title) VALUES ('a') RETURNING id") == "1"
    assert primary.login("hustlex", application, "SELECT count(*) FROM gigs") == "1"
    assert "permission denied" in primary.login("hustlex", application, "CREATE TABLE mine (n int)")
    assert "must be owner" in primary.login("hustlex", application, "DROP TABLE gigs")
    assert "no pg_hba.conf entry" in primary.login("hustlex", application, database="postgres")
    assert "no pg_hba.conf entry" in primary.login("postgres", application)
    assert "password authentication failed" in primary.login("hustlex", owner)
    assert primary.login("monitor", pods.password("MONITOR"), "SELECT count(*) > 0 FROM pg_stat_statements") == "t"
    assert "permission denied" in primary.login("monitor", pods.password("MONITOR"), "SELECT * FROM gigs")
    assert primary.login("backup", pods.password("BACKUP"), "SELECT title FROM gigs") == "a"
    assert "permission denied" in primary.login("backup", pods.password("BACKUP"), "DELETE FROM gigs")


def test_a_restore_makes_a_database_beside_without_a_superuser(pods: Cluster, primary: Pod) -> None:
    password = pods.password("RESTORE")
    copy = "CREATE DATABASE hustlex_restored_1 OWNER hustlex_owner TEMPLATE hustlex_template"
    assert primary.login("restore", password, copy, "postgres") == ""
    extensions = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension"
    answer = primary.login("restore", password, extensions, "hustlex_restored_1")
    assert answer == "amcheck pg_stat_statements plpgsql"
    check = "SELECT public.bt_index_check('pg_class_oid_index')"
    assert primary.login("restore", password, check, "hustlex_restored_1") == ""
    lookup = "SELECT proowner::regrole FROM pg_proc WHERE proname = 'user_lookup'"
    assert primary.login("restore", password, lookup, "hustlex_restored_1") == "postgres"
    assert primary.login("restore", password, "DROP DATABASE hustlex_restored_1", "postgres") == ""
    assert "must be owner" in primary.login("restore", password, "DROP DATABASE hustlex_template", "postgres")
    assert "permission denied for database" in primary.login("restore", password, database="hustlex_template")
    assert "permission denied" in primary.login("restore", password, "CREATE ROLE another", "postgres")


def test_pgbouncer_looks_up_application_users_alone(pods: Cluster, primary: Pod) -> None:
    password = pods.password("PGBOUNCER")
    lookup = "SELECT left(phash, 13) FROM pgbouncer.user_lookup('{}')"
    assert primary.login("pgbouncer", password, lookup.format("hustlex")) == "SCRAM-SHA-256"
    for user in ("postgres", "replicator", "hustlex_owner", "backup", "restore", "nobody"):
        assert primary.login("pgbouncer", password, lookup.format(user)) == ""
    assert "permission denied" in primary.login("hustlex", pods.password("DB"), lookup.format("hustlex"))


def test_a_second_round_of_the_keeper_writes_nothing(primary: Pod) -> None:
    (primary.run_dir / "roles.synced").unlink()
    before = primary.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    done = primary.script("keeper.sh", "once")
    assert (done.returncode, done.stderr) == (0, "")
    assert primary.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before


def test_the_heartbeat_beats_only_where_wal_is_archived(primary: Pod) -> None:
    next_transaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    before = primary.sql(next_transaction)
    assert primary.script("keeper.sh", "heartbeat").returncode == 0
    assert primary.sql(next_transaction) == before
    primary.stop()
    primary.configure(archive_mode="on", archive_command="true")
    primary.start()
    before = primary.sql(next_transaction)
    assert primary.script("keeper.sh", "heartbeat").returncode == 0
    assert int(primary.sql(next_transaction)) == int(before) + 1


def test_archive_timeout_counts_right_after_a_start(primary: Pod) -> None:
    primary.stop()
    primary.configure(archive_mode="on", archive_command="true", archive_timeout="2s", checkpoint_timeout="30min")
    primary.start()
    write(primary)
    wait_for(lambda: primary.sql("SELECT archived_count > 0 FROM pg_stat_archiver") == "t", 20, "a segment is archived")


def test_the_keeper_undoes_what_somebody_changed(primary: Pod) -> None:
    primary.sql("ALTER ROLE hustlex SUPERUSER; DROP FUNCTION pgbouncer.user_lookup")
    primary.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    (primary.run_dir / "roles.synced").unlink()
    assert primary.script("keeper.sh", "once").returncode == 0
    assert primary.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'hustlex'") == "f"
    assert primary.sql("SELECT has_schema_privilege('hustlex', 'public', 'CREATE')") == "f"
    assert primary.sql("SELECT count(*) FROM pgbouncer.user_lookup('hustlex')") == "1"


def test_a_changed_password_works_without_a_restart_and_shows_nowhere(
    pods: Cluster, primary: Pod, replica: Pod
) -> None:
    pods.set_password("DB", "it's \\new: $(secret)")
    pods.set_password("REPLICATOR", "new:replicator\\password")
    done = primary.script("keeper.sh", "once")
    assert "password of role hustlex set" in done.stderr
    assert primary.login("hustlex", "it's \\new: $(secret)") == "1"
    assert "failed" in primary.login("hustlex", "db-pass:word\\1")
    assert "secret" not in primary.logged() + done.stderr
    assert primary.sql("SELECT count(*) FROM pg_stat_statements WHERE query ILIKE '%PASSWORD ''%'") == "0"
    primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    replica.wait_ready()


def test_a_replica_streams_through_its_own_slot(primary: Pod, replica: Pod) -> None:
    write(primary, 100)
    wait_for(lambda: replica.sql("SELECT to_regclass('t') IS NOT NULL") == "t" and rows(replica) == 100)
    assert primary.sql("SELECT application_name, state FROM pg_stat_replication") == "postgres-replica-0|streaming"
    assert primary.sql("SELECT slot_name, active FROM pg_replication_slots") == "postgres_replica_0|t"
    assert replica.sql("SELECT pg_is_in_recovery()") == "t"


def test_the_scripts_run_with_busybox(folder: Path, busybox: list[str]) -> None:
    shell, tools = busybox
    with cluster(folder / "pods", shell=[shell, "sh"], tools=tools) as pods:
        primary, replica = pods.pods["postgres-0"].start(), pods.pods["postgres-replica-0"].start()
        write(primary)
        primary.stop()
        pods.record("postgres-replica-0")
        replica.stop()
        replica.start()
        primary.start()
        wait_for(lambda: replica.sql("SELECT count(*) FROM pg_stat_replication") == "1")
        assert rows(primary) == 1


def test_both_restart_and_go_on(primary: Pod, replica: Pod) -> None:
    primary.stop()
    assert "receives no WAL" in wait_for(lambda: replica.script("ready.sh").stdout)
    assert replica.script("live.sh").returncode == 0
    primary.start()
    replica.stop()
    write(primary)
    replica.start()
    wait_for(lambda: replica.sql("SELECT to_regclass('t') IS NOT NULL") == "t" and rows(replica) == 1)
    assert replica.logged().count("copying the database") == 1


def test_a_killed_primary_recovers_with_every_acknowledged_row(primary: Pod) -> None:
    write(primary, 1000)
    primary.kill()
    assert (primary.data / "postmaster.pid").exists()
    primary.start()
    assert rows(primary) == 1000
    assert "automatic recovery in progress" in primary.logged()


def test_an_interrupted_initdb_is_done_again(pods: Cluster) -> None:
    primary = pods.pods["postgres-0"]
    primary.launch()
    wait_for((primary.volume / "pgdata.partial" / "base").exists)
    primary.kill()
    assert not primary.data.exists()
    assert rows_of_new(primary.start()) == 1
    assert not (primary.volume / "pgdata.partial").exists()


def rows_of_new(pod: Pod) -> int:
    write(pod)
    return rows(pod)


def test_an_interrupted_copy_is_done_again(pods: Cluster, primary: Pod) -> None:
    primary.sql("CREATE TABLE t AS SELECT n, repeat('x', 1000) FROM generate_series(1, 100000) n")
    replica = pods.pods["postgres-replica-0"]
    replica.launch()
    wait_for((replica.volume / "pgdata.partial" / "base").exists)
    replica.kill()
    assert not replica.data.exists()
    replica.start()
    assert rows(replica) == 100000


def test_a_replica_waits_for_its_primary(pods: Cluster) -> None:
    replica = pods.pods["postgres-replica-0"]
    replica.launch()
    wait_for(lambda: "waiting for primary postgres-0" in replica.logged())
    pods.pods["postgres-0"].start()
    replica.wait_ready()


def test_only_one_server_uses_a_volume(primary: Pod) -> None:
    first = primary.process
    primary.launch()
    wait_for(lambda: "waiting for another server" in primary.logged())
    assert primary.sql("SELECT 1") == "1"
    primary.kill()
    primary.process = first


def test_the_recorded_fact_makes_a_replica_the_primary_and_the_old_one_its_standby(
    pods: Cluster, primary: Pod, replica: Pod
) -> None:
    write(primary, 10)
    primary.stop()
    pods.record("postgres-replica-0")
    replica.stop()
    replica.start()
    assert rows(replica) == 10
    assert replica.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "2"
    primary.start()
    assert primary.sql("SELECT pg_is_in_recovery()") == "t"
    write(replica, 5)
    wait_for(lambda: rows(primary) == 15)
    primary.script("keeper.sh", "once")
    assert primary.sql("SELECT count(*) FROM pg_replication_slots") == "0"


def test_a_crashed_old_primary_loses_only_what_no_replica_had(pods: Cluster, primary: Pod, replica: Pod) -> None:
    write(primary, 10)
    wait_for(lambda: replica.sql("SELECT to_regclass('t') IS NOT NULL") == "t" and rows(replica) == 10)
    replica.kill()
    write(primary, 100)
    primary.kill()
    pods.record("postgres-replica-0")
    replica.start()
    primary.start()
    assert "servers diverged" in primary.logged()
    wait_for(lambda: rows(primary) == rows(replica) == 10)


def test_an_old_primary_never_comes_back_beside_a_new_one(pods: Cluster, primary: Pod, replica: Pod) -> None:
    pods.record("postgres-replica-0")
    done = primary.script("ready.sh")
    assert done.returncode == 1
    assert done.stdout == "postgres-0 runs as a primary, but postgres-replica-0 is recorded as the one\n"
    replica.stop()
    replica.launch()
    wait_for(lambda: "waiting for postgres-0, which still runs as a primary" in replica.logged())
    assert primary.sql("SELECT pg_is_in_recovery()") == "f"
    primary.stop()
    replica.wait_ready()
    primary.start()
    assert primary.sql("SELECT pg_is_in_recovery()") == "t"


def test_an_empty_primary_does_not_start_over_the_data_of_a_replica(pods: Cluster, primary: Pod, replica: Pod) -> None:
    primary.stop()
    shutil.rmtree(primary.data)
    primary.launch()
    assert primary.exit_code() == 1
    assert "REFUSED: the volume of postgres-0 is empty but another pod holds data" in primary.logged()
    assert not primary.data.exists()


def test_a_standby_of_another_database_is_not_thrown_away(primary: Pod, replica: Pod) -> None:
    write(primary, 3)
    wait_for(lambda: replica.sql("SELECT to_regclass('t') IS NOT NULL") == "t" and rows(replica) == 3)
    replica.stop()
    primary.stop()
    shutil.rmtree(primary.data)
    primary.start()
    (replica.volume / "reclone").touch()
    replica.launch()
    assert replica.exit_code() == 1
    assert "does not come from primary postgres-0" in replica.logged()
    assert (replica.data / "PG_VERSION").exists()


def test_a_replica_that_fell_too_far_behind_is_copied_anew(primary: Pod, replica: Pod) -> None:
    primary.stop()
    primary.configure(max_slot_wal_keep_size="16MB", wal_keep_size="0")
    primary.start()
    replica.wait_ready()
    replica.stop()
    write(primary)
    for _round in range(8):
        primary.sql("INSERT INTO t VALUES (1); SELECT pg_switch_wal()")
        primary.sql("CHECKPOINT")
    assert primary.sql("SELECT wal_status FROM pg_replication_slots") in ("lost", "unreserved")
    replica.launch()
    wait_for(lambda: replica.script("keeper.sh", "once") and replica.process and replica.process.poll() is not None)
    assert (replica.volume / "reclone").exists()
    replica.start()
    assert replica.logged().count("copying the database") == 2
    assert rows(replica) == 9
    write(primary)
    replica.stop()
    assert primary.sql("SELECT wal_status FROM pg_replication_slots") == "reserved"


def test_a_dropped_slot_is_made_again(primary: Pod, replica: Pod) -> None:
    replica.stop()
    wait_for(lambda: primary.sql("SELECT NOT active FROM pg_replication_slots") == "t")
    primary.sql("SELECT pg_drop_replication_slot('postgres_replica_0')")
    replica.start()
    assert primary.sql("SELECT active FROM pg_replication_slots") == "t"
    assert replica.logged().count("copying the database") == 1


def test_the_slot_of_a_removed_replica_is_dropped(pods: Cluster, primary: Pod, replica: Pod) -> None:
    replica.stop()
    wait_for(lambda: primary.sql("SELECT NOT active FROM pg_replication_slots") == "t")
    assert primary.script("keeper.sh", "once").stderr == ""
    pods.members("postgres-0")
    assert "replication slot postgres_replica_0 dropped" in primary.script("keeper.sh", "once").stderr
    assert primary.sql("SELECT count(*) FROM pg_replication_slots") == "0"


def test_fewer_connections_do_not_stop_a_standby(primary: Pod, replica: Pod) -> None:
    for pod in (replica, primary):
        pod.configure(max_connections=25)
    replica.stop()
    replica.start()
    assert replica.sql("SHOW max_connections") == "40"
    primary.stop()
    primary.start()
    assert primary.sql("SHOW max_connections") == "25"
    replica.wait_ready()


def test_more_connections_reach_both(primary: Pod, replica: Pod) -> None:
    for pod in (replica, primary):
        pod.configure(max_connections=60)
    primary.stop()
    primary.start()
    replica.stop()
    replica.start()
    assert replica.sql("SHOW max_connections") == primary.sql("SHOW max_connections") == "60"


def test_a_recovering_server_is_alive_but_not_ready(primary: Pod) -> None:
    primary.stop()
    assert primary.script("live.sh").returncode == 1
    slow, asked = primary.run_dir / "slow", primary.run_dir / "asked"
    slow.touch()
    primary.configure(restore_command=f"touch {asked}; while [ -e {slow} ]; do sleep 0.1; done; false")
    (primary.data / "recovery.signal").touch()
    primary.launch()
    wait_for(asked.exists, what="recovery asks the archive")
    for _probe in range(3):
        assert primary.script("live.sh").returncode == 0
        assert primary.script("ready.sh").returncode != 0
    slow.unlink()
    primary.wait_ready()
    assert primary.script("live.sh").returncode == 0


def self_signed(folder: Path, user: str | None) -> Path:
    """A folder as a kubernetes.io/tls Secret is mounted."""
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=postgres", "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    (folder / "tls.key").chmod(0o600)
    if user:
        for path in folder.iterdir():
            shutil.chown(path, user)
    return folder


def test_with_a_certificate_nothing_goes_over_the_network_in_the_clear(folder: Path) -> None:
    with cluster(folder, tls=self_signed(folder / "tls", _postgres_user())) as pods:
        primary = pods.pods["postgres-0"].start()
        password, own = pods.password("DB"), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert primary.login("hustlex", password, own) == "t"
        refused = primary.login("hustlex", password, own, sslmode="disable")
        assert "no pg_hba.conf entry" in refused
        assert "no encryption" in refused
        pods.pods["postgres-replica-0"].start()
        assert primary.sql("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)") == "t"


def test_data_of_another_major_version_is_refused(primary: Pod) -> None:
    primary.stop()
    (primary.data / "PG_VERSION").write_text("12\n")
    primary.launch()
    assert primary.exit_code() == 1
    assert "REFUSED: the data was written by PostgreSQL 12" in primary.logged()


def test_an_interrupted_demotion_ends_in_a_copy(pods: Cluster, primary: Pod, replica: Pod) -> None:
    write(primary, 10)
    primary.stop()
    pods.record("postgres-replica-0")
    replica.stop()
    replica.start()
    (primary.volume / "rewinding").touch()
    (primary.data / "base").rename(primary.data / "half")
    primary.start()
    assert rows(primary) == 10
    assert not (primary.volume / "rewinding").exists()


def test_an_old_primary_that_cannot_be_rewound_keeps_its_data(pods: Cluster, primary: Pod, replica: Pod) -> None:
    primary.stop()
    primary.configure(wal_keep_size=0)
    primary.start()
    replica.kill()
    write(primary, 10)
    for _round in range(3):
        primary.sql("SELECT pg_switch_wal()")
        primary.sql("CHECKPOINT")
    primary.sql("SELECT pg_drop_replication_slot('postgres_replica_0')")
    for _round in range(6):
        primary.sql("INSERT INTO t VALUES (1); SELECT pg_switch_wal()")
        primary.sql("CHECKPOINT")
    primary.stop()
    pods.record("postgres-replica-0")
    replica.start()
    for _round in range(2):
        primary.launch()
        assert primary.exit_code() == 1
        assert "REFUSED: the data of postgres-0 cannot be rewound" in primary.logged()
    assert (primary.data / "base").exists()
