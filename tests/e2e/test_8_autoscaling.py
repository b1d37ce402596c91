"""The autoscaler follows the load from one API pod to three and back, and no deploy resets what it decided (guide 5.1)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import HTTP, Playbook, Run, wait_until
from .load import Load

pytestmark = pytest.mark.drill

API = "hustlex-api"
MOST = 3
SCALING = ["--tags", "app", "-e", "app_hpa_scale_up_seconds=0", "-e", "app_hpa_scale_down_seconds=10"]
SCALING += ["-e", "app_hpa_min_replicas=1", "-e", f"app_hpa_max_replicas={MOST}", "-e", "app_watch_seconds=0"]
# Python keeps the memory that a load made it take: it would hold the pods that are no longer needed.
SCALING += ["-e", "app_hpa_memory_percent=10000"]

Pods = Callable[[], tuple[int, int]]


@pytest.fixture(scope="module")
def pods(read: Callable[..., Any]) -> Pods:
    """How many API pods are wanted, and how many are ready."""

    def found() -> tuple[int, int]:
        deployment = read("deployment", API)
        return deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)

    return found


@pytest.fixture(scope="module")
def one_pod(environment: Run, playbook: Playbook, pods: Pods) -> Iterator[None]:
    run = playbook("deploy", *SCALING)
    assert run.code == 0, run.output
    wait_until(lambda: pods() == (1, 1), 60, "one API pod before the load")
    yield
    run = playbook("deploy", "--tags", "app")
    assert run.code == 0, run.output


def test_from_one_pod_to_three_and_back(
    one_pod: None, playbook: Playbook, pods: Pods, capsys: pytest.CaptureFixture[str]
) -> None:
    with Load(HTTP, kept=0.2, timeout=15) as load:
        wait_until(lambda: pods() == (MOST, MOST), 75, f"{MOST} ready API pods under load")
        run = playbook("deploy", *SCALING)
        assert (run.code, run.changed) == (0, 0), run.output
        assert pods()[0] == MOST
    # Those who still come must not notice that pods leave; they are too few to keep any.
    with Load(HTTP, rate=2, kept=0.2, timeout=15) as visitors:
        wait_until(lambda: pods() == (1, 1), 75, "one API pod after the load")
        # The pods that left still drain.
        time.sleep(3)
    with capsys.disabled():
        sys.stdout.write(f"\nload: {load.results}\nafter it: {visitors.results}\n")
    assert (load.results.failed, visitors.results.failed) == (0, 0)
    assert load.results.rate == pytest.approx(100, rel=0.05)
