"""The playbooks where there is no cluster."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import pytest
from plays import ROOT

NAMES = ("JWT_SECRET", "DB_PASSWORD", "REDIS_PASSWORD", "PAYSTACK_SECRET_KEY", "TERMII_API_KEY")


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


def test_render_says_that_it_needs_a_folder(tmp_path: Path) -> None:
    code, output = ansible("render", state=tmp_path)
    assert code != 0
    assert "Say where the manifests are written, with -e render_dir=DIR." in output


def encrypted_env_file(folder: Path, password: str) -> Path:
    path, key = folder / ".env", folder / "password"
    key.write_text(password)
    path.write_text("".join(f"{name}={secrets.token_hex(48)}\n" for name in NAMES))
    subprocess.run(
        ["ansible-vault", "encrypt", str(path), "--vault-password-file", str(key)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return path


def test_rendering_needs_no_password(tmp_path: Path) -> None:
    path = encrypted_env_file(tmp_path, "right")
    arguments = ["-e", f"namespace_env_file={path}", "-e", f"render_dir={tmp_path}/rendered"]
    code, output = ansible("render", *arguments, state=tmp_path, inventory="production")
    assert code == 0, output
    secret = (tmp_path / "rendered" / "namespace" / "secret-hustlex-secrets.yaml").read_text()
    assert secret.count("'***'") == len(NAMES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "is encrypted by ansible-vault, and no password was given"),
        ("wrong", "is encrypted by ansible-vault, and the given password does not open it"),
        ("right", "PAYSTACK_SECRET_KEY is no Paystack secret key"),
    ],
)
def test_an_encrypted_file_of_secrets(tmp_path: Path, given: str | None, words: str) -> None:
    path = encrypted_env_file(tmp_path, "right")
    arguments = ["--check", "--tags", "namespace", "-e", f"namespace_env_file={path}"]
    arguments += ["-e", "cluster_embedded_name=hustlex-none"]
    if given:
        (tmp_path / "given").write_text(given)
        arguments += ["--vault-password-file", f"{tmp_path}/given"]
    code, output = ansible("deploy", *arguments, state=tmp_path)
    assert code != 0
    assert f"{path}" in output
    assert words in output
    assert "Traceback" not in output


@pytest.mark.parametrize("text", ["JWT_SECRET='open", "no assignment"])
def test_a_file_that_cannot_be_read_is_named_with_the_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    arguments = ["--check", "--tags", "namespace", "-e", f"namespace_env_file={path}"]
    code, output = ansible("deploy", *arguments, "-e", "cluster_embedded_name=hustlex-none", state=tmp_path)
    assert code != 0
    assert f"{path} cannot be read: line 1:" in output


def test_a_login_to_a_registry_needs_a_name_for_its_secret(tmp_path: Path) -> None:
    arguments = ["-e", f"render_dir={tmp_path}/rendered", "-e", "namespace_registry_server=registry.example"]
    code, output = ansible("render", *arguments, state=tmp_path)
    assert code != 0
    assert "hustlex_pull_secret" in output
