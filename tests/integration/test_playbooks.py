"""The playbooks where there is no cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from plays import ROOT


def ansible(playbook: str, *arguments: str, state: Path, inventory: str = "development") -> tuple[int, str]:
    """Exit code and output of a playbook that finds neither clusters nor a kubeconfig."""
    own = {"HUSTLEX_STATE": str(state), "HOME": str(state), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    inherited = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG")}
    done = subprocess.run(
        ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", f"inventories/{inventory}", *arguments],
        cwd=ROOT,
        env={**inherited, **own},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_check_mode_shows_everything_before_there_is_a_cluster(tmp_path: Path) -> None:
    env_file = ["-e", f"namespace_env_file={tmp_path}/.env"]
    names = ["-e", "@tests/variables.yml", "-e", "cluster_embedded_name=hustlex-none", *env_file]
    code, output = ansible("deploy", "--check", "--diff", *names, state=tmp_path / "state")
    assert code == 0, output
    for name in ("postgres-replica", "hustlex-api-hpa", "hustlex-secrets", "pgbouncer", "default-deny"):
        assert name in output
    assert not list(tmp_path.rglob("*kubeconfig"))
    assert not (tmp_path / ".env").exists()


def test_the_default_namespace_of_a_context_that_is_yet_to_come(tmp_path: Path) -> None:
    arguments = ["--check", "--tags", "namespace", "-e", "namespace_set_context_default=true"]
    names = ["-e", "cluster_embedded_name=hustlex-none", "-e", f"namespace_env_file={tmp_path}/.env"]
    code, output = ansible("deploy", *arguments, *names, state=tmp_path)
    assert code == 0, output


@pytest.mark.parametrize(
    ("misspelt", "hint"),
    [("cluster_embedded_nam=other", "cluster_embedded_name"), ("hustlex_namespce=other", "hustlex_namespace")],
)
def test_destroy_refuses_a_misspelt_variable(tmp_path: Path, misspelt: str, hint: str) -> None:
    code, output = ansible("destroy", "-e", misspelt, "-e", "confirm=development", "--check", state=tmp_path)
    assert code != 0
    assert f"did you mean {hint}?" in output


@pytest.mark.parametrize("confirm", ["", "production"])
def test_destroy_refuses_without_the_confirmation_of_its_environment(tmp_path: Path, confirm: str) -> None:
    code, output = ansible("destroy", "-e", f"confirm={confirm}", "--check", state=tmp_path)
    assert code != 0
    assert "add -e confirm=development" in output
