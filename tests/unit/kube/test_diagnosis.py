from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.hustlex.platform.plugins.module_utils.kube.diagnosis import Snapshot, findings, picture

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


def stateful_set(ready: int = 0, probe: bool = True) -> dict[str, Any]:
    container = {"name": "c", **({"readinessProbe": {}} if probe else {})}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "s", "namespace": "n", "uid": "s", "generation": 1},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "readyReplicas": ready,
            "currentRevision": "2",
            "updateRevision": "2",
        },
    }


def pod(revision: str = "2", **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": "s-0",
        "namespace": "n",
        "uid": "s-0",
        "labels": {"controller-revision-hash": revision},
        "ownerReferences": [{"uid": "s", "controller": True}],
    }
    return {"metadata": metadata, "spec": {"nodeName": "n1"}, "status": {}, **fields}


def status(reason: str = "", ready: bool = False, **state: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "restartCount": 0, "state": state or {"waiting": {"reason": reason}}}
    return {
        "containerStatuses": [container],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }


def event(uid: str, reason: str, message: str, seen: datetime = NOW, kind: str = "Warning") -> dict[str, Any]:
    return {
        "metadata": {},
        "type": kind,
        "reason": reason,
        "message": message,
        "involvedObject": {"uid": uid, "kind": "x", "name": "y"},
        "lastTimestamp": seen.isoformat(),
    }


def test_what_was_wanted_before_says_nothing_of_a_change_that_nobody_has_seen() -> None:
    crashing = pod(status=status("CrashLoopBackOff"))
    crashing["status"]["containerStatuses"][0]["restartCount"] = 1
    changed = stateful_set()
    assert len(findings(changed, Snapshot([changed], [crashing]), LONG_AGO)) == 1
    changed["metadata"]["generation"] = 2
    assert findings(changed, Snapshot([changed], [crashing]), LONG_AGO) == []


def test_progress_names_the_first_unready_pod() -> None:
    snapshot = Snapshot([], [pod(status=status("ImagePullBackOff"))])
    assert picture(stateful_set(), snapshot, NOW).message == "0 of 1 ready (pod s-0: c: ImagePullBackOff)"


def test_without_a_probe_a_pod_has_to_last_a_moment() -> None:
    started = (NOW - timedelta(seconds=1)).isoformat()
    snapshot = Snapshot([], [pod(status=status(ready=True, running={"startedAt": started}))])
    assert not picture(stateful_set(ready=1, probe=False), snapshot, NOW).ready
    assert picture(stateful_set(ready=1, probe=False), snapshot, NOW + timedelta(seconds=3)).ready
    assert picture(stateful_set(ready=1), snapshot, NOW).ready
    crashed = Snapshot([], [pod(status=status(terminated={"exitCode": 1}))])
    assert not picture(stateful_set(ready=1, probe=False), crashed, NOW).ready


def test_a_claim_is_told_instead_of_the_pod_that_waits_for_it() -> None:
    volumes = {"volumes": [{"persistentVolumeClaim": {"claimName": "data-s-0"}}]}
    unscheduled = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "unbound claims"}]}
    claim = {
        "metadata": {"name": "data-s-0", "uid": "c"},
        "spec": {"storageClassName": "x"},
        "status": {"phase": "Pending"},
    }
    waiting = pod(spec=volumes, status=unscheduled)
    refused = Snapshot([], [waiting], claims=[claim], events=[event("c", "ProvisioningFailed", '"x" not found')])
    (found,) = findings(stateful_set(), refused, LONG_AGO)
    assert found.reason == 'Claim data-s-0 cannot be bound: "x" not found.'
    assert found.command == "kubectl describe pvc data-s-0 -n n"
    no_class = Snapshot([], [waiting], claims=[{**claim, "spec": {}}])
    assert "the cluster has no default one" in findings(stateful_set(), no_class, LONG_AGO)[0].reason
    only_slow = Snapshot([], [waiting], claims=[claim])
    assert findings(stateful_set(), only_slow, LONG_AGO)[0].reason == "Pod s-0 finds no node: unbound claims."


def test_a_claim_that_no_provisioner_takes_up() -> None:
    volumes = {"volumes": [{"persistentVolumeClaim": {"claimName": "data-s-0"}}]}
    claim = {
        "metadata": {"name": "data-s-0", "uid": "c"},
        "spec": {"storageClassName": "x"},
        "status": {"phase": "Pending"},
    }
    waiting = event("c", "ExternalProvisioning", "Waiting for a volume to be created by 'x.io/y'.", kind="Normal")
    taken = event("c", "Provisioning", "External provisioner is provisioning volume", kind="Normal")
    pending = pod(spec=volumes, status={"phase": "Pending"})
    alone = Snapshot([], [pending], claims=[claim], events=[waiting])
    (found,) = findings(stateful_set(), alone, LONG_AGO)
    assert found.reason == "Claim data-s-0 is not provisioned: Waiting for a volume to be created by 'x.io/y'."
    assert found.patience == "grace"
    slow = Snapshot([], [pending], claims=[claim], events=[waiting, taken])
    assert findings(stateful_set(), slow, LONG_AGO) == []


def test_a_node_on_its_way_is_worth_waiting_for() -> None:
    unscheduled = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]}
    scaling = event("s-0", "TriggeredScaleUp", "1->2", kind="Normal")
    snapshot = Snapshot([], [pod(spec={}, status=unscheduled)], events=[scaling])
    assert findings(stateful_set(), snapshot, LONG_AGO) == []


def test_pods_that_are_not_let_in() -> None:
    refusal = event(
        "s", "FailedCreate", "create Pod s-0 in StatefulSet s failed error: pods is forbidden: exceeded quota"
    )
    (found,) = findings(stateful_set(), Snapshot([], events=[refusal]), LONG_AGO)
    assert found.reason == "StatefulSet s cannot create its pods: pods is forbidden: exceeded quota."
    assert found.patience == "grace"
    assert findings(stateful_set(), Snapshot([], events=[refusal]), NOW + timedelta(seconds=1)) == []
    assert findings(stateful_set(), Snapshot([], [pod()], events=[refusal]), LONG_AGO) == []


def test_pods_of_earlier_revisions_count_only_where_they_block() -> None:
    waiting = {"waiting": {"reason": "ErrImageNeverPull"}}
    snapshot = Snapshot([], [pod(revision="1", status=status(**waiting))])
    (found,) = findings(stateful_set(), snapshot, LONG_AGO)
    assert found.reason.startswith("StatefulSet s waits for a pod of its earlier revision. Pod s-0 needs the image i")
    assert (found.command, found.patience) == ("kubectl delete pod s-0 -n n", "grace")
    parallel = stateful_set()
    parallel["spec"]["podManagementPolicy"] = "Parallel"
    assert findings(parallel, snapshot, LONG_AGO) == []


def test_a_failed_job_is_told_with_its_log() -> None:
    job = {
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "n", "uid": "s"},
        "status": {"conditions": [{"type": "Failed", "status": "True", "message": "deadline"}]},
    }
    (found,) = findings(job, Snapshot([], [pod()]), LONG_AGO)
    assert (found.reason, found.command) == ("Job j failed: deadline.", "kubectl logs job/j -n n")
    assert len(found.pods) == 1


def test_volumes_that_cannot_be_mounted() -> None:
    starting = pod(status={"phase": "Pending", **status("ContainerCreating")})
    snapshot = Snapshot([], [starting], events=[event("s-0", "FailedMount", 'secret "x" not found')])
    (found,) = findings(stateful_set(), snapshot, LONG_AGO)
    assert (found.reason, found.patience) == ('Pod s-0 cannot mount a volume: secret "x" not found.', "grace")


def test_a_kubelet_that_has_not_read_a_secret_yet_is_waited_for() -> None:
    starting = pod(status={"phase": "Pending", **status("ContainerCreating")})
    words = "failed to sync secret cache: timed out waiting for the condition"
    assert (
        findings(stateful_set(), Snapshot([], [starting], events=[event("s-0", "FailedMount", words)]), LONG_AGO) == []
    )
