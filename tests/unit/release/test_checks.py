"""The checklist before a release, line by line, and the windows in which nothing is released."""

import base64
from datetime import UTC, datetime

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.release import checks
from ansible_collections.hustlex.platform.plugins.module_utils.release.checks import Schema
from ansible_collections.hustlex.platform.plugins.module_utils.release.freeze import frozen_until
from ansible_collections.hustlex.platform.plugins.module_utils.release.version import (
    is_same,
    pinned,
    reference,
    version_problem,
)

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)  # a Wednesday
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("version", "environment", "problem"),
    [
        ("v1.2.3", "production", ""),
        (DIGEST, "production", ""),
        ("latest", "development", ""),
        ("latest", "production", "names no fixed version"),
        ("", "development", "is not set"),
        ("v1 2", "development", "is no image tag"),
        ("-v1", "development", "is no image tag"),
        ("a" * 129, "development", "is no image tag"),
        ("sha256:123", "development", "is no digest"),
        (DIGEST.upper().replace("SHA", "sha"), "development", "is no digest"),
    ],
)
def test_versions(version, environment, problem):
    found = version_problem(version, environment)
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.parametrize(
    ("wanted", "image_id", "expected"),
    [
        ("hustlex/api:v1", f"example.org/hustlex/api@{DIGEST}", f"hustlex/api:v1@{DIGEST}"),
        ("hustlex/api:v1", f"docker-pullable://hustlex/api@{DIGEST}", f"hustlex/api:v1@{DIGEST}"),
        ("hustlex/api:v1", DIGEST, "hustlex/api:v1"),
        ("hustlex/api:v1", "", "hustlex/api:v1"),
        (f"hustlex/api@{DIGEST}", f"hustlex/api@{DIGEST}", f"hustlex/api@{DIGEST}"),
    ],
)
def test_an_image_is_pinned_where_its_digest_is_known(wanted, image_id, expected):
    assert pinned(wanted, image_id) == expected


OTHER = f"sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("running", "wanted", "same"),
    [
        ("hustlex/api:v1", "hustlex/api:v1", True),
        (f"hustlex/api:v1@{DIGEST}", "hustlex/api:v1", True),
        (f"hustlex/api@{DIGEST}", f"hustlex/api@{DIGEST}", True),
        (f"hustlex/api@{DIGEST}", f"hustlex/api@{OTHER}", False),
        (f"hustlex/api:v1@{DIGEST}", f"hustlex/api@{OTHER}", False),
        (f"hustlex/api@{DIGEST}", "hustlex/api:v1", False),
        ("hustlex/api:v1", "hustlex/api:v2", False),
        ("localhost:5000/api:v1", "localhost:5000/api:v1", True),
        (f"hustlex/api:latest@{DIGEST}", "hustlex/api:latest", False),
    ],
)
def test_what_runs_already_is_the_very_image(running, wanted, same):
    assert is_same(running, wanted) is same


def test_references():
    assert reference("hustlex/api", "v1") == "hustlex/api:v1"
    assert reference("hustlex/api", DIGEST) == f"hustlex/api@{DIGEST}"


@pytest.mark.parametrize(
    ("numbers", "allow", "state", "words"),
    [
        (Schema(6, 5, None, None, None), False, "ok", "the database has none yet"),
        (Schema(6, 5, 5, 5, 0), False, "ok", "needs schema 6, the database has 5"),
        (Schema(6, 5, 4, 4, 0), False, "failed", "what runs has 4"),
        (Schema(6, 5, 4, 4, 0), True, "ok", "needs schema 6"),
        (Schema(6, 5, 4, 6, 5), False, "ok", "needs schema 6"),
        (Schema(4, 0, 6, 6, 5), False, "failed", "migrate.yml -e direction=down"),
        (Schema(5, 0, 6, 6, 5), False, "ok", "needs schema 5"),
        (Schema(None, None, 6, 6, 5), False, "skipped", "does not say"),
    ],
    ids=["first", "next", "breaks the old", "breaks on purpose", "migrated already", "too old", "old but fine", "mute"],
)
def test_code_and_schema_must_fit(numbers, allow, state, words):
    found = checks.schema(numbers, allow)
    assert found.state == state
    assert words in found.message


def secret(**values: str) -> dict:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


def test_secrets_are_there_and_no_placeholders():
    good = {"DB_PASSWORD": "mR7wTq2ZxV9pLk4s"}
    assert checks.secrets(secret(**good), ["DB_PASSWORD"], "staging").state == "ok"
    bad = checks.secrets(secret(DB_PASSWORD="your-db-password"), ["DB_PASSWORD"], "staging")
    assert bad.state == "failed"
    assert "your-db-password" not in bad.message
    assert checks.secrets(secret(), ["DB_PASSWORD"], "staging").state == "failed"
    assert "--tags namespace" in checks.secrets(None, ["DB_PASSWORD"], "staging").message


def test_configuration_is_complete():
    assert checks.config({"data": {"ENV": "staging"}}, ["ENV"]).state == "ok"
    assert "no PORT" in checks.config({"data": {"ENV": "staging", "PORT": ""}}, ["ENV", "PORT"]).message
    assert checks.config(None, ["ENV"]).state == "failed"


def node(name: str, ready: bool = True, cpu: str = "2", memory: str = "4Gi") -> dict:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown"}
    return {
        "metadata": {"name": name},
        "status": {"conditions": [condition], "allocatable": {"cpu": cpu, "memory": memory}},
    }


def deployment(cpu: str, memory: str) -> dict:
    container = {"name": "x", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def running(where: str, cpu: str, phase: str = "Running") -> dict:
    container = {"name": "x", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return {"spec": {"nodeName": where, "containers": [container]}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "state"), [([], "skipped"), (["+"], "ok"), (["+", "-"], "warning"), (["-", "-"], "failed")]
)
def test_nodes(found, state):
    assert checks.nodes([node(f"n{i}", each == "+") for i, each in enumerate(found)]).state == state


def test_room_for_one_more_pod_beside_what_runs():
    one = [deployment("500m", "1Gi")]
    assert checks.room(one, [node("n1")], [running("n1", "1500m")]).state == "ok"
    assert checks.room(one, [node("n1")], [running("n1", "1600m")]).state == "warning"
    assert checks.room(one, [node("n1")], [running("n1", "1600m", "Succeeded")]).state == "ok"
    assert checks.room(one, [node("n1", ready=False), node("n2")], [running("n2", "2")]).state == "warning"


@pytest.mark.parametrize(
    ("hard", "used", "state"),
    [
        ({"pods": "10"}, {"pods": "9"}, "ok"),
        ({"pods": "10"}, {"pods": "10"}, "failed"),
        ({"requests.cpu": "2"}, {"requests.cpu": "1600m"}, "failed"),
        ({"requests.memory": "4Gi"}, {"requests.memory": "3Gi"}, "ok"),
        ({"memory": "4Gi"}, {"memory": "3500Mi"}, "failed"),
        ({"services": "1"}, {"services": "1"}, "ok"),
    ],
)
def test_quota_for_one_more_pod(hard, used, state):
    quota = {"metadata": {"name": "hustlex"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}}
    assert checks.quota([deployment("500m", "1Gi")], [quota]).state == state


def test_budgets():
    def budget(allowed: int, expected: int) -> dict:
        return {"metadata": {"name": "api"}, "status": {"disruptionsAllowed": allowed, "expectedPods": expected}}

    assert checks.disruption([budget(1, 3)]).state == "ok"
    assert checks.disruption([budget(0, 0)]).state == "ok"
    assert checks.disruption([budget(0, 3)]).state == "warning"


@pytest.mark.parametrize(
    ("last", "hours", "state"),
    [
        ("2026-11-25T14:00:00Z", 3, "ok"),
        ("2026-11-25T11:00:00Z", 3, "failed"),
        (None, 3, "failed"),
        (None, 0, "skipped"),
    ],
)
def test_age_of_the_last_dump(last, hours, state):
    cron_job = {"metadata": {"name": "postgres-backup"}, "status": {"lastSuccessfulTime": last} if last else {}}
    assert checks.backup(cron_job, NOW, hours, has_data=True).state == state


def test_a_dump_by_hand_counts_and_the_first_release_needs_none():
    by_hand = {"hustlex.app/last-success-by-hand": "2026-11-25T14:00:00Z"}
    cron_job = {"metadata": {"name": "b", "annotations": by_hand}, "status": {}}
    assert checks.backup(cron_job, NOW, 3, has_data=True).state == "ok"
    cron_job["status"] = {"lastSuccessfulTime": "2026-11-20T14:00:00Z"}
    assert checks.backup(cron_job, NOW, 3, has_data=True).state == "ok"
    assert checks.backup(None, NOW, 3, has_data=True).state == "failed"
    assert checks.backup(None, NOW, 3, has_data=False).state == "skipped"


def test_without_a_namespace_only_a_look_goes_on():
    assert checks.absent("hustlex", only_looks=True).state == "warning"
    assert checks.absent("hustlex", only_looks=False).state == "failed"


MANY = ["DiskFull", "ApiDown", "DiskFull"]
CURE = "See to them first, or -e app_ignore_alerts=true if this release does."


@pytest.mark.parametrize(
    ("firing", "problem", "ignored", "state", "message"),
    [
        ([], "", False, "ok", "no critical alert is firing"),
        ([], "", True, "ok", "no critical alert is firing"),
        (MANY, "", False, "failed", f"Critical alerts are firing: ApiDown, DiskFull. {CURE}"),
        (MANY, "", True, "warning", "Critical alerts are firing: ApiDown, DiskFull; app_ignore_alerts is set."),
        (None, "Prometheus is away.", False, "warning", "Prometheus is away."),
        (None, "Prometheus is away.", True, "warning", "Prometheus is away."),
        (None, "", False, "skipped", "no Prometheus is configured"),
    ],
)
def test_firing_alerts_stop_a_release_unless_it_is_their_cure(firing, problem, ignored, state, message):
    assert checks.alerts(firing, problem, ignored) == checks.Check("alerts", state, message)


@pytest.mark.parametrize(
    ("seconds", "has_prometheus", "required", "state", "words"),
    [
        (0, False, True, "skipped", "app_watch_seconds is 0"),
        (0, True, True, "skipped", "app_watch_seconds is 0"),
        (60, True, True, "ok", "60 s after the release"),
        (60, True, False, "ok", "60 s after the release"),
        (
            60,
            False,
            False,
            "warning",
            "set app_prometheus_url or app_prometheus_service; without one it has no verdict.",
        ),
        (60, False, True, "failed", "set app_prometheus_url or app_prometheus_service, or app_watch_seconds to 0."),
    ],
)
def test_the_watch_window_has_somebody_to_ask(seconds, has_prometheus, required, state, words):
    found = checks.watch(seconds, has_prometheus, required)
    assert found.state == state
    assert found.message.endswith(words)


WEEKLY = {"days": ["wed"], "from": "16:00", "to": "18:00", "timezone": "Africa/Lagos", "reason": "payday"}


@pytest.mark.parametrize(
    ("window", "end"),
    [
        ({"from": "2026-11-25T00:00:00+01:00", "to": "2026-11-26T00:00:00+01:00"}, "2026-11-26T00:00:00+01:00"),
        ({"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T15:00:00Z"}, None),
        (WEEKLY, "2026-11-25T18:00:00+01:00"),
        ({**WEEKLY, "days": ["thu"]}, None),
        ({**WEEKLY, "timezone": "UTC"}, None),
        ({**WEEKLY, "days": ["tue"], "from": "22:00", "to": "21:00"}, "2026-11-25T21:00:00+01:00"),
        ({**WEEKLY, "days": ["tue"], "from": "22:00", "to": "08:00"}, None),
        (yaml.safe_load("{from: 2026-11-25T00:00:00+01:00, to: 2026-11-26T00:00:00Z}"), "2026-11-26T00:00:00+00:00"),
    ],
    ids=["single", "over", "weekly", "another day", "another zone", "past midnight", "past midnight over", "no quotes"],
)
def test_freeze_windows(window, end):
    found = frozen_until([window], NOW)
    assert (found and found[0].isoformat()) == end


@pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-11-25T00:00:00", "to": "2026-11-26T00:00:00+01:00"},
        {"from": "tomorrow", "to": "2026-11-26T00:00:00+01:00"},
        {"from": "2026-11-26T00:00:00+01:00"},
        {**WEEKLY, "days": ["friday"]},
        {**WEEKLY, "timezone": "Lagos"},
        {**WEEKLY, "from": "16:00:30"},
        {**WEEKLY, "to": "24:00"},
        {**WEEKLY, "from": "T16"},
        {**WEEKLY, "from": None},
    ],
)
def test_a_window_that_cannot_be_read_is_refused(window):
    with pytest.raises(KubeError, match=r"freeze window .* cannot be read"):
        frozen_until([window], NOW)


@pytest.mark.parametrize("text", ["{days: [wed], from: 15:00, to: 17:00}", "{from: 20261125, to: 20261126}"])
def test_a_time_without_quotes_that_yaml_reads_as_a_number_is_refused(text):
    with pytest.raises(KubeError, match=r'from is the number \d+, .* quote it \(from: "17:00"\)\.$'):
        frozen_until([yaml.safe_load(text)], NOW)


def test_a_freeze_can_be_overruled():
    end = (NOW, "payday")
    assert "payday" in checks.freeze(end, ignored=False).message
    assert checks.freeze(end, ignored=False).state == "failed"
    assert checks.freeze(end, ignored=True).state == "warning"
    assert checks.freeze(None, ignored=False).state == "ok"
