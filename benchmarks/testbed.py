"""What the benchmarks of deploys share: the cluster of the tests, a namespace of their own on it, and the table of results."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins" / "module_utils"))
from backup.errors import StoreError  # noqa: E402
from backup.storage import Store, StoreSettings  # noqa: E402

NAMESPACE = "hustlex-benchmark"
NODE_PORT = 30080
START = "ansible-playbook playbooks/deploy.yml -i inventories/development -e @tests/variables.yml --tags cluster"
DEFAULT_STATE = Path(os.environ.get("HUSTLEX_STATE") or "~/.local/state/hustlex-platform").expanduser() / "hustlex-test"
STATE = Path(os.environ["KUBECONFIG"]).parent if os.environ.get("KUBECONFIG") else DEFAULT_STATE
ENVIRONMENT = {
    **os.environ,
    "KUBECONFIG": str(STATE / "kubeconfig"),
    "PATH": f"{STATE / 'bin'}:{os.environ['PATH']}",
    "ANSIBLE_INJECT_FACT_VARS": "false",
    # A user's Python keeps what it has compiled.
    "PYTHONDONTWRITEBYTECODE": "",
}
PLAY = ["-i", "inventories/development", "-e", "@tests/variables.yml", "-e", f"hustlex_namespace={NAMESPACE}"]
PLAY += os.environ.get("E2E_ARGUMENTS", "").split()


def attempt(*command: str, timeout: int = 900) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail; what it prints, errors included, is its `stdout`."""
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=ENVIRONMENT,
            text=True,
            timeout=timeout,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{' '.join(command)} did not end within {timeout} s.")


def run(*command: str, timeout: int = 900) -> str:
    done = attempt(*command, timeout=timeout)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


def play_command(name: str, *arguments: str) -> list[str]:
    return ["ansible-playbook", f"playbooks/{name}.yml", *PLAY, *arguments]


def playbook(name: str, *arguments: str) -> str:
    return run(*play_command(name, *arguments))


def kubectl(*arguments: str) -> str:
    return run("kubectl", "--namespace", NAMESPACE, *arguments)


@contextmanager
def environment(*arguments: str) -> Iterator[None]:
    """A development environment of its own, which is gone at the end, however that comes."""
    _refuse_without_cluster()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    remove()
    try:
        playbook("deploy", "--skip-tags", "cluster", *arguments)
        yield
    finally:
        remove()


def _refuse_without_cluster() -> None:
    there = Path(ENVIRONMENT["KUBECONFIG"]).exists()
    if not there or attempt("kubectl", "--request-timeout=10s", "get", "--raw", "/readyz").returncode:
        sys.exit(f"The cluster of the tests is not there. This starts it: {START}")
    for service in json.loads(run("kubectl", "get", "services", "--all-namespaces", "-o", "json"))["items"]:
        namespace = service["metadata"]["namespace"]
        taken = any(port.get("nodePort") == NODE_PORT for port in service["spec"]["ports"])
        if taken and namespace != NAMESPACE:
            sys.exit(f"Namespace {namespace} has the port of the application: run the benchmark when it is gone.")


def remove() -> None:
    """The environment is gone, with its backups."""
    run("kubectl", "delete", "namespace", NAMESPACE, f"{NAMESPACE}-nodes", "--ignore-not-found", "--timeout=180s")
    # At the first time there is no bucket; and a new database does not go on with the archive of another.
    with suppress(StoreError):
        store().delete([found.key for found in store().list("")])


def store() -> Store:
    """The bucket of the environment on the cluster's S3 server."""
    port = json.loads((STATE / "applied.json").read_text(encoding="utf-8"))["cluster"]["s3_port"]
    return Store(
        StoreSettings(
            bucket=f"hustlex-backups-{NAMESPACE}",
            endpoint=f"https://localhost:{port}",
            region="us-east-1",
            ca_file=str(STATE / "s3" / "ca.crt"),
            path_style=True,
            credentials_file=str(STATE / "s3" / "credentials"),
        )
    )


def write_chart(folder: Path, templates: str) -> Path:
    path = folder / "chart"
    (path / "templates").mkdir(parents=True)
    (path / "Chart.yaml").write_text("apiVersion: v2\nname: hustlex\nversion: 0.1.0\n", encoding="utf-8")
    (path / "templates" / "all.yaml").write_text(templates, encoding="utf-8")
    return path


def show(seconds: dict[str, list[float]], ours: float | None = None) -> float:
    """Print the table of results; the first is ours unless its median is given."""
    ours = ours or statistics.median(next(iter(seconds.values())))
    print(f"{'':44} {'median s':>9} {'min':>7} {'max':>7}   deploy.yml takes")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:44} {median:9.2f} {min(values):7.2f} {max(values):7.2f}   {ours / median:5.2f} times as long")
    return ours
