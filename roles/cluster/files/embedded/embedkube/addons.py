"""What every cluster runs besides Kubernetes itself: DNS, metrics, storage, an S3 server; and the objects of its nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from typing import Any

import yaml

from .config import (
    CLUSTER_DOMAIN,
    DNS_SERVICE_ADDRESS,
    EMBEDDED_IMAGES,
    NODE_SHARED,
    PACKAGE,
    S3_NAMESPACE,
    S3_NODE_PORT,
    Cluster,
    Node,
)
from .kubeapi import KubeApi, UnreachableError
from .run import Failure

NAMESPACE_SECONDS = 30
LONG_AGO = datetime.fromtimestamp(0, UTC)
MANIFESTS = PACKAGE / "manifests"
S3_MANIFESTS = MANIFESTS / "s3.yaml"
DEPLOYMENTS = {
    "coredns": "kube-system",
    "metrics-server": "kube-system",
    "local-path-provisioner": "local-path-storage",
}
S3_DEPLOYMENT = {"s3": S3_NAMESPACE}


def deployments(cluster: Cluster) -> dict[str, str]:
    """Namespace of each add-on that must be ready."""
    return DEPLOYMENTS | (S3_DEPLOYMENT if cluster.s3_port else {})


def manifests(cluster: Cluster, s3_values: Mapping[str, object]) -> list[dict[str, Any]]:
    values = {
        **s3_values,
        "cluster_domain": CLUSTER_DOMAIN,
        "coredns_image": EMBEDDED_IMAGES["coredns"],
        "coredns_replicas": min(cluster.nodes, 2),
        "dns_address": DNS_SERVICE_ADDRESS,
        "helper_image": EMBEDDED_IMAGES["helper"],
        "local_path_image": EMBEDDED_IMAGES["local-path-provisioner"],
        "metrics_server_image": EMBEDDED_IMAGES["metrics-server"],
        "s3_image": EMBEDDED_IMAGES["versitygw"],
        "s3_namespace": S3_NAMESPACE,
        "s3_node_port": S3_NODE_PORT,
        "shared_path": NODE_SHARED,
    }
    found = [node_object(node) for node in cluster.all_nodes]
    for file in sorted(MANIFESTS.glob("*.yaml")):
        if file == S3_MANIFESTS and not cluster.s3_port:
            continue
        found += list(yaml.load_all(Template(file.read_text()).substitute(values), Loader=_LOADER))
    return found


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def node_object(node: Node) -> dict[str, Any]:
    """A node is announced before its kubelet: its pod range is fixed, not handed out."""
    labels = {"node-role.kubernetes.io/control-plane": ""} if node.is_control_plane else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels},
        "spec": {"podCIDR": str(node.pods), "podCIDRs": [str(node.pods)]},
    }


def apply(api: KubeApi, cluster: Cluster, s3_values: Mapping[str, object]) -> None:
    end = time.monotonic() + NAMESPACE_SECONDS
    # The API server says it is ready a moment before it makes its own namespaces.
    while not api.get("/api/v1/namespaces/kube-system"):
        if time.monotonic() > end:
            raise Failure(f"The API server has not made the namespace kube-system within {NAMESPACE_SECONDS} s.")
        time.sleep(0.05)
    for manifest in manifests(cluster, s3_values):
        api.apply(manifest)
    if not cluster.s3_port:
        # Its data stays, for a start with the server again.
        api.delete(f"/apis/apps/v1/namespaces/{S3_NAMESPACE}/deployments/s3")
    wanted = {node.name for node in cluster.all_nodes}
    for node in api.get("/api/v1/nodes")["items"]:
        if node["metadata"]["name"] not in wanted:
            api.delete(f"/api/v1/nodes/{node['metadata']['name']}")


@dataclass(frozen=True)
class Snapshot:
    """What the API server says about nodes and add-ons."""

    nodes: Mapping[str, dict[str, Any]]
    pods: list[dict[str, Any]]
    metrics: dict[str, Any]


def snapshot(api: KubeApi, cluster: Cluster) -> Snapshot:
    nodes = {item["metadata"]["name"]: item for item in api.get("/api/v1/nodes")["items"]}
    pods = [
        pod
        for namespace in sorted(set(deployments(cluster).values()))
        for pod in api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    ]
    metrics = api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
    return Snapshot(nodes, pods, metrics)


def waits_for(seen: Snapshot, cluster: Cluster, started: Mapping[str, datetime]) -> list[str]:
    """What is not ready yet, each in a few words.

    `started` has the nodes that were started in this run and when: the API still shows what was before, so only
    what they and their pods said since then counts.
    """
    # Kubernetes tells times in whole seconds.
    since = {name: moment.replace(microsecond=0) for name, moment in started.items()}
    missing = []
    for node in cluster.all_nodes:
        condition = _condition(seen.nodes.get(node.name, {}), "Ready")
        if condition.get("status") != "True":
            missing.append(f"node {node.name}: {condition.get('message') or 'not registered'}")
        elif _time(condition.get("lastHeartbeatTime")) < since.get(node.name, LONG_AGO):
            missing.append(f"node {node.name}: not heard of since the start")
    for name in deployments(cluster):
        pods = [pod for pod in seen.pods if pod["metadata"]["name"].startswith(f"{name}-")]
        if not any(_runs(pod, since.get(pod["spec"].get("nodeName"), LONG_AGO)) for pod in pods):
            missing.append(f"{name}: {_why(pods)}")
    available = _condition(seen.metrics, "Available")
    if available.get("status") != "True":
        missing.append(f"metrics API: {available.get('message') or 'not registered'}")
    return missing


def wait_ready(
    api: KubeApi,
    cluster: Cluster,
    started: Mapping[str, datetime],
    seconds: float,
    tell: Callable[[str], None],
    reachable: Callable[[], list[str]],
) -> list[str]:
    """Wait until nothing is missing; return what still is when the time is over.

    `reachable` is asked last: what does not answer through the machine's ports yet.
    """
    end = time.monotonic() + seconds
    told = time.monotonic()
    while True:
        try:
            missing = waits_for(snapshot(api, cluster), cluster, started) or reachable()
        except UnreachableError as error:
            missing = [str(error)]
        if not missing or time.monotonic() > end:
            return missing
        if time.monotonic() - told > 10:
            told = time.monotonic()
            tell(f"waits for {'; '.join(missing)}")
        time.sleep(0.25)


def _condition(item: Mapping[str, Any], kind: str) -> dict[str, Any]:
    conditions = item.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def _time(text: str | None) -> datetime:
    if not text:
        return LONG_AGO
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _runs(pod: Mapping[str, Any], since: datetime) -> bool:
    states = pod["status"].get("containerStatuses", [])
    started = [_time(state.get("state", {}).get("running", {}).get("startedAt")) for state in states]
    return _condition(pod, "Ready").get("status") == "True" and bool(started) and all(time >= since for time in started)


def _why(pods: list[dict[str, Any]]) -> str:
    if not pods:
        return "no pod yet"
    pod = max(pods, key=lambda item: str(item["metadata"]["creationTimestamp"]))
    for state in pod["status"].get("containerStatuses", []):
        waiting = state.get("state", {}).get("waiting") or state.get("state", {}).get("terminated")
        if waiting:
            return f"{waiting.get('reason', 'waiting')} {waiting.get('message', '')}".strip()
    unscheduled = _condition(pod, "PodScheduled")
    if unscheduled.get("status") == "False":
        return str(unscheduled.get("message", "not scheduled"))
    return "not ready"
