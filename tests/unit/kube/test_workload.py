from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.pod import doing, trouble
from ansible_collections.hustlex.platform.plugins.module_utils.kube.workload import (
    current_pods,
    outdated_pods,
    progress,
)

FIXTURES = Path(__file__).parent / "fixtures"
WORKLOADS = yaml.safe_load((FIXTURES / "workloads.yml").read_text())
PODS = yaml.safe_load((FIXTURES / "pods.yml").read_text())


@pytest.mark.parametrize("case", WORKLOADS, ids=lambda case: case["case"])
def test_progress(case: dict[str, Any]) -> None:
    found = progress(case["object"])
    assert (found.ready, found.message, found.failure) == (case["ready"], case["message"], case.get("failure", ""))


@pytest.mark.parametrize("case", PODS, ids=lambda case: case["case"])
def test_trouble(case: dict[str, Any]) -> None:
    pod = {"metadata": {"name": "p", "uid": "u"}, **case["pod"]}
    found = trouble(pod)
    assert (found.reason if found else None) == case.get("reason")
    assert (found.patience if found else None) == case.get("patience")
    assert doing(pod) == case["doing"]
    if found:
        assert (found.crashed, found.container if found.crashed else "") == (
            case.get("crashed", False),
            case.get("container", ""),
        )


def owned(name: str, owner: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner, "controller": True}], **metadata}
    }


def test_only_pods_of_the_newest_replica_set_count() -> None:
    revision = {"deployment.kubernetes.io/revision": "2"}
    deployment = {"kind": "Deployment", "metadata": {"name": "api", "uid": "d", "annotations": revision}}
    sets = [
        owned("old", "d", annotations={"deployment.kubernetes.io/revision": "1"}),
        owned("new", "d", annotations=revision),
        owned("foreign", "other", annotations=revision),
    ]
    pods = [
        owned("a", "old"),
        owned("b", "new"),
        owned("c", "new", deletionTimestamp="2026-01-01T00:00:00Z"),
        owned("d", "foreign"),
    ]
    assert [pod["metadata"]["name"] for pod in current_pods(deployment, pods, sets)] == ["b"]
    assert current_pods(deployment, pods, []) == []


def test_pods_of_a_stateful_set_by_revision() -> None:
    stateful_set = {"kind": "StatefulSet", "metadata": {"name": "s", "uid": "s"}, "status": {"updateRevision": "s-2"}}
    pods = [
        owned("s-0", "s", labels={"controller-revision-hash": "s-1"}),
        owned("s-1", "s", labels={"controller-revision-hash": "s-2"}),
    ]
    assert [pod["metadata"]["name"] for pod in current_pods(stateful_set, pods)] == ["s-1"]
    assert [pod["metadata"]["name"] for pod in outdated_pods(stateful_set, pods)] == ["s-0"]
    assert outdated_pods({**stateful_set, "spec": {"podManagementPolicy": "Parallel"}}, pods) == []


def test_pods_of_a_daemon_set_by_generation() -> None:
    annotations = {"deprecated.daemonset.template.generation": "2"}
    daemon_set = {"kind": "DaemonSet", "metadata": {"name": "n", "uid": "n", "annotations": annotations}}
    pods = [owned(f"n-{each}", "n", labels={"pod-template-generation": each}) for each in ("1", "2")]
    assert [pod["metadata"]["name"] for pod in current_pods(daemon_set, pods)] == ["n-2"]
