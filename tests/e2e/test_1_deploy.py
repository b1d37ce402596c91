"""From nothing to a serving environment, and what the next runs do with it."""

from __future__ import annotations

import base64
import json
import urllib.request

import pytest

from .conftest import HTTP, NAMESPACE

ROLES = ["cluster", "namespace", "backup", "postgres", "redis", "pgbouncer", "monitoring", "app"]


def test_check_mode_shows_everything_and_creates_nothing(playbook, kubectl):
    run = playbook("deploy", "--check", "--diff")
    assert run.code == 0, run.output
    for name in ("postgres-replica", "hustlex-api-hpa", "hustlex-secrets", "pgbouncer", "default-deny"):
        assert name in run.output
    assert NAMESPACE not in kubectl("get", "namespaces", "--output", "name")


def test_the_first_checklist_of_an_environment_lets_its_deploy_go_on(playbook, kubectl):
    run = playbook("deploy", "--tags", "preflight", "-e", "app_backup_max_age_hours=3")
    assert (run.code, run.changed) == (0, 0), run.output
    assert f"Namespace {NAMESPACE} is not there: the first deploy makes it" in run.output
    assert NAMESPACE not in kubectl("get", "namespaces", "--output", "name")


def test_health_answers_with_database_and_redis(environment):
    with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
        health = json.load(answer)
    assert answer.status == 200
    assert {"database", "redis"} <= health.keys()


def test_run_ends_with_a_table_of_components(environment):
    table = environment.output[environment.output.index("Show the environment") :]
    for name in ("postgres", "postgres-replica", "redis", "pgbouncer", "hustlex-api", "hustlex-worker"):
        assert name in table


def test_no_secret_was_printed(environment, read):
    assert "hustlex-secrets" in environment.output, "there is no diff of the Secrets to look at"
    for secret in read("secrets")["items"]:
        for key, value in (secret.get("data") or {}).items():
            assert base64.b64decode(value).decode() not in environment.output, f"{secret['metadata']['name']}/{key}"


def test_second_run_changes_nothing(environment, playbook):
    run = playbook("deploy")
    assert (run.code, run.changed) == (0, 0), run.output


@pytest.mark.parametrize("tag", ROLES)
def test_each_role_alone_is_safe(environment, playbook, tag):
    run = playbook("deploy", "--tags", tag)
    assert (run.code, run.changed) == (0, 0), run.output


def test_drift_is_named_and_mended(environment, playbook, kubectl, read):
    kubectl("delete", "service", "redis")
    kubectl("patch", "configmap", "hustlex-config", "--patch", '{"data": {"LOG_LEVEL": "error"}}')
    kubectl("label", "deployment", "hustlex-worker", "app.kubernetes.io/part-of-")
    run = playbook("deploy", "--diff")
    assert run.code == 0, run.output
    for drifted in ("redis", "LOG_LEVEL", "app.kubernetes.io/part-of"):
        assert drifted in run.output
    assert read("service", "redis")["spec"]["ports"][0]["port"] == 6379
    assert read("configmap", "hustlex-config")["data"]["LOG_LEVEL"] == "debug"
    assert read("deployment", "hustlex-worker")["metadata"]["labels"]["app.kubernetes.io/part-of"] == "hustlex"
    assert playbook("deploy").changed == 0


def test_what_left_the_templates_is_pruned(environment, playbook, kubectl):
    run = playbook("deploy", "--tags", "app", "-e", "app_hpa_enabled=false", "-e", "app_api_replicas=1")
    assert run.code == 0, run.output
    assert "hustlex-api-hpa" not in kubectl("get", "hpa", "--output", "name")
    assert playbook("deploy", "--tags", "app").code == 0
    assert "hustlex-api-hpa" in kubectl("get", "hpa", "--output", "name")
