"""The wait itself, against a cluster that is a list of moments."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, UnreachableError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.rollout import Limits, Scope, Waiter


def deployment(available: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "n", "uid": "d", "generation": 1},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"readinessProbe": {}}]}}},
        "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": available},
    }


def unscheduled() -> dict[str, Any]:
    """A StatefulSet and its pod that finds no node."""
    return {
        "StatefulSet": {
            "kind": "StatefulSet",
            "metadata": {"name": "s", "namespace": "n", "uid": "s", "generation": 1},
            "spec": {"template": {"spec": {"containers": [{"readinessProbe": {}}]}}},
            "status": {"observedGeneration": 1, "updateRevision": "1"},
        },
        "Pod": {
            "metadata": {
                "name": "s-0",
                "namespace": "n",
                "uid": "s-0",
                "labels": {"controller-revision-hash": "1"},
                "ownerReferences": [{"uid": "s"}],
            },
            "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]},
        },
    }


class Cluster(Client):
    """Each look at the StatefulSets, which come first, is the next moment; the last one stays."""

    def __init__(self, *moments: Any) -> None:
        self.moments = list(moments)
        self.now = 0.0
        self.said: list[str] = []
        self.connections = 0

    def list(self, kind: Kind, namespace: str = "", selector: str = "", fields: str = "") -> list[dict[str, Any]]:
        if kind.name == "StatefulSet":
            self.moment = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        if isinstance(self.moment, Exception):
            raise self.moment
        found = self.moment.get(kind.name)
        return [found] if found else []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def connect(self) -> Client:
        self.connections += 1
        return self

    def waiter(
        self,
        timeout: float = 60,
        grace: float = 15,
        interval: float = 10,
        without: tuple[str, ...] = (),
        patient: bool = False,
    ) -> Waiter:
        limits, scope = Limits(timeout, grace, interval, patient), Scope("n", ["app"], without)
        return Waiter(self.connect, scope, limits, self.said.append, lambda: self.now, self.sleep)


def test_ready_at_once_says_nothing() -> None:
    cluster = Cluster({"Deployment": deployment(2)})
    outcome = cluster.waiter().wait()
    assert (outcome.look.is_ready, outcome.seconds, cluster.said) == (True, 0, [])


def test_what_is_left_out_is_not_waited_for() -> None:
    moment = unscheduled() | {"Deployment": deployment(2)}
    outcome = Cluster(moment).waiter(without=("StatefulSet/s",)).wait()
    assert (outcome.look.is_ready, outcome.seconds) == (True, 0)


def test_lines_when_the_picture_changes_and_in_between() -> None:
    moments = [{"Deployment": deployment(0)}] * 20 + [{"Deployment": deployment(1)}, {"Deployment": deployment(2)}]
    cluster = Cluster(*moments)
    outcome = cluster.waiter().wait()
    assert outcome.look.is_ready
    assert cluster.said[0] == "   0 s  0/1 ready; waiting for Deployment api: 0 of 2 available"
    assert len(cluster.said) == 3
    assert "1 of 2 available" in cluster.said[-1]


def test_the_time_is_over() -> None:
    cluster = Cluster({"Deployment": deployment(1)})
    outcome = cluster.waiter(timeout=5).wait()
    assert not outcome.look.is_ready
    assert outcome.failures == []
    assert outcome.seconds == pytest.approx(5)


def test_grace_for_pods_without_a_node() -> None:
    cluster = Cluster(unscheduled())
    outcome = cluster.waiter(grace=7).wait()
    assert [failure.reason for failure in outcome.failures] == ["Pod s-0 finds no node: no room."]
    assert 7 <= outcome.seconds < 8.1


def test_grace_begins_anew_when_the_trouble_passed() -> None:
    moment = unscheduled()
    scheduled = {**moment, "Pod": {**moment["Pod"], "status": {}}}
    cluster = Cluster(*[moment] * 8, scheduled, moment)
    assert cluster.waiter(grace=7).wait().seconds > 9


def stuck() -> dict[str, Any]:
    found = deployment(2)
    found["status"] |= {"replicas": 3, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}
    return found


def test_a_deployment_on_its_way_back_is_not_judged_by_the_verdict_on_what_it_leaves() -> None:
    """Its controller sees the change, and looks at its pods only then: 20 to 120 ms on an idle cluster."""
    outcome = Cluster(*[{"Deployment": stuck()}] * 3, {"Deployment": deployment(2)}).waiter().wait()
    assert outcome.look.is_ready
    assert outcome.failures == []


def test_a_deployment_that_stays_stuck_is_told() -> None:
    outcome = Cluster({"Deployment": stuck()}).waiter().wait()
    assert [found.reason for found in outcome.failures] == [
        "Deployment api made no progress within progressDeadlineSeconds (600 s)."
    ]
    assert outcome.seconds < 4


def test_an_api_server_that_is_away_does_not_end_the_wait() -> None:
    away = [UnreachableError("gone")] * 3 + [ApiError("starting", 403), ApiError("who are you", 401)]
    cluster = Cluster({"Deployment": deployment(1)}, *away, {"Deployment": deployment(2)})
    outcome = cluster.waiter().wait()
    assert outcome.look.is_ready
    assert sum("does not answer" in line for line in cluster.said) == 1
    assert cluster.connections == 2, "expired credentials mean to log in again"


def test_an_api_server_that_stays_away_does() -> None:
    cluster = Cluster({"Deployment": deployment(1)}, UnreachableError("gone"))
    with pytest.raises(UnreachableError):
        cluster.waiter(timeout=600).wait()
    assert cluster.now < 150


def test_an_api_server_that_was_never_there_is_told_at_once() -> None:
    with pytest.raises(UnreachableError):
        Cluster(UnreachableError("gone")).waiter().wait()


def test_in_the_middle_of_a_run_it_is_waited_for_from_the_first_look_on() -> None:
    away = [UnreachableError("gone")] * 3
    cluster = Cluster(*away, {"Deployment": deployment(2)})
    assert cluster.waiter(patient=True).wait().look.is_ready
    with pytest.raises(UnreachableError):
        Cluster(UnreachableError("gone")).waiter(timeout=5, patient=True).wait()
