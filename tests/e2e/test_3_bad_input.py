"""Bad input ends with one clear sentence, within seconds, and never with a traceback."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import pytest
import yaml

from .conftest import NAMESPACE, Playbook, Run

CONTEXT = Path(os.environ["KUBECONFIG"]).parent.name
GOOD = {
    "JWT_SECRET": secrets.token_hex(48),
    "DB_PASSWORD": secrets.token_hex(24),
    "REDIS_PASSWORD": secrets.token_hex(24),
    "PAYSTACK_SECRET_KEY": f"sk_live_{secrets.token_hex(20)}",
    "TERMII_API_KEY": secrets.token_hex(20),
}


def env_file(folder: Path, **changes: str | None) -> Path:
    path = folder / ".env"
    values = {**GOOD, **changes}
    path.write_text("".join(f"{key}={value}\n" for key, value in values.items() if value is not None))
    path.chmod(0o600)
    return path


def fails_with(playbook: Playbook, *words: str, arguments: list[str], within: int = 60, **options: str) -> Run:
    started = time.monotonic()
    run = playbook("deploy", *arguments, **options)
    assert run.code != 0, run.output
    assert "Traceback" not in run.output
    for word in words:
        assert word in run.failure, run.output
    assert time.monotonic() - started < within
    return run


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TERMII_API_KEY": None}, "TERMII_API_KEY is missing"),
        ({"DB_PASSWORD": ""}, "DB_PASSWORD is empty"),
        ({"JWT_SECRET": "your-secret"}, "JWT_SECRET is a placeholder"),
        ({"PAYSTACK_SECRET_KEY": "sk_live_xxx"}, "PAYSTACK_SECRET_KEY is a placeholder"),
        ({"JWT_SECRET": "kU7f0qZ"}, "JWT_SECRET is shorter than 32 bytes"),
        ({"JWT_SECRET": "ab" * 20}, "JWT_SECRET is easy to guess"),
    ],
    ids=["missing", "empty", "placeholder", "placeholder key", "short", "monotonous"],
)
def test_bad_secret_is_named_without_its_value(playbook, tmp_path, changes, reason):
    path = env_file(tmp_path, **changes)
    run = fails_with(playbook, reason, arguments=["--tags", "namespace", "--diff", "-e", f"namespace_env_file={path}"])
    for value in {**GOOD, **changes}.values():
        assert not value or value not in run.output


def test_good_secrets_pass(playbook, tmp_path):
    """What the cases above change is what makes them fail."""
    run = playbook("deploy", "--tags", "namespace", "--check", "-e", f"namespace_env_file={env_file(tmp_path)}")
    assert run.code == 0, run.output


def test_missing_env_file_says_what_to_write(playbook, tmp_path):
    arguments = [
        "--tags",
        "namespace",
        "-e",
        f"namespace_env_file={tmp_path}/.env",
        "-e",
        "namespace_env_generate=false",
    ]
    fails_with(playbook, f"{tmp_path}/.env", "JWT_SECRET", arguments=arguments)


def test_misspelt_variable_is_refused_with_the_right_one(playbook):
    fails_with(playbook, "did you mean postgres_replicas?", arguments=["-e", "postgres_replica=2"], within=15)


def test_wrong_type_is_refused(playbook):
    fails_with(playbook, "app_worker_replicas", arguments=["--tags", "app", "-e", "app_worker_replicas=many"])


def test_version_that_can_change_is_refused_in_production(playbook):
    arguments = ["--tags", "app", "-e", "hustlex_environment=production", "-e", "app_version=latest"]
    fails_with(playbook, "names no fixed version", arguments=arguments)


def test_a_pattern_of_error_lines_that_is_none_is_refused(playbook):
    arguments = ["--tags", "app", "-e", "app_log_error_pattern=(ERROR"]
    fails_with(playbook, '"(ERROR" is no regular expression', "app_log_error_pattern", arguments=arguments)


def kubeconfig(folder: Path, source: str, **cluster: str) -> Path:
    content = yaml.safe_load(Path(source).read_text())
    content["clusters"][0]["cluster"].update(cluster)
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def existing(tmp_path):
    """Arguments that take the cluster of the tests as an existing one, with a changed kubeconfig."""

    def arguments(context: str = CONTEXT, **cluster: str) -> list[str]:
        path = kubeconfig(tmp_path, os.environ["KUBECONFIG"], **cluster)
        return [
            "-e",
            "cluster_provider=existing",
            "-e",
            f"cluster_kubeconfig={path}",
            "-e",
            f"cluster_context={context}",
        ]

    return arguments


def test_unreachable_cluster(playbook, existing):
    arguments = existing(server="https://127.0.0.1:1")
    fails_with(playbook, "127.0.0.1:1", "cannot be reached", arguments=arguments, within=20)


def test_wrong_context_names_the_known_ones(playbook, existing):
    fails_with(playbook, "nowhere", CONTEXT, arguments=existing(context="nowhere"), within=20)


def test_an_existing_cluster_is_taken_as_it_is(playbook, existing):
    run = playbook("deploy", "--tags", "cluster", *existing())
    assert (run.code, run.changed) == (0, 0), run.output


def test_of_an_existing_cluster_the_namespace_alone_is_removed_and_only_when_confirmed(playbook, existing, kubectl):
    name = f"{NAMESPACE}-gone"
    arguments = [*existing(), "-e", f"hustlex_namespace={name}"]
    kubectl("create", "namespace", name)
    refused = playbook("destroy", *arguments)
    assert refused.code != 0
    assert "add -e confirm=development" in refused.failure
    assert name in kubectl("get", "namespaces", "--output", "name")
    run = playbook("destroy", *arguments, "-e", "confirm=development")
    assert (run.code, run.changed) == (0, 1), run.output
    assert name not in kubectl("get", "namespaces", "--output", "name")
    assert playbook("destroy", *arguments, "-e", "confirm=development").changed == 0


def test_missing_kubeconfig(playbook, tmp_path):
    arguments = ["-e", "cluster_provider=existing", "-e", f"cluster_kubeconfig={tmp_path}/none"]
    fails_with(playbook, f"{tmp_path}/none", arguments=arguments, within=20)


def test_too_old_kubernetes(playbook):
    fails_with(playbook, "too old", arguments=["--tags", "cluster", "-e", "cluster_minimum_version=9.9"], within=20)


@pytest.mark.usefixtures("environment")
class TestOnARunningEnvironment:
    def test_image_that_does_not_exist(self, playbook):
        fails_with(
            playbook, "app_version_nowhere", arguments=["--tags", "app", "-e", "app_version=app_version_nowhere"]
        )

    def test_crash_at_start(self, playbook):
        arguments = ["--tags", "app", "-e", '{"app_environment": {"FAULT_CRASH_AT_START": "true"}}']
        fails_with(playbook, "hustlex-", arguments=arguments, within=90)

    def test_pod_that_fits_no_node(self, playbook):
        resources = '{"app_worker_resources": {"requests": {"cpu": "64", "memory": "4Ti"}}}'
        fails_with(playbook, "hustlex-worker", "4096Gi memory", arguments=["--tags", "app", "-e", resources])

    def test_the_old_version_still_serves_and_the_next_good_deploy_mends(self, playbook, kubectl):
        run = playbook("deploy", "--tags", "app")
        assert run.code == 0, run.output
        assert playbook("deploy").changed == 0
