from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.capacity import Amount, misfits, pod_request

MI = 2**20


def container(cpu: str = "", memory: str = "", **fields: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"requests": requests}, **fields}


def workload(kind: str, spec: dict[str, Any], replicas: int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"template": {"spec": spec}}
    if replicas is not None:
        body["replicas"] = replicas
    return {"kind": kind, "metadata": {"name": "postgres"}, "spec": body}


def node(cpu: str = "2", memory: str = "3380Mi", taints: Any = (), **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "n", "labels": labels},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": {"cpu": cpu, "memory": memory}},
    }


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"containers": [container("1", "1Mi"), container("500m", "2Mi")]}, Amount(1500, 3 * MI)),
        ({"containers": [container("1")], "initContainers": [container("2", "1Mi")]}, Amount(2000, MI)),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("1", restartPolicy="Always"), container("500m")],
            },
            Amount(2000, 0),
        ),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}], "overhead": {"cpu": "100m"}}, Amount(2100, 0)),
        ({"containers": [{}]}, Amount()),
    ],
)
def test_what_the_scheduler_reserves(pod: dict[str, Any], expected: Amount) -> None:
    assert pod_request(pod) == expected


def test_the_guide_on_its_own_nodes() -> None:
    pod = {"containers": [container("1", "4Gi")]}
    assert misfits([workload("StatefulSet", pod)], [node()] * 3) == [
        "postgres-0 asks for 4Gi memory, the largest of 3 nodes offers 3.3Gi: no node can ever hold it."
    ]


def test_cpu_and_memory_on_different_nodes() -> None:
    pod = {"containers": [container("4", "4Gi")]}
    nodes = [node("8", "2Gi"), node("2", "16Gi")]
    assert misfits([workload("Deployment", pod)], nodes) == [
        "Each pod of Deployment postgres asks for 4 CPU and 4Gi memory, and none of 2 nodes offers both:"
        " no node can ever hold it."
    ]


def test_what_fits_what_runs_nowhere_and_no_nodes_at_all() -> None:
    huge = {"containers": [container(memory="1Ti")]}
    assert misfits([workload("Deployment", {"containers": [container("1")]})], [node()]) == []
    assert misfits([workload("Deployment", huge, replicas=0)], [node()]) == []
    assert misfits([workload("Deployment", huge)], []) == []
    assert misfits([{"kind": "Service", "metadata": {"name": "s"}, "spec": {}}], [node()]) == []


def test_selectors_and_taints() -> None:
    taint = {"key": "dedicated", "value": "database", "effect": "NoSchedule"}
    pod: dict[str, Any] = {"containers": [container("1")], "nodeSelector": {"pool": "database"}}
    nodes = [node(), node(taints=[taint], pool="database")]
    assert misfits([workload("StatefulSet", pod)], nodes)[0].startswith("postgres-0 may run on none of the 2 nodes")
    pod["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
    assert misfits([workload("StatefulSet", pod)], nodes) == []
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    assert misfits([workload("Deployment", {"containers": [container("1")]})], [node(taints=[cordon])]) == []
