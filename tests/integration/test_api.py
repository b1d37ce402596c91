"""The reference application against real servers: what a rollout relies on."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from application import SECRETS, Application, read, request
from servers import PgBouncer, Postgres, Redis, answers, wait_for


def register(port: int, phone: str = "0800") -> str:
    answer = request(port, "POST", "/api/v1/registrations", {"phone": phone, "name": "Ada"})
    assert answer.status == 201, answer
    return str(answer.body["token"])


def test_health_shows_each_dependency_and_recovers(application: Application, redis: Redis) -> None:
    with application.started() as api:
        health = api.request("GET", "/api/v1/health")
        assert health.status == 200
        assert health.body["status"] == "ok"
        assert health.body["version"]
        assert health.body["database"]["status"] == health.body["redis"]["status"] == "up"
        assert health.body["database"]["schema"] == health.body["database"]["needs_schema"]

        redis.stop()
        wait_for(lambda: api.request("GET", "/api/v1/health").status == 503, 10)
        health = api.request("GET", "/api/v1/health")
        assert health.body["redis"] == {"status": "down", "error": "unreachable"}
        assert health.body["database"]["status"] == "up"
        assert api.request("GET", "/livez").status == 200
        assert not api.ready()

        redis.start()
        wait_for(api.ready, 10)


def test_starts_without_database_and_redis_and_becomes_ready_when_they_come(
    application: Application, postgres: Postgres, redis: Redis
) -> None:
    postgres.stop()
    redis.stop()
    try:
        with application.started(until="alive") as api, application.started("worker", until="alive") as worker:
            time.sleep(3)
            health = api.request("GET", "/api/v1/health")
            assert health.status == 503
            assert health.body["database"]["error"] == health.body["redis"]["error"] == "unreachable"
            assert worker.alive()
            postgres.start()
            redis.start()
            wait_for(api.ready, 10)
            wait_for(worker.ready, 10)
            token = register(api.port)
            wait_for(lambda: application.sql("SELECT 1 FROM users WHERE welcomed_at IS NOT NULL"), 15)
            assert api.request("GET", "/api/v1/me", token=token).body["name"] == "Ada"
    finally:
        for server in (postgres, redis):
            if server.process is None:
                server.start()


def test_requests_work_again_at_once_after_the_database_restarted(application: Application, postgres: Postgres) -> None:
    with application.started() as api:
        token = register(api.port)
        postgres.stop()
        wait_for(lambda: not api.ready(), 10)
        assert api.request("GET", "/api/v1/me", token=token).status == 503
        time.sleep(6)
        postgres.start()
        wait_for(api.ready, 10)
        assert api.request("GET", "/api/v1/me", token=token).status == 200


def test_migrations_up_down_status(empty: Application) -> None:
    assert "0001 users                                pending" in empty.migrate("status").stdout
    with empty.started(until="alive") as api:
        reason = "database: schema 0 is older than 6, which this version needs"
        wait_for(lambda: reason in api.request("GET", "/readyz").body["reasons"])
        assert empty.migrate("up").returncode == 0
        wait_for(api.ready, 10)
        again = empty.migrate("up")
        assert (again.returncode, again.stdout) == (0, "nothing to do, the schema is at version 6\n")
        assert "runs with code whose schema is at least 5" in empty.run("migrate", "status").stdout

        assert empty.migrate("down", "1").returncode == 0
        wait_for(lambda: not api.ready(), 10)
    assert '"schema": 5' in empty.migrate("status", "--json").stdout
    assert empty.migrate("down", "9").returncode == 0
    assert empty.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]
    assert empty.migrate("up").returncode == 0


def test_two_migrations_at_once_run_each_step_once(empty: Application) -> None:
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: empty.migrate("up", FAULT_MIGRATION_SECONDS="0.2"), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    output = "".join(run.stdout for run in runs)
    assert output.count(": applied in") == 6
    assert "waiting for another migration to finish" in output


def test_a_migration_that_waits_too_long_for_another_says_so(empty: Application) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(empty.migrate, "up", FAULT_MIGRATION_SECONDS="1")
        wait_for(
            lambda: empty.sql(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND pid <> pg_backend_pid()"
            )
        )
        second = empty.migrate("--wait", "0.5", "up")
        assert second.returncode == 4
        assert second.stderr.startswith("error: another migration is still running after 0.5 s")
        assert first.result().returncode == 0


def test_a_failed_migration_leaves_nothing_and_says_why(empty: Application) -> None:
    run = empty.migrate("up", FAULT_MIGRATION_FAILS="1")
    assert run.returncode == 1
    # One line: it is what a report quotes as the last words.
    assert run.stderr == (
        "error: migration 0001 users failed: FAULT_MIGRATION_FAILS"
        " CONTEXT: PL/pgSQL function inline_code_block line 1 at RAISE\n"
    )
    assert empty.sql("SELECT to_regclass('users')") == [(None,)]
    assert empty.migrate("up").returncode == 0


@pytest.mark.parametrize(("taken_back", "named"), [(0, "0007 fault"), (1, "0006 drop"), (2, "0005 transactions")])
def test_a_version_whose_migration_fails_leaves_the_schema_as_it_was(
    application: Application, taken_back: int, named: str
) -> None:
    if taken_back:
        assert application.migrate("down", str(taken_back)).returncode == 0
    run = application.migrate("up", FAULTS="FAULT_MIGRATION_FAILS=1")
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: migration {named}")
    assert application.sql("SELECT max(version) FROM schema_migrations") == [(6 - taken_back,)]
    assert application.sql("SELECT to_regclass('fault_migration_fails'), to_regclass('transactions_of_user_idx')") == [
        (None, "transactions_of_user_idx" if taken_back < 2 else None)
    ]
    assert application.migrate("up").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_migration_that_is_stopped_leaves_nothing_behind(
    empty: Application, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "hustlex_api", "migrate", "up"]
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND pid <> pg_backend_pid()"
    process = subprocess.Popen(command, env=empty.as_owner(FAULT_MIGRATION_SECONDS="60"))
    wait_for(lambda: empty.sql(sleeping))
    process.send_signal(number)
    assert process.wait(10) == code
    wait_for(lambda: not empty.sql(sleeping), 5)
    assert empty.sql("SELECT count(*) FROM schema_migrations") == [(0,)]
    assert empty.migrate("up").returncode == 0


def test_a_worker_that_starts_before_the_schema_waits_for_it(empty: Application) -> None:
    with empty.started("worker", until="alive") as worker:
        time.sleep(2)
        assert worker.alive()
        assert not worker.ready()
        assert empty.migrate("up").returncode == 0
        wait_for(worker.ready, 10)
        with empty.started() as api:
            register(api.port)
        wait_for(lambda: empty.sql("SELECT 1 FROM jobs WHERE status = 'done'"), 5)


def test_a_migration_gives_way_to_traffic(application: Application) -> None:
    assert application.migrate("down", "1").returncode == 0
    with application.postgres.connect(database=application.database) as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE transactions IN ACCESS SHARE MODE")
        with ThreadPoolExecutor() as pool:
            run = pool.submit(application.migrate, "up")
            time.sleep(5)
            blocker.execute("COMMIT")
            assert run.result().returncode == 0
    assert "0006 drop_transaction_reference: a table is locked by others, trying again" in run.result().stdout


def test_only_the_owner_migrates_and_only_directly(empty: Application, pgbouncer: PgBouncer) -> None:
    as_application = empty.run("migrate", "up")
    assert as_application.returncode == 5
    assert "hustlex may not change the schema: run migrations as its owner" in as_application.stderr
    pooled = empty.migrate("up", DB_PORT=str(pgbouncer.port))
    assert pooled.returncode == 5
    assert "is a connection pooler: migrations need DB_HOST of PostgreSQL itself" in pooled.stderr
    assert empty.run("migrate", "status", environ=empty.environ(DB_PORT=str(pgbouncer.port))).returncode == 0


def test_a_migration_changed_after_it_was_applied_is_refused(application: Application) -> None:
    with application.postgres.connect(database=application.database) as connection:
        connection.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2")
    run = application.migrate("down", "1")
    assert run.returncode == 6
    assert "migration 0002 transactions was applied with another content" in run.stderr


def test_an_unreachable_database_ends_a_migration_within_its_wait(empty: Application) -> None:
    run = empty.migrate("--wait", "1", "up", DB_PORT="1")
    assert run.returncode == 3
    assert "waiting for the database" in run.stdout


@pytest.mark.parametrize("threshold", ["0", "5"])
def test_every_endpoint_writes_and_reads(application: Application, threshold: str) -> None:
    with application.started(DB_PREPARE_THRESHOLD=threshold) as api, application.started("worker") as worker:
        exercise(api.port)
        wait_for(lambda: application.sql("SELECT sum(balance_ngn) FROM users") == [(1250,)], 10)
        assert api.metric('transactions_total{kind="credit"}') == 10
        assert api.metric('transaction_volume_ngn{kind="credit"}') == 1000.0
        for name in ("registrations_total", "gigs_created_total", "gigs_completed_total"):
            assert api.metric(name) == 1, name
        assert api.metric("savings_contributions_ngn_total") == 75.5
        assert worker.metric("loan_disbursements_ngn_total") == 250
        assert api.metric("active_connections") >= 1
        failures = 'http_requests_failed_total{method="POST",route="/api/v1/transactions"}'
        assert failures in str(api.request("GET", "/metrics").body)
        assert api.metric(failures) == 0


def exercise(port: int) -> None:
    token = register(port)

    def call(method: str, path: str, body: object = None, status: int = 200) -> object:
        answer = request(port, method, path, body, token)
        assert answer.status == status, answer
        return answer.body

    assert request(port, "POST", "/api/v1/registrations", {"phone": "0800", "name": "x"}).status == 409
    for _round in range(10):
        call("POST", "/api/v1/transactions", {"kind": "credit", "amount_ngn": 100}, 202)
    call("POST", "/api/v1/transactions", {"kind": "credit", "amount_ngn": 0.001}, 422)
    call("POST", "/api/v1/transactions", [], 400)
    assert len(call("GET", "/api/v1/transactions")) == 10  # type: ignore[arg-type]
    call("GET", "/api/v1/transactions/999999", status=404)
    gig = call("POST", "/api/v1/gigs", {"title": "Braid hair", "price_ngn": 4000}, 201)["id"]  # type: ignore[index]
    assert [entry["title"] for entry in call("GET", "/api/v1/gigs")] == ["Braid hair"]  # type: ignore[attr-defined]
    call("POST", f"/api/v1/gigs/{gig}/completion")
    call("POST", f"/api/v1/gigs/{gig}/completion", status=404)
    call("POST", "/api/v1/savings", {"amount_ngn": 75.5}, 201)
    call("POST", "/api/v1/loans", {"amount_ngn": 250}, 202)
    assert request(port, "GET", "/api/v1/me", token="forged").status == 401


def test_works_through_a_transaction_pooler(application: Application, pgbouncer: PgBouncer) -> None:
    pooled = {"DB_PORT": str(pgbouncer.port)}
    with application.started(**pooled) as api, application.started("worker", **pooled):
        exercise(api.port)
        wait_for(lambda: application.sql("SELECT sum(balance_ngn) FROM users") == [(1250,)], 10)


def test_an_idempotency_key_makes_a_repeated_request_harmless(application: Application) -> None:
    with application.started() as api:
        token = register(api.port)
        body, key = {"kind": "debit", "amount_ngn": "10.50"}, {"idempotency-key": "k1"}
        with ThreadPoolExecutor() as pool:
            calls = [
                pool.submit(request, api.port, "POST", "/api/v1/transactions", body, token, key) for _round in range(5)
            ]
        answers = [call.result() for call in calls]
        assert sorted(answer.status for answer in answers) == [200] * 4 + [202]
        assert len({answer.body["id"] for answer in answers}) == 1


def test_jobs_are_done_once_when_workers_are_killed(application: Application) -> None:
    slow = {"FAULT_JOB_SECONDS": "0.05"}
    with application.started() as api:
        token = register(api.port)
        for amount in range(1, 201):
            body = {"kind": "credit", "amount_ngn": amount}
            assert request(api.port, "POST", "/api/v1/transactions", body, token).status == 202
        for _round in range(3):
            with application.started("worker", **slow) as worker:
                time.sleep(0.4)
                worker.end(signal.SIGKILL)
        with application.started("worker", **slow), application.started("worker", **slow):
            wait_for(lambda: application.sql("SELECT count(*) FROM jobs WHERE status <> 'done'") == [(0,)], 30)
        assert application.sql("SELECT sum(balance_ngn) FROM users") == [(sum(range(1, 201)),)]


def test_jobs_survive_the_loss_of_redis(application: Application, redis: Redis) -> None:
    with application.started() as api:
        token = register(api.port)
        for _round in range(5):
            api.request("POST", "/api/v1/transactions", {"kind": "credit", "amount_ngn": 1}, token)
        redis.stop()
        accepted = api.request("POST", "/api/v1/transactions", {"kind": "credit", "amount_ngn": 1}, token)
        assert accepted.status == 202
        subprocess.run(["rm", "-rf", f"{redis.command[redis.command.index('--dir') + 1]}/appendonlydir"], check=True)
        redis.start()
    with application.started("worker"):
        wait_for(lambda: application.sql("SELECT sum(balance_ngn) FROM users") == [(6,)], 20)


def test_a_worker_gives_its_job_back_when_it_must_stop(application: Application) -> None:
    with application.started() as api:
        register(api.port)
    with application.started("worker", FAULT_JOB_SECONDS="60", WORKER_GRACE_SECONDS="0.5") as worker:
        wait_for(lambda: application.sql("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))
        started = time.monotonic()
        assert worker.end() == 0
        assert time.monotonic() - started < 6
    with application.started("worker", JOB_CLAIM_SECONDS="600", JOB_REQUEUE_SECONDS="600"):
        wait_for(lambda: application.sql("SELECT 1 FROM jobs WHERE status = 'done'"), 5)


def test_a_worker_finishes_its_job_before_it_stops(application: Application) -> None:
    with application.started() as api:
        register(api.port)
    with application.started("worker", FAULT_JOB_SECONDS="2") as worker:
        wait_for(lambda: application.sql("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))
        assert worker.end() == 0
    assert application.sql("SELECT status FROM jobs") == [("done",)]


def test_no_request_fails_while_the_api_stops(application: Application) -> None:
    """Clients with kept connections and new ones; a client that is told to close, or refused, goes elsewhere."""
    outcomes: list[str] = []

    def client(port: int, kept: bool) -> None:
        import http.client

        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            answered = False
            while True:
                try:
                    connection.request("GET", "/api/v1/gigs")
                    answer = read(connection)
                except OSError as error:
                    # It was still in the queue of the port when that closed: the kernel's way to refuse it.
                    if not answered and isinstance(error, ConnectionResetError) and not answers(port):
                        return
                    outcomes.append(repr(error))
                    return
                answered = True
                outcomes.append(str(answer.status))
                if not kept or answer.headers.get("connection") == "close":
                    connection.close()
                    break

    with application.started(FAULT_SLOW_SECONDS="0.05") as api:
        threads = [threading.Thread(target=client, args=(api.port, kept)) for kept in (True, True, True, False)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        api.process.terminate()
        wait_for(lambda: not api.ready(), 1)
        assert api.process.wait(20) == 0
        for thread in threads:
            thread.join(10)
    assert set(outcomes) == {"200"}
    assert len(outcomes) > 50


def test_faults_do_what_they_say(application: Application) -> None:
    with application.started(until="alive", FAULT_NEVER_READY="1") as api:
        time.sleep(1)
        assert "FAULT_NEVER_READY is set" in api.request("GET", "/readyz").body["reasons"]
    with application.started(FAULT_ERROR_RATIO="1", FAULT_ERRORS_AFTER_SECONDS="4") as api:
        assert api.request("GET", "/api/v1/gigs").status == 200
        wait_for(lambda: api.request("GET", "/api/v1/gigs").status == 500, 6)
        assert api.metric('http_requests_failed_total{method="GET",route="/api/v1/gigs"}') == 1
        assert api.request("GET", "/api/v1/health").status == 200
        assert '"level": "error", "logger": "hustlex_api.web", "message": "FAULT_ERROR_RATIO' in api.log.read_text()
    with application.started(FAULT_LEAK_MB_PER_SECOND="20") as api:
        before = api.metric("process_resident_memory_bytes")
        wait_for(lambda: api.metric("process_resident_memory_bytes") > before + 20e6, 10)
    with application.started(until="alive", FAULT_CRASH_AFTER_SECONDS="1") as api:
        assert api.process.wait(5) == 1
    assert application.run("serve", environ=application.environ(FAULT_CRASH_AT_START="1")).returncode == 1


def test_a_slow_database_costs_a_request_its_time_limit_only(application: Application) -> None:
    with application.started(REQUEST_SECONDS="1") as api:
        with application.postgres.connect(database=application.database) as blocker:
            blocker.execute("BEGIN")
            blocker.execute("LOCK TABLE gigs")
            started = time.monotonic()
            assert api.request("GET", "/api/v1/gigs").status == 504
            assert time.monotonic() - started < 3
            assert api.ready()
        assert api.request("GET", "/api/v1/gigs").status == 200


def test_secrets_appear_nowhere(application: Application) -> None:
    with application.started(LOG_LEVEL="debug") as api, application.started("worker", LOG_LEVEL="debug") as worker:
        token = register(api.port)
        api.request("GET", "/api/v1/me", token=token)
        shown = [str(api.request("GET", path).body) for path in ("/metrics", "/readyz", "/api/v1/health")]
        api.end()
        worker.end()
        text = "".join(shown) + api.log.read_text() + worker.log.read_text()
    wrong = application.run("serve", environ=application.environ(PORT="x"))
    assert wrong.stderr == "error: configuration: PORT must be a whole number from 1 to 65535, not 'x'\n"
    assert not [name for name, value in SECRETS.items() if value in text + wrong.stderr]


def test_a_port_that_is_taken_is_one_sentence(application: Application) -> None:
    with application.started() as api:
        second = application.run("serve", environ=application.environ(PORT=str(api.port)))
    assert second.returncode == 2
    assert second.stderr == f"error: port {api.port} cannot be opened: Address already in use\n"
