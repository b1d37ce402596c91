# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a workload is not ready, from one look at the namespace. Pure functions over plain objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import events
from .pod import claims_of, doing, has_ended, is_ready, started_after, trouble
from .workload import Progress, current_pods, current_replica_set, is_unseen, outdated_pods, progress, wanted_pods

Object = Mapping[str, Any]

# Events of the cluster autoscaler and of Karpenter: a node for this pod is on its way.
_NODE_IS_COMING = ("TriggeredScaleUp", "Nominated")

# A kubelet that has not read a Secret or ConfigMap yet reads it at its next look.
_SLOW_CACHE = "cache: timed out waiting for the condition"

SETTLING = timedelta(seconds=3)


@dataclass(frozen=True)
class Snapshot:
    """One look at a namespace; all that is not needed yet may be empty."""

    workloads: Sequence[Object]
    pods: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    events: Sequence[Object] = ()

    def pods_of(self, workload: Object) -> list[Object]:
        return current_pods(workload, self.pods, self.replica_sets)


@dataclass(frozen=True)
class Finding:
    """Something that waiting will not mend once it lasts; see Trouble for `patience`.

    key: what makes it the same finding at the next look.
    """

    key: tuple[str, ...]
    workload: Object = field(repr=False)
    reason: str
    command: str
    patience: str = "none"
    pods: tuple[Object, ...] = field(default=(), repr=False)
    crashed_container: str = ""


def describe(workload: Object) -> str:
    return f"{workload['kind']} {workload['metadata']['name']}"


def picture(workload: Object, snapshot: Snapshot, now: datetime) -> Progress:
    """Progress of a workload, with what its first unready pod is about.

    Without a readiness probe a container is ready the moment it starts, even if it crashes in the next one: then it
    counts from SETTLING on.
    """
    found = progress(workload)
    if found.ready and is_probed(workload):
        return found
    if found.ready:
        pods = [pod for pod in snapshot.pods_of(workload) if not has_ended(pod)]
        settled = all(is_ready(pod) and not started_after(pod, now - SETTLING, now) for pod in pods)
        return found if settled else Progress(False, f"{found.message}, but only just")
    unready = [pod for pod in snapshot.pods_of(workload) if not is_ready(pod)]
    if not unready:
        return found
    name = unready[0]["metadata"]["name"]
    return Progress(False, f"{found.message} (pod {name}: {doing(unready[0])})", found.failure)


def is_probed(workload: Object) -> bool:
    """Whether a readiness probe decides when each container of its pods is ready; Jobs decide by their end."""
    containers = workload["spec"]["template"]["spec"].get("containers") or []
    return workload["kind"] == "Job" or all("readinessProbe" in each for each in containers)


def findings(workload: Object, snapshot: Snapshot, since: datetime) -> list[Finding]:
    """What is wrong with a workload that is not ready, the most telling first. Events before `since` do not count."""
    if is_unseen(workload):
        return []  # what is there belongs to what was wanted before
    pods = snapshot.pods_of(workload)
    found = [finding for pod in pods if not is_ready(pod) for finding in _of_pod(workload, pod, snapshot)]
    found += _of_outdated_pods(workload, snapshot)
    found += _of_creation(workload, pods, snapshot, since)
    failure = progress(workload).failure
    if failure and (not found or workload["kind"] == "Job"):
        found.insert(0, _of_workload(workload, failure, pods))
    return found


def _of_workload(workload: Object, failure: str, pods: list[Object]) -> Finding:
    metadata = workload["metadata"]
    verb = "logs" if workload["kind"] == "Job" else "describe"
    target = f"{workload['kind'].lower()}/{metadata['name']}"
    return Finding(
        key=(metadata["uid"],),
        workload=workload,
        reason=f"{describe(workload)} {failure}.",
        command=f"kubectl {verb} {target} -n {metadata['namespace']}",
        # A Deployment that was stuck and goes another way says so until its controller has looked once more.
        patience="moment" if workload["kind"] == "Deployment" else "none",
        pods=tuple(pod for pod in pods if not is_ready(pod)),
    )


def _of_pod(workload: Object, pod: Object, snapshot: Snapshot) -> Iterator[Finding]:
    metadata = pod["metadata"]
    name, place = metadata["name"], f"-n {metadata['namespace']}"
    describe_pod = f"kubectl describe pod {name} {place}"
    blocked = False
    for claim in _pending_claims(pod, snapshot):
        reason, patience = _claim_problem(claim, snapshot)
        if reason:
            command = f"kubectl describe pvc {claim['metadata']['name']} {place}"
            blocked = True
            yield Finding((metadata["uid"], "claim"), workload, reason, command, patience, (pod,))
    if blocked:
        return  # the pod itself says no more than that a volume is missing
    found = trouble(pod)
    if found and found.crashed:
        command = f"kubectl logs {name} -c {found.container} --previous {place}"
        yield Finding(
            (metadata["uid"], "pod"), workload, found.reason, command, found.patience, (pod,), found.container
        )
    elif found and not (found.patience == "grace" and _node_is_coming(pod, snapshot)):
        yield Finding((metadata["uid"], "pod"), workload, found.reason, describe_pod, found.patience, (pod,))
    if not found and _is_starting(pod):
        mounts = [
            e
            for e in events.about(snapshot.events, {metadata["uid"]})
            if e.get("reason") == "FailedMount" and _SLOW_CACHE not in str(e.get("message"))
        ]
        if mounts:
            words = str(mounts[-1].get("message")).strip().rstrip(".")
            reason = f"Pod {name} cannot mount a volume: {words}."
            yield Finding((metadata["uid"], "mount"), workload, reason, describe_pod, "grace", (pod,))


def _of_outdated_pods(workload: Object, snapshot: Snapshot) -> Iterator[Finding]:
    """A StatefulSet waits forever for a broken pod of an earlier revision, even when the new one would mend it."""
    for pod in outdated_pods(workload, snapshot.pods):
        found = trouble(pod)
        if found:
            metadata = pod["metadata"]
            yield Finding(
                key=(metadata["uid"], "outdated"),
                workload=workload,
                reason=f"{describe(workload)} waits for a pod of its earlier revision. {found.reason}",
                command=f"kubectl delete pod {metadata['name']} -n {metadata['namespace']}",
                patience="grace",
                pods=(pod,),
                crashed_container=found.container if found.crashed else "",
            )


def _of_creation(workload: Object, pods: list[Object], snapshot: Snapshot, since: datetime) -> Iterator[Finding]:
    """Pods that admission (quota, Pod Security, a missing service account) does not let in."""
    if len(pods) >= wanted_pods(workload):
        return
    maker = workload
    if workload["kind"] == "Deployment":
        maker = current_replica_set(workload, snapshot.replica_sets) or workload
    refusals = [
        event
        for event in events.about(snapshot.events, {maker["metadata"]["uid"]})
        if event.get("reason") == "FailedCreate" and (seen := events.last_seen(event)) and seen >= since
    ]
    if refusals:
        words = str(refusals[-1].get("message")).strip().rstrip(".")
        words = words.partition("Error creating: ")[2] or words.partition(" error: ")[2] or words
        metadata = maker["metadata"]
        yield Finding(
            key=(metadata["uid"], "creation"),
            workload=workload,
            reason=f"{describe(workload)} cannot create its pods: {words}.",
            command=f"kubectl describe {maker['kind'].lower()} {metadata['name']} -n {metadata['namespace']}",
            patience="moment" if "PodSecurity" in words else "grace",
        )


def _claim_problem(claim: Object, snapshot: Snapshot) -> tuple[str, str]:
    """(sentence, patience) about a claim that is not bound; an empty sentence when it only takes its time."""
    name = claim["metadata"]["name"]
    warnings = [
        event
        for event in events.about(snapshot.events, {claim["metadata"]["uid"]})
        if event.get("reason") in ("ProvisioningFailed", "ProvisioningError")
    ]
    if warnings:
        words = str(warnings[-1].get("message")).strip().rstrip(".")
        return f"Claim {name} cannot be bound: {words}.", "moment" if "not found" in words else "grace"
    waiting = _waits_for_nobody(claim, snapshot)
    if waiting:
        return f"Claim {name} is not provisioned: {waiting}.", "grace"
    if not (claim.get("spec") or {}).get("storageClassName"):
        return (
            f"Claim {name} cannot be bound: it names no StorageClass, and the cluster has no default one.",
            "moment",
        )
    return "", ""


def _waits_for_nobody(claim: Object, snapshot: Snapshot) -> str:
    """The words about a claim that no provisioner has taken up; one that has says so in an event of its own."""
    told = {event.get("reason"): event for event in events.about(snapshot.events, {claim["metadata"]["uid"]})}
    if "ExternalProvisioning" not in told or "Provisioning" in told:
        return ""
    return str(told["ExternalProvisioning"].get("message")).strip().rstrip(".")


def _pending_claims(pod: Object, snapshot: Snapshot) -> list[Object]:
    names = claims_of(pod)
    return [
        claim
        for claim in snapshot.claims
        if claim["metadata"]["name"] in names and (claim.get("status") or {}).get("phase") == "Pending"
    ]


def _node_is_coming(pod: Object, snapshot: Snapshot) -> bool:
    return any(e.get("reason") in _NODE_IS_COMING for e in events.about(snapshot.events, {pod["metadata"]["uid"]}))


def _is_starting(pod: Object) -> bool:
    return bool((pod.get("spec") or {}).get("nodeName")) and (pod.get("status") or {}).get("phase") == "Pending"
