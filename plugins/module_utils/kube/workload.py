# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When is a workload rolled out? Pure functions over its object, with the meaning of `kubectl rollout status`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a workload is: `message` says what it waits for, `failure` that waiting will not help."""

    ready: bool
    message: str
    failure: str = ""


def progress(workload: Object) -> Progress:
    """Progress of a Deployment, StatefulSet, DaemonSet or Job."""
    match workload["kind"]:
        case "Deployment":
            return _deployment(workload)
        case "StatefulSet":
            return _stateful_set(workload)
        case "DaemonSet":
            return _daemon_set(workload)
        case "Job":
            return _job(workload)
        case kind:
            raise ValueError(f"{kind} is not a workload that rolls out")


def current_pods(workload: Object, pods: Iterable[Object], replica_sets: Iterable[Object] = ()) -> list[Object]:
    """Pods of the workload's current revision; pods that are being deleted do not count."""
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    metadata = workload["metadata"]
    match workload["kind"]:
        case "Deployment":
            current = current_replica_set(workload, replica_sets)
            return [pod for pod in alive if current is not None and is_owned(pod, current)]
        case "StatefulSet":
            revision = (workload.get("status") or {}).get("updateRevision")
            return [pod for pod in alive if is_owned(pod, workload) and _revision(pod) == revision]
        case "DaemonSet":
            generation = (metadata.get("annotations") or {}).get("deprecated.daemonset.template.generation")
            return [
                pod
                for pod in alive
                if is_owned(pod, workload) and generation in (None, _labels(pod).get("pod-template-generation"))
            ]
        case _:
            return [pod for pod in alive if is_owned(pod, workload)]


def outdated_pods(workload: Object, pods: Iterable[Object]) -> list[Object]:
    """Pods of an earlier revision that a StatefulSet has to see ready before it goes on."""
    spec = workload.get("spec") or {}
    if workload["kind"] != "StatefulSet" or spec.get("podManagementPolicy") == "Parallel":
        return []
    revision = (workload.get("status") or {}).get("updateRevision")
    return [
        pod
        for pod in pods
        if is_owned(pod, workload) and _revision(pod) != revision and not pod["metadata"].get("deletionTimestamp")
    ]


def current_replica_set(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The ReplicaSet that a Deployment rolls out to."""
    revision = _revision_number(deployment)
    return next(
        (item for item in replica_sets if is_owned(item, deployment) and _revision_number(item) == revision), None
    )


def is_owned(item: Object, owner: Object) -> bool:
    """Whether `owner` controls the object."""
    references = item["metadata"].get("ownerReferences") or []
    return any(each.get("uid") == owner["metadata"].get("uid") for each in references)


def wanted_pods(workload: Object) -> int:
    """How many pods a workload is meant to have."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 0)
    return _number(spec, "completions" if workload["kind"] == "Job" else "replicas", 1)


def ready_pods(workload: Object) -> int:
    """How many of its pods are ready; for a Job, how many ran to their end."""
    status = workload.get("status") or {}
    field = {"DaemonSet": "numberReady", "Job": "succeeded"}.get(workload["kind"], "readyReplicas")
    return int(status.get(field) or 0)


def _deployment(workload: Object) -> Progress:
    status = workload.get("status") or {}
    wanted = wanted_pods(workload)
    if is_unseen(workload):
        return Progress(False, "its change is not seen by Kubernetes yet")
    deadline = _condition(workload, "Progressing")
    if deadline and deadline.get("reason") == "ProgressDeadlineExceeded":
        seconds = (workload.get("spec") or {}).get("progressDeadlineSeconds", 600)
        return Progress(False, "no progress", f"made no progress within progressDeadlineSeconds ({seconds} s)")
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    available = int(status.get("availableReplicas") or 0)
    if updated < wanted:
        paused = (workload.get("spec") or {}).get("paused")
        return Progress(False, f"{updated} of {wanted} updated{', and it is paused' if paused else ''}")
    if total > updated:
        return Progress(False, f"{total - updated} old pod{'s' if total - updated > 1 else ''} to stop")
    if updated > wanted:
        return Progress(False, f"{updated - wanted} pod{'s' if updated - wanted > 1 else ''} too many")
    if available < updated:
        return Progress(False, f"{available} of {updated} available")
    return Progress(True, f"{available} of {wanted} available")


def _stateful_set(workload: Object) -> Progress:
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    wanted, ready, updated = wanted_pods(workload), ready_pods(workload), int(status.get("updatedReplicas") or 0)
    if is_unseen(workload):
        return Progress(False, "its change is not seen by Kubernetes yet")
    if ready < wanted:
        return Progress(False, f"{ready} of {wanted} ready")
    if int(status.get("replicas") or 0) > wanted:
        return Progress(False, f"{int(status['replicas']) - wanted} pods too many")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Progress(True, f"{ready} of {wanted} ready")
    partition = _number(strategy.get("rollingUpdate") or {}, "partition", 0)
    if partition > 0:
        if updated < wanted - partition:
            return Progress(False, f"{updated} of {wanted - partition} updated (partition {partition})")
    elif status.get("updateRevision") != status.get("currentRevision"):
        return Progress(False, f"{updated} of {wanted} updated")
    return Progress(True, f"{ready} of {wanted} ready")


def _daemon_set(workload: Object) -> Progress:
    status = workload.get("status") or {}
    wanted = wanted_pods(workload)
    if is_unseen(workload):
        return Progress(False, "its change is not seen by Kubernetes yet")
    updated, available = int(status.get("updatedNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    on_delete = ((workload.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    if updated < wanted and not on_delete:
        return Progress(False, f"{updated} of {wanted} updated")
    if available < wanted:
        return Progress(False, f"{available} of {wanted} available")
    return Progress(True, f"{available} of {wanted} available")


def _job(workload: Object) -> Progress:
    status = workload.get("status") or {}
    if _condition(workload, "Complete"):
        return Progress(True, "complete")
    failed = _condition(workload, "Failed")
    if failed:
        words = str(failed.get("message") or failed.get("reason") or "").strip().rstrip(".")
        return Progress(False, "failed", f"failed: {words}" if words else "failed")
    if (workload.get("spec") or {}).get("suspend"):
        return Progress(False, "suspended")
    return Progress(False, "running" if status.get("active") else "not started yet")


def is_unseen(workload: Object) -> bool:
    """Whether its controller has not seen the last change; a Job, which cannot be changed, never says what it has seen."""
    if workload["kind"] == "Job":
        return False
    observed = (workload.get("status") or {}).get("observedGeneration") or 0
    return int(observed) < int(workload["metadata"].get("generation") or 0) or not observed


def _condition(workload: Object, name: str) -> Object | None:
    """A condition that is true, or any state of Progressing, which says in its reason what is wrong."""
    for condition in (workload.get("status") or {}).get("conditions") or []:
        if condition.get("type") == name and (condition.get("status") == "True" or name == "Progressing"):
            return dict(condition)
    return None


def _number(values: Object, name: str, default: int) -> int:
    value = values.get(name)
    return default if value is None else int(value)


def _labels(item: Object) -> Object:
    return item["metadata"].get("labels") or {}


def _revision(pod: Object) -> str | None:
    return _labels(pod).get("controller-revision-hash")


def _revision_number(item: Object) -> str | None:
    return (item["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
