"""Workloads by their names."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.named import Named, parsed, present
from ansible_collections.hustlex.platform.plugins.module_utils.kube.workload import progress


class Cluster(Client):
    """Has one Deployment, of three ready pods."""

    def __init__(self) -> None:
        pass

    def find(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        if (kind.name, namespace, name) != ("Deployment", "n", "web"):
            return None
        status = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
        return {
            "kind": kind.name,
            "metadata": {"name": name, "generation": 1},
            "spec": {"replicas": 3},
            "status": status,
        }


def test_names_in_their_order_and_each_once() -> None:
    found = parsed(["Deployment/web", "statefulset/db", "deployment/web"])
    assert [(kind.name, name) for kind, name in found] == [("Deployment", "web"), ("StatefulSet", "db")]


@pytest.mark.parametrize("text", ["web", "Pod/web", "Deployment/", "Deployment/a/b", "/web", ""])
def test_what_names_no_workload(text: str) -> None:
    with pytest.raises(KubeError, match="names no workload: write Kind/name"):
        parsed([text])


def test_one_that_is_not_there() -> None:
    scope = Named("n", (), (), parsed(["Deployment/web", "Deployment/webb", "StatefulSet/db"]))
    assert [item["metadata"]["name"] for item in scope.workloads(Cluster())] == ["web"]
    with pytest.raises(KubeError, match=r"^Deployment webb and StatefulSet db are not in namespace n: `kubectl get"):
        present(Cluster(), scope)


@pytest.mark.parametrize(
    ("at_least", "message"), [(2, "3 of 3 available"), (3, "3 of 3 available"), (5, "3 of 5 updated")]
)
def test_pods_that_an_autoscaler_has_not_asked_for_yet_are_waited_for(at_least: int, message: str) -> None:
    scope = Named("n", (), (), parsed(["Deployment/web"]), {"web": at_least})
    [workload] = scope.workloads(Cluster())
    assert progress(workload).message == message
