"""The watch window on the real thing: what fails only after it serves is undone, and no verdict is never a good one."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import WELL_KNOWN
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import login

from .conftest import HTTP, NAMESPACE
from .load import Load

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from metrics_server import PrometheusServer

pytestmark = pytest.mark.drill

WINDOW = 20
GOOD = "1.0.0"


class Pods(threading.Thread):
    """Keeps a file of the API's pods for Prometheus, as its own discovery does in builds that have it."""

    def __init__(self, path: Path, server: str) -> None:
        super().__init__(daemon=True)
        self._path, self._server = path, server
        self._ended = threading.Event()

    def run(self) -> None:
        client = Client(login({"kubeconfig": os.environ["KUBECONFIG"]}))
        while not self._ended.wait(1):
            pods = client.list(WELL_KNOWN["v1", "Pod"], NAMESPACE, "app=hustlex-api")
            names = [pod["metadata"]["name"] for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
            targets = [{"targets": [self._server], "labels": self._labels(name)} for name in names]
            partial = self._path.with_suffix(".partial")
            partial.write_text(json.dumps(targets))
            partial.replace(self._path)

    def stop(self) -> None:
        self._ended.set()
        self.join(10)

    @staticmethod
    def _labels(pod: str) -> dict[str, str]:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
        return {"namespace": NAMESPACE, "pod": pod, "__metrics_path__": path}


@pytest.fixture(scope="module")
def prometheus(environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Scrapes each pod of the API through the API server."""
    folder = tmp_path_factory.mktemp("prometheus")
    config: dict[str, Any] = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    files = {
        "ca_file": cluster["certificate-authority-data"],
        "cert_file": user["client-certificate-data"],
        "key_file": user["client-key-data"],
    }
    for name, text in files.items():
        (folder / name).write_bytes(base64.b64decode(text))
    tls = {name: str(folder / name) for name in files}
    pods = Pods(folder / "pods.json", cluster["server"].removeprefix("https://"))
    pods.start()
    discovery = [{"files": [str(folder / "pods.json")], "refresh_interval": "1s"}]
    server = PrometheusServer(folder, {}, scheme="https", tls_config=tls, file_sd_configs=discovery)
    yield server
    server.stop()
    pods.stop()


@pytest.fixture(scope="module")
def release(playbook, prometheus):
    def run(version: str, latency: float = 0.5, **faults: str) -> Any:
        watch = {
            "app_version": version,
            "app_prometheus_url": prometheus.url,
            "app_watch_seconds": WINDOW,
            "app_watch_minimum_requests": 30,
            "app_watch_latency_seconds": latency,
            "app_min_ready_seconds": 1,
            "app_hpa_max_replicas": 1,
            "app_environment": faults,
        }
        return playbook("deploy", "--tags", "app", "-e", json.dumps(watch))

    return run


@pytest.fixture
def load(environment) -> Iterator[Load]:
    with Load(HTTP, rate=20, timeout=15, max_seconds=400) as running:
        yield running


def version() -> str:
    with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
        return str(json.load(answer)["version"])


@pytest.fixture
def evidence(read) -> Callable[[], list[dict[str, Any]]]:
    """That of the newest failed release."""

    def found() -> list[dict[str, Any]]:
        items = read("configmaps", "--selector", "hustlex.app/release-result=failed")["items"]
        newest = max(items, key=lambda item: int(item["metadata"]["labels"]["hustlex.app/release"]))
        kept: list[dict[str, Any]] = json.loads(newest["data"]["evidence.json"])
        return kept

    return found


def test_errors_that_come_later_are_undone(release, load, evidence):
    run = release("v2-errors", FAULT_ERRORS_AFTER_SECONDS="6")
    assert run.code != 0, run.output
    assert "failed: release" in run.failure
    assert "errors" in run.failure
    assert version() == GOOD
    failures = load.results.failures
    assert failures, "the version that fails failed nothing: nothing was shown"
    first, last = failures[0].at, failures[-1].at
    assert last - first < WINDOW + 30, "requests failed longer than the watch window and the way back take"
    api = next(each for each in evidence() if each["workload"] == "Deployment hustlex-api")
    assert any("/api: running" in state for state in api["containers"])
    assert any("500" in line for log in api["logs"].values() for line in log)


def test_slowness_that_comes_later_is_undone(release, load):
    run = release("v2-slow", FAULT_SLOW_AFTER_SECONDS="5")
    assert run.code != 0, run.output
    assert "p95" in run.failure
    assert version() == GOOD
    assert load.results.failed == 0, load.results.failures[:5]


def test_a_good_version_passes_the_window_and_says_so(release, load, read):
    run = release("v2", latency=9)  # how fast a busy machine answers is not what is tested
    assert run.code == 0, run.output
    records = read("configmaps", "--selector", "hustlex.app/release-result=good")["items"]
    summaries = [json.loads(item["metadata"]["annotations"]["hustlex.app/release-summary"]) for item in records]
    newest = max(summaries, key=lambda each: each["number"])
    assert any(sentence.startswith("passed: ") for sentence in newest["verification"]), newest


def test_without_an_answer_there_is_no_verdict(playbook, prometheus):
    """Where a verdict is required, none is a failure; elsewhere the release stays and the record says so."""
    before = version()
    other = next(each for each in (GOOD, "v2") if each != before)
    prometheus.stop()
    quiet = {"app_prometheus_url": prometheus.url, "app_watch_seconds": 5, "app_min_ready_seconds": 1}
    run = playbook(
        "deploy", "--tags", "app", "-e", json.dumps({**quiet, "app_version": other, "app_fail_on_inconclusive": True})
    )
    assert run.code != 0, run.output
    assert version() == before
    run = playbook("deploy", "--tags", "app", "-e", json.dumps({**quiet, "app_version": other}))
    assert run.code == 0, run.output
    assert version() == other
