"""The embedded cluster by itself: three nodes, a power cut, a taken port, two starts at once, a clean end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from .conftest import ROOT

pytestmark = pytest.mark.drill

NAME = "hustlex-drill"
PORTS = ["--api-port", "36443", "--http-port", "38080", "--s3-port", "39000"]
STATE = Path(os.environ["KUBECONFIG"]).parents[1]
Embedkube = Callable[..., subprocess.CompletedProcess[str]]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "roles/cluster/files/embedded")}


def command(verb: str, *arguments: str, name: str = NAME) -> list[str]:
    return [sys.executable, "-m", "embedkube", verb, "--name", name, *arguments]


@pytest.fixture(scope="module")
def embedkube() -> Iterator[Embedkube]:
    def run(verb: str, *arguments: str, name: str = NAME) -> subprocess.CompletedProcess[str]:
        argv = command(verb, *arguments, name=name)
        return subprocess.run(argv, env=ENVIRONMENT, text=True, capture_output=True, timeout=300, check=False)

    yield run
    run("destroy")
    run("destroy", name="hustlex-port")


def processes() -> list[int]:
    """Processes of the cluster, found by the control group that they cannot leave."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if f"embedkube-{NAME}/" in path.read_text() + "/":
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def kubectl(*arguments: str) -> str:
    config = STATE / NAME / "kubeconfig"
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(config), *arguments], text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def store() -> Any:
    """The S3 server inside, as its administrator."""
    folder = STATE / NAME / "s3"
    session = botocore.session.Session()
    session.set_config_variable("credentials_file", str(folder / "admin-credentials"))
    return session.create_client(
        "s3", endpoint_url="https://localhost:39000", region_name="us-east-1", verify=str(folder / "ca.crt")
    )


def test_three_nodes_each_in_its_zone(embedkube: Embedkube) -> None:
    started = embedkube("start", "--nodes", "3", *PORTS)
    assert started.returncode == 0, started.stderr
    zones = kubectl("get", "nodes", "--output", "jsonpath={.items[*].metadata.labels.topology\\.kubernetes\\.io/zone}")
    assert zones.split() == ["zone-a", "zone-b", "zone-c"]
    again = embedkube("start", "--nodes", "3", *PORTS)
    assert again.stdout.splitlines()[-1].startswith("unchanged")


def test_comes_back_with_its_data_after_a_power_cut(embedkube: Embedkube) -> None:
    kubectl("create", "configmap", "kept", "--from-literal", "key=value")
    store().create_bucket(Bucket="kept")
    store().put_object(Bucket="kept", Key="key", Body=b"value")
    supervisor = int((STATE / NAME / "supervisord.pid").read_text())
    for process in [supervisor, *processes()]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    started = embedkube("start", "--nodes", "3", *PORTS)
    assert started.returncode == 0, started.stderr
    assert kubectl("get", "configmap", "kept", "--output", "jsonpath={.data.key}") == "value"
    assert store().get_object(Bucket="kept", Key="key")["Body"].read() == b"value"


def test_a_taken_port_is_one_sentence(embedkube: Embedkube) -> None:
    with socket.create_server(("127.0.0.1", 38081)):
        ports = ["--api-port", "36444", "--http-port", "38081", "--s3-port", "39001"]
        refused = embedkube("start", *ports, name="hustlex-port")
    assert refused.returncode == 1
    assert "38081" in refused.stderr
    assert "cluster_embedded_http_port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_of_two_starts_at_once_one_wins(embedkube: Embedkube) -> None:
    assert embedkube("stop").returncode == 0
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(embedkube, "start", "--nodes", "3", *PORTS) for _start in range(2)]
        winner, other = sorted((each.result() for each in both), key=lambda done: done.returncode)
    assert winner.returncode == 0, winner.stderr
    assert other.returncode == 1
    assert re.fullmatch(
        rf"Another run \(start of cluster {NAME}, process \d+\) has been at work since [\d-]+ [\d:]+\."
        r" Try again when it has finished\.",
        other.stderr.strip(),
    )


@pytest.mark.parametrize("step", [2, 5])
def test_a_start_that_is_killed_in_the_middle_is_started_again(embedkube: Embedkube, step: int) -> None:
    assert embedkube("stop").returncode == 0
    killed = subprocess.Popen(
        command("start", "--nodes", "3", *PORTS), env=ENVIRONMENT, text=True, stdout=subprocess.PIPE
    )
    assert any(f"[{step}/" in line for line in killed.stdout or ()), f"it ended before step {step}"
    killed.kill()
    killed.wait(30)
    started = embedkube("start", "--nodes", "3", *PORTS)
    assert started.returncode == 0, started.stderr
    assert kubectl("get", "configmap", "kept", "--output", "jsonpath={.data.key}") == "value"


def test_destroy_leaves_nothing(embedkube: Embedkube) -> None:
    assert embedkube("destroy").returncode == 0
    assert processes() == []
    assert not (STATE / NAME).exists()
    assert NAME not in Path("/proc/mounts").read_text()
    assert not list(Path("/run/netns").glob(f"{NAME}-*"))
    assert not list(Path("/sys/fs/cgroup").glob(f"**/embedkube-{NAME}"))


def test_a_second_destroy_finds_nothing(embedkube: Embedkube) -> None:
    again = embedkube("destroy")
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == f"unchanged: there was no cluster {NAME}"
