from typing import Any

from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.diagnosis import Finding, Snapshot
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.evidence import collect
from ansible_collections.hustlex.platform.plugins.module_utils.kube.mask import Masker

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "p"},
    "status": {
        "containerStatuses": [
            {
                "name": "c",
                "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1}},
            }
        ]
    },
}
WORKLOAD = {
    "kind": "Deployment",
    "metadata": {"name": "api", "uid": "d", "annotations": {}},
    "status": {
        "conditions": [
            {"type": "Available", "status": "False", "reason": "Few", "message": "has the-password in it"},
            {"type": "Progressing", "status": "True", "reason": "Fine"},
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"},
        ]
    },
}
FINDING = Finding(("p",), WORKLOAD, "Pod p crashes.", "kubectl logs p", "none", (POD,), "c")


class Logs(Client):
    def __init__(self, previous: str | None, current: str) -> None:
        self.previous, self.current = previous, current

    def log(self, namespace: str, pod: str, container: str, lines: int, previous: bool = False) -> str:
        if previous and self.previous is None:
            raise ApiError("previous terminated container not found", 400)
        return (self.previous or "") if previous else self.current


def event(kind: str, message: str) -> dict[str, Any]:
    about = {"uid": "p", "kind": "Pod", "name": "p"}
    return {"metadata": {}, "type": kind, "reason": "R", "message": message, "involvedObject": about}


def test_evidence_is_complete_and_masked() -> None:
    snapshot = Snapshot([], events=[event("Warning", "saw the-password"), event("Normal", "pulled")])
    found = collect(Logs("one\nuses the-password\n\n", "now"), FINDING, snapshot, Masker(["the-password"]), 20)
    assert found.reason == 'Pod p crashes; its last words: "uses ***".'
    assert found.logs == {"p/c (previous run)": ["one", "uses ***", ""], "p/c": ["now"]}
    assert found.events == ["Pod p: R: saw ***"]
    assert found.conditions == ["Available=False Few: has *** in it", "ReplicaFailure=True FailedCreate"]
    assert "  more: kubectl logs p" in found.lines()


def test_the_states_of_containers_belong_to_it() -> None:
    found = collect(Logs("", "now"), FINDING, Snapshot([]), Masker(), 20)
    assert found.containers == ["p/c: CrashLoopBackOff, 2 restarts, last exit code 1"]


def test_who_seems_to_be_well_is_asked_for_its_log_on_demand() -> None:
    running = {"name": "c", "ready": True, "state": {"running": {}}}
    pod = {
        "metadata": POD["metadata"],
        "spec": {"containers": [{"name": "c"}]},
        "status": {"containerStatuses": [running]},
    }
    finding = Finding(("d",), WORKLOAD, "1 of 1 ready.", "kubectl describe", "none", (pod,))
    assert collect(Logs(None, "slow"), finding, Snapshot([]), Masker(), 20).logs == {}
    found = collect(Logs(None, "slow"), finding, Snapshot([]), Masker(), 20, every_log=True)
    assert found.logs == {"p/c": ["slow"]}
    assert found.containers == ["p/c: running"]


def test_logs_that_are_gone_are_left_out() -> None:
    gone = "unable to retrieve container logs for containerd://0123"
    for previous in (gone, None):
        found = collect(Logs(previous, "last line"), FINDING, Snapshot([]), Masker(), 20)
        assert found.reason == 'Pod p crashes; its last words: "last line".'


def test_without_the_secrets_no_log_is_shown() -> None:
    found = collect(Logs("the-password", "the-password"), FINDING, Snapshot([]), None, 20)
    assert found.logs == {}
    assert found.reason == "Pod p crashes."


def test_the_termination_message_of_a_job_is_its_last_word() -> None:
    ended = {"name": "c", "state": {"terminated": {"exitCode": 1, "message": "No bucket the-password.\n"}}}
    pod = {"metadata": POD["metadata"], "status": {"containerStatuses": [ended]}}
    job = {**WORKLOAD, "kind": "Job"}
    finding = Finding(("j",), job, "Job j failed.", "kubectl logs job/j", "none", (pod,))
    found = collect(Logs(None, "mixed\nlines"), finding, Snapshot([]), Masker(["the-password"]), 20)
    assert found.reason == 'Job j failed; its last words: "No bucket ***.".'
    assert collect(Logs(None, "mixed"), finding, Snapshot([]), None, 20).reason == "Job j failed."
