"""Runs the real playbooks against the cluster of the tests, each with a time limit, and reads back with kubectl.

E2E_ARGUMENTS, E2E_NAMESPACE, E2E_HTTP_PORT and E2E_S3_PORT lead to another cluster, or to another place in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.errors import StoreError
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store, StoreSettings

from . import documented

ROOT = Path(__file__).parents[2]
NAMESPACE = os.environ.get("E2E_NAMESPACE", "hustlex-e2e")
HTTP = f"http://127.0.0.1:{os.environ.get('E2E_HTTP_PORT', '28080')}"
S3 = f"https://localhost:{os.environ.get('E2E_S3_PORT', '29000')}"


@dataclass(frozen=True)
class Run:
    """What a playbook did: exit code, everything it printed, and the changed count of its recap."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        recap = self.output[self.output.rindex("PLAY RECAP") :]
        return int(recap.split("changed=", 1)[1].split()[0])

    @property
    def failure(self) -> str:
        """The message of the failed task, without Ansible's decoration."""
        return " ".join(line for line in self.output.splitlines() if "[ERROR]" in line or line.startswith("fatal:"))


Playbook = Callable[..., Run]


def command_of(name: str, *arguments: str, inventory: str = "development") -> list[str]:
    """How a playbook is run; E2E_ARGUMENTS is added, for a run beside others on one cluster."""
    command = ["ansible-playbook", f"playbooks/{name}.yml", "-i", f"inventories/{inventory}"]
    command += ["-e", "@tests/variables.yml", "-e", f"hustlex_namespace={NAMESPACE}"]
    return [*command, *os.environ.get("E2E_ARGUMENTS", "").split(), *arguments]


def wait_until(probe: Callable[[], object], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(AssertionError):
            if found := probe():
                return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    def run(name: str, *arguments: str, inventory: str = "development", timeout: int = 600) -> Run:
        done = subprocess.run(
            command_of(name, *arguments, inventory=inventory),
            cwd=ROOT,
            env=os.environ,
            timeout=timeout,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode == 0:
            documented.note([f"playbooks/{name}.yml", *arguments])
        return Run(done.returncode, done.stdout)

    return run


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    def run(*arguments: str, namespace: str = NAMESPACE) -> str:
        command = ["kubectl", "--namespace", namespace, *arguments]
        done = subprocess.run(command, timeout=250, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        documented.note(command)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def as_documented() -> Callable[..., str]:
    """Runs a command as a page has it, with this environment's names; `typed` is what a person would type into it."""

    def run(command: str, typed: str = "", timeout: int = 600) -> str:
        line = (
            command.replace("<namespace>", NAMESPACE)
            .replace(" -n hustlex ", f" -n {NAMESPACE} ")
            .replace("<environment>", "development")
            .replace(" -it ", " -i ")
        )
        words = shlex.split(line)
        if words[0] == "ansible-playbook":
            words = command_of(Path(words[1]).stem, *words[4:])
        done = subprocess.run(
            words, cwd=ROOT, input=typed, timeout=timeout, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        documented.note(command)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def kill(kubectl: Callable[..., str]) -> Callable[[str], None]:
    """SIGKILL for all of a pod at once: nothing of it can abort an upload or let a lock go."""

    return lambda pod: kill_processes(kubectl("get", "pod", pod, "--output", "jsonpath={.metadata.uid}"))


def kill_processes(uid: str) -> None:
    for process in processes_of(uid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def processes_of(uid: str) -> list[int]:
    """A pod's processes as this machine sees them, without the one that holds its network."""
    assert len(uid) == 36, "anything shorter could be part of another pod's"
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            if f"pod{uid}" in path.read_text() and (path.parent / "comm").read_text() != "pause\n":
                found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="session")
def read(kubectl: Callable[..., str]) -> Callable[..., Any]:
    def run(*arguments: str, **options: str) -> Any:
        return json.loads(kubectl("get", *arguments, "--output", "json", **options))

    return run


@pytest.fixture(scope="session")
def store() -> Store:
    """The bucket of the environment, as the jobs see it."""
    folder = Path(os.environ["KUBECONFIG"]).parent / "s3"
    return Store(
        StoreSettings(
            bucket=f"hustlex-backups-{NAMESPACE}",
            endpoint=S3,
            region="us-east-1",
            ca_file=str(folder / "ca.crt"),
            path_style=True,
            credentials_file=str(folder / "credentials"),
        )
    )


@pytest.fixture(scope="session", autouse=True)
def namespace(kubectl: Callable[..., str], store: Store) -> Iterator[None]:
    """Starts and ends without the namespace and its backups: a new database does not go on with the archive of another."""

    def remove(*options: str) -> None:
        kubectl("delete", "namespace", NAMESPACE, f"{NAMESPACE}-nodes", "--ignore-not-found", *options)
        # At the first start there is no bucket.
        with contextlib.suppress(StoreError):
            store.delete([found.key for found in store.list("")])

    remove("--timeout=240s")
    yield
    remove("--wait=false")


@pytest.fixture(scope="session")
def environment(playbook: Playbook) -> Run:
    """The development environment, deployed once for all tests that look at it; its diff is the one with everything."""
    run = playbook("deploy", "--diff")
    assert run.code == 0, run.output
    return run
