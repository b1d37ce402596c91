# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods no node could hold even if it were empty. Found before the deploy, not by a pod that stays pending."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..text.quantities import QuantityError, cpu_millicores, memory_bytes


@dataclass(frozen=True)
class Amount:
    """CPU in thousandths of a core, memory in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def largest(self, other: Amount) -> Amount:
        return Amount(max(self.cpu, other.cpu), max(self.memory, other.memory))

    def holds(self, other: Amount) -> bool:
        return self.cpu >= other.cpu and self.memory >= other.memory


def misfits(manifests: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each workload with pods that no node can hold; none when there are no nodes to look at."""
    all_nodes = list(nodes)
    if not all_nodes:
        return []
    sentences = []
    for manifest in manifests:
        pod = _pod_spec(manifest)
        if pod is not None and _replicas(manifest) > 0:
            sentence = _misfit(_pod_name(manifest), pod, all_nodes)
            if sentence:
                sentences.append(sentence)
    return sentences


def pod_request(pod: Mapping[str, Any]) -> Amount:
    """What the scheduler reserves for a pod: its containers together, or its largest step of initialisation.

    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    return _of_pod(pod, _request)


def pod_limit(pod: Mapping[str, Any]) -> Amount:
    """What a pod may use at most, as a ResourceQuota counts it."""
    return _of_pod(pod, lambda container: _amount((container.get("resources") or {}).get("limits") or {}))


def _of_pod(pod: Mapping[str, Any], of_container: Callable[[Mapping[str, Any]], Amount]) -> Amount:
    running, peak = Amount(), Amount()
    for container in pod.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            running += of_container(container)
            peak = peak.largest(running)
        else:
            peak = peak.largest(running + of_container(container))
    for container in pod.get("containers") or []:
        running += of_container(container)
    return running.largest(peak) + _amount(pod.get("overhead") or {})


def allocatable(node: Mapping[str, Any]) -> Amount:
    """What a node offers all its pods together."""
    return _amount((node.get("status") or {}).get("allocatable") or {})


def request_of_pods(pods: Iterable[Mapping[str, Any]]) -> Amount:
    """What is reserved for pods that have not ended."""
    alive = (pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"))
    return sum((pod_request(pod["spec"]) for pod in alive), Amount())


def _misfit(name: str, pod: Mapping[str, Any], nodes: list[Mapping[str, Any]]) -> str:
    request = pod_request(pod)
    usable = [allocatable(node) for node in nodes if _admits(node, pod)]
    if any(offer.holds(request) for offer in usable):
        return ""
    if not usable:
        return (
            f"{name} may run on none of the {_count(nodes)}: no node has the labels that it asks for, free of taints."
        )
    of_nodes = f"{len(usable)} nodes" if len(usable) > 1 else "1 node"
    cpu, memory = max(offer.cpu for offer in usable), max(offer.memory for offer in usable)
    short = []
    if cpu < request.cpu:
        short.append(f"asks for {_cores(request.cpu)} CPU, the largest of {of_nodes} offers {_cores(cpu)}")
    if memory < request.memory:
        short.append(f"asks for {_size(request.memory)} memory, the largest of {of_nodes} offers {_size(memory)}")
    if not short:
        short.append(
            f"asks for {_cores(request.cpu)} CPU and {_size(request.memory)} memory, and none of {of_nodes} offers both"
        )
    return f"{name} {', and '.join(short)}: no node can ever hold it."


def _count(nodes: list[Mapping[str, Any]]) -> str:
    return f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _admits(node: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether node selector and taints let the pod in; a cordon passes, so it does not count."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (pod.get("nodeSelector") or {}).items()):
        return False
    taints = (node.get("spec") or {}).get("taints") or []
    return all(
        any(_tolerates(toleration, taint) for toleration in pod.get("tolerations") or [])
        for taint in taints
        if taint["effect"] in ("NoSchedule", "NoExecute") and not taint["key"].startswith("node.kubernetes.io/")
    )


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _pod_spec(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if manifest["kind"] not in ("CronJob", "DaemonSet", "Deployment", "Job", "StatefulSet"):
        return None
    pod: Mapping[str, Any] | None = spec.get("template", {}).get("spec")
    return pod


def _replicas(manifest: Mapping[str, Any]) -> int:
    replicas = (manifest.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _pod_name(manifest: Mapping[str, Any]) -> str:
    name = str(manifest["metadata"]["name"])
    return f"{name}-0" if manifest["kind"] == "StatefulSet" else f"Each pod of {manifest['kind']} {name}"


def _request(container: Mapping[str, Any]) -> Amount:
    resources = container.get("resources") or {}
    # Where a request is absent, the API server takes the limit for it.
    return _amount({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amount(quantities: Mapping[str, Any]) -> Amount:
    try:
        return Amount(cpu_millicores(quantities.get("cpu", 0)), memory_bytes(quantities.get("memory", 0)))
    except QuantityError:
        return Amount()  # the API server says in its own words what is wrong with it


def _cores(millicores: int) -> str:
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def _size(count: int) -> str:
    for suffix, unit in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + suffix
    return str(count)
