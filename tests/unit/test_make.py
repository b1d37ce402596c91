"""What the Makefile itself does, with stubs in place of Python's installer and Ansible."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Answers scripts/find-python, and makes environments whose pip and ansible-playbook are noisy and leave a trace.
PYTHON = """#!/bin/bash
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin"
printf '#!/bin/bash\\necho noise of pip\\nsleep 0.5\\necho installed >>%s\\n' "$TRACE" >"$3/bin/pip"
printf '#!/bin/bash\\necho "$@" >>%s\\nsleep "${ANSIBLE_SECONDS:-0}"\\n' "$TRACE" >"$3/bin/ansible-playbook"
chmod +x "$3"/bin/*
echo noise of venv
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "python3").write_text(PYTHON)
    (stubs / "python3").chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {
        **inherited,
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "HUSTLEX_CACHE": str(tmp_path / "cache"),
        "HUSTLEX_STATE": str(tmp_path / "state"),
        "TRACE": str(tmp_path / "trace"),
    }


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "-s", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def trace(environment: dict[str, str]) -> list[str]:
    path = Path(environment["TRACE"])
    return path.read_text().splitlines() if path.exists() else []


def wait_for_trace(environment: dict[str, str], word: str) -> None:
    deadline = time.monotonic() + 120
    while not any(word in line for line in trace(environment)):
        assert time.monotonic() < deadline, f"{word} was not seen within 120 s"
        time.sleep(0.05)


def test_env_of_a_fresh_clone_prints_nothing_but_exports(environment: dict[str, str]) -> None:
    output, errors = start(environment, "env").communicate(timeout=180)
    assert [line.partition("=")[0] for line in output.splitlines()] == ["export PATH", "export KUBECONFIG"]
    assert "Install the Python packages" in errors
    shell = subprocess.run(
        ["bash", "-c", 'eval "$1"; echo "$KUBECONFIG"; command -v ansible-playbook', "bash", output],
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    )
    config, playbook = shell.stdout.split()
    assert config == f"{environment['HUSTLEX_STATE']}/hustlex/kubeconfig"
    assert playbook.startswith(environment["HUSTLEX_CACHE"])


def test_of_two_runs_in_a_fresh_clone_one_installs(environment: dict[str, str]) -> None:
    both = [start(environment, "env") for _run in range(2)]
    outputs = [run.communicate(timeout=180) for run in both]
    assert [run.returncode for run in both] == [0, 0], outputs
    assert trace(environment) == ["installed"]


def test_an_interrupted_installation_is_made_anew(environment: dict[str, str]) -> None:
    killed = start(environment, "env")
    venv = wait_for_venv(environment)
    killed.kill()
    killed.communicate(timeout=180)
    (venv / ".complete").unlink(missing_ok=True)
    (venv / "half").touch()
    run = start(environment, "env")
    run.communicate(timeout=180)
    assert run.returncode == 0
    assert not (venv / "half").exists()


def wait_for_venv(environment: dict[str, str]) -> Path:
    deadline = time.monotonic() + 120
    while not (found := list(Path(environment["HUSTLEX_CACHE"]).glob("venv-*/bin/pip"))):
        assert time.monotonic() < deadline, "no environment was begun within 30 s"
        time.sleep(0.05)
    return found[0].parents[1]


def test_a_second_deploy_says_who_is_at_work_since_when(environment: dict[str, str]) -> None:
    first = start({**environment, "ANSIBLE_SECONDS": "5"}, "deploy")
    wait_for_trace(environment, "deploy.yml")
    for target in ("deploy", "destroy"):
        second = start(environment, target)
        _output, errors = second.communicate(timeout=180)
        assert second.returncode != 0
        assert re.search(
            r"Another run \(process \d+ since [\d-]+ [\d:]+: ansible-playbook .*deploy.yml\) is at work", errors
        )
    first.communicate(timeout=180)
    assert first.returncode == 0
    after = start(environment, "deploy")
    after.communicate(timeout=180)
    assert after.returncode == 0


def test_a_killed_deploy_leaves_no_lock(environment: dict[str, str]) -> None:
    first = start({**environment, "ANSIBLE_SECONDS": "30"}, "deploy")
    wait_for_trace(environment, "deploy.yml")
    os.kill(int((Path(environment["HUSTLEX_STATE"]) / "deploy.lock").read_text().split()[1]), signal.SIGKILL)
    first.communicate(timeout=180)
    after = start(environment, "deploy")
    after.communicate(timeout=180)
    assert after.returncode == 0


def test_destroy_confirms_only_development(environment: dict[str, str]) -> None:
    run = start({**environment, "ENVIRONMENT": "production"}, "destroy")
    run.communicate(timeout=180)
    assert trace(environment)[-1] == "-i inventories/development playbooks/destroy.yml -e confirm=development"
