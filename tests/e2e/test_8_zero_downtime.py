"""Under a constant load no operation costs a single request or job: deploy, rollback, scaling, eviction of every pod."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from .conftest import HTTP, NAMESPACE, Playbook, Run, wait_until
from .load import Load
from .settled import jobs_done

pytestmark = pytest.mark.drill

OLD, NEW = "1.0.0", "v2"
API, WORKER = "hustlex-api", "hustlex-worker"
# The load alone would make the autoscaler add pods: only the operations are to change their number.
DEPLOY = ["--tags", "app", "-e", "app_hpa_cpu_percent=10000", "-e", "app_hpa_memory_percent=10000"]
DEPLOY += ["-e", "app_hpa_scale_down_seconds=0", "-e", "app_hpa_min_replicas=2", "-e", "app_watch_seconds=0"]


@dataclass(frozen=True)
class Serving:
    """What runs: the version that answers, and how many pods of each kind are ready, none of them about to end."""

    version: str
    api: int
    worker: int


@dataclass(frozen=True)
class Environment:
    playbook: Playbook
    kubectl: Callable[..., str]
    folder: Path

    def run(self, name: str, *arguments: str) -> None:
        run = self.playbook(name, *arguments)
        assert run.code == 0, run.output

    def pods(self) -> list[dict[str, Any]]:
        selector = f"app in ({API},{WORKER})"
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return found

    def serving(self) -> Serving:
        pods = self.pods()
        assert not [pod for pod in pods if "deletionTimestamp" in pod["metadata"] or not _ready(pod)]
        count = [sum(_app(pod) == app for pod in pods) for app in (API, WORKER)]
        with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
            return Serving(json.load(answer)["version"], *count)

    def reaches(self, wanted: Serving) -> None:
        wait_until(lambda: self.serving() == wanted, 90, f"{wanted}")

    def evict(self, pod: str) -> None:
        """As a node drain does: again and again until the disruption budget allows it."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
        body = self.folder / f"{pod}.json"
        body.write_text(json.dumps(eviction))
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
        wait_until(lambda: self.kubectl("create", "--raw", path, "-f", str(body)), 60, f"{pod} may be evicted")


def _name(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _app(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["labels"]["app"])


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def deploy(environment: Environment) -> None:
    environment.run("deploy", *DEPLOY, "-e", f"app_version={NEW}")


def roll_back(environment: Environment) -> None:
    environment.run("rollback", "-e", "app_watch_seconds=0")


def scale_up(environment: Environment) -> None:
    environment.run("scale", "-e", "api=3", "-e", "worker=3")


def scale_down(environment: Environment) -> None:
    environment.run("scale", "-e", "api=2", "-e", "worker=2")


def evict_all(environment: Environment) -> None:
    pods = environment.pods()
    names = [[_name(pod) for pod in pods if _app(pod) == app] for app in (API, WORKER)]
    # By turns: while one kind gets its new pod, the other loses one.
    for name in chain.from_iterable(zip(*names, strict=True)):
        environment.evict(name)
    left = {_name(pod) for pod in environment.pods() if "deletionTimestamp" not in pod["metadata"]}
    assert not left & {*chain.from_iterable(names)}


OPERATIONS: dict[Callable[[Environment], None], Serving] = {
    deploy: Serving(NEW, 2, 1),
    roll_back: Serving(OLD, 2, 1),
    scale_up: Serving(OLD, 3, 3),
    scale_down: Serving(OLD, 2, 2),
    evict_all: Serving(OLD, 2, 2),
}


@pytest.fixture(scope="module")
def two_replicas(
    environment: Run, playbook: Playbook, kubectl: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    found = Environment(playbook, kubectl, tmp_path_factory.mktemp("evictions"))
    found.run("deploy", *DEPLOY)
    found.reaches(Serving(OLD, 2, 1))
    yield found
    found.run("deploy", "--tags", "app")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_no_request_fails_and_no_job_is_lost(
    two_replicas: Environment,
    kubectl: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    operation: Callable[[Environment], None],
) -> None:
    def psql(statement: str) -> str:
        return kubectl("exec", "postgres-0", "-c", "postgres", "--", "psql", "-qAtX", "-c", statement).strip()

    # Two cores serve the load, start the new pods and run the playbooks: what is tested is that no request is lost, not how
    # many the database can bear meanwhile.
    with Load(HTTP, posts=0.05, kept=0.2, path="/api/v1/health", timeout=20) as load:
        time.sleep(1)
        operation(two_replicas)
        # The last pods to leave still drain: that is when requests would be lost.
        two_replicas.reaches(OPERATIONS[operation])
    settled = jobs_done(psql, load.results)
    with capsys.disabled():
        sys.stdout.write(f"\n{operation.__name__}: {load.results}; {settled} settled once\n")
    assert load.results.failed == 0
    assert load.results.rate == pytest.approx(100, rel=0.05)
