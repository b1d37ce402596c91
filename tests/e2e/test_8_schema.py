"""Versions and schemas: migrations by hand, one that old code cannot live with, one that takes too long, the way back."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

import pytest

from .conftest import HTTP, ROOT, command_of, wait_until

pytestmark = pytest.mark.drill

QUICK = ["--tags", "app", "-e", "app_min_ready_seconds=1", "-e", "app_progress_deadline_seconds=30"]
QUICK += ["-e", "app_hpa_max_replicas=1"]
CONFIRM = ["-e", "confirm=development"]


@pytest.fixture(scope="module")
def release(environment, playbook):
    def run(version: str, *arguments: str, code: int = 0):
        done = playbook("deploy", *QUICK, "-e", f"app_version={version}", *arguments)
        assert bool(done.code) == bool(code), done.output
        return done

    return run


@pytest.fixture(scope="module")
def migrate(playbook):
    def run(*arguments: str, fails: str = "") -> str:
        done = playbook("migrate", *arguments)
        assert bool(done.code) == bool(fails), done.output
        assert fails in done.output
        return done.output

    return run


def database() -> tuple[str, int]:
    with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
        health = json.load(answer)
    return health["version"], health["database"]["schema"]


def number_of(read, version: str) -> int:
    items = read("configmaps", "--selector", "hustlex.app/release-result=good")["items"]
    found = [json.loads(item["metadata"]["annotations"]["hustlex.app/release-summary"]) for item in items]
    return max(each["number"] for each in found if each["version"] == version)


def test_down_to_the_oldest_version_by_hand(release, migrate):
    """An older version runs on a newer schema that says so; then its migrations are taken back, with a word for each danger."""
    release("1.0.0")
    down = ["-e", "direction=down", "-e", "version=1.0.0"]
    migrate(*down, fails="confirm=development")
    migrate(*down, "-e", "confirm=production", fails="confirm=development")
    migrate(*down, *CONFIRM, fails="needs")
    release("0.9.0")
    assert database() == ("0.9.0", 6)
    assert "Would run ./api migrate down 1" in migrate(*down, *CONFIRM, "--check")
    assert database() == ("0.9.0", 6)
    migrate(*down, *CONFIRM)
    assert database() == ("0.9.0", 5)
    assert "pending" in migrate("-e", "version=1.0.0")
    migrate(*down, *CONFIRM, "-e", "force=true")
    release("0.8.0")
    assert database() == ("0.8.0", 4)


def test_migrations_that_the_running_code_cannot_live_with_are_refused(release, read):
    run = release("1.0.0", code=1)
    assert "failed: release" in run.failure
    assert "release a version in between first" in run.failure
    assert database() == ("0.8.0", 4)
    failed = read("configmaps", "--selector", "hustlex.app/release-result=failed")["items"]
    assert any("1.0.0" in item["metadata"]["annotations"]["hustlex.app/release-summary"] for item in failed)


def test_a_migration_that_takes_too_long_is_stopped_with_its_log_and_the_lock_is_free(release, read):
    slow = '{"app_environment": {"FAULT_MIGRATION_SECONDS": "120"}, "app_migration_timeout_seconds": 8}'
    run = release("0.9.0", "-e", slow, code=1)
    assert "has not ended after 8 s: it was stopped" in run.failure
    log = run.output.partition("log of hustlex-migrate")[2]
    assert "up begins" in log
    assert database() == ("0.8.0", 4)
    assert not read("lease", "hustlex-operation")["spec"].get("holderIdentity")


def test_a_run_that_is_killed_in_a_migration_is_taken_up_by_the_next(release, kubectl):
    slow = ["-e", '{"app_environment": {"FAULT_MIGRATION_SECONDS": "15"}}']
    process = subprocess.Popen(
        command_of("deploy", *QUICK, "-e", "app_version=0.9.0", *slow),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    active = ("get", "jobs", "--output", "jsonpath={.items[?(@.status.active)].metadata.name}")
    wait_until(lambda: "hustlex-migrate-" in kubectl(*active), 60, "the migration runs")
    process.kill()
    process.wait(10)
    run = release("0.9.0", *slow)
    assert re.search(r"Job hustlex-migrate-\w+ (is running already|has ended already)", run.output), run.output
    assert database() == ("0.9.0", 5)


def test_one_version_after_the_other_and_no_way_back_over_two(release, playbook, read):
    release("0.9.0")
    assert database() == ("0.9.0", 5)
    release("1.0.0")
    assert database() == ("1.0.0", 6)
    refused = playbook("rollback", "-e", f"release={number_of(read, '0.8.0')}")
    assert refused.code != 0
    assert "cannot run on the database: its schema 6 wants code of schema 5 at least" in refused.failure
    assert "direction=down" in refused.failure
    assert database() == ("1.0.0", 6)
    assert playbook("rollback").code == 0
    assert database() == ("0.9.0", 6)
    release("1.0.0")
