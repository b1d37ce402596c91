"""The exchange of volumes, cut off at every request that it makes, before and after the request took effect."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube import volumes
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.exchange import (
    Exchange,
    Exchanger,
    Limits,
    observe,
)
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.recovery_record import (
    SWAPPED,
    SWAPPING,
    RecoveryRecord,
)

from .cluster_double import ClusterDouble, KilledError

APPLICATION = {"app": "api", "hustlex.app/uses-postgres": "true"}


def stateful_set(cluster: ClusterDouble, name: str, replicas: int, claims: list[str], fixed: list[str]) -> None:
    spec = {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}}}
    cluster.add("StatefulSet", name, spec=spec, claims=claims, fixed=fixed)


@pytest.fixture
def cluster() -> ClusterDouble:
    return make()


def make(primary: str = "postgres-0") -> ClusterDouble:
    found = ClusterDouble()
    found.add("ConfigMap", "postgres-topology", data={"primary": primary})
    found.add("Service", "postgres", spec={"selector": {"statefulset.kubernetes.io/pod-name": primary}})
    for pod in ("postgres-0", "postgres-replica-0"):
        data = "live" if pod == primary else "copy"
        found.add(
            "PersistentVolumeClaim",
            f"postgres-data-{pod}",
            spec={"volumeName": f"volume-{data}"},
            status={"phase": "Bound"},
        )
        found.volume(f"volume-{data}", f"postgres-data-{pod}", data)
    found.add(
        "PersistentVolumeClaim",
        "postgres-recovery",
        spec={"volumeName": "volume-restored"},
        status={"phase": "Bound"},
    )
    found.volume("volume-restored", "postgres-recovery", "restored")
    stateful_set(found, "postgres", 1, ["postgres-data"], [])
    stateful_set(found, "postgres-replica", 1, ["postgres-data"], [])
    stateful_set(found, "postgres-recovery", 1, [], ["postgres-recovery"])
    template = {"metadata": {"labels": APPLICATION}}
    selector = {"matchLabels": {"app": "api"}}
    found.add("Deployment", "api", spec={"replicas": 2, "template": template, "selector": selector})
    found._control()
    found.events.clear()
    return found


class Controller:
    """A controller that is started again after each kill, as a person would."""

    def __init__(self, cluster: ClusterDouble) -> None:
        self.cluster = cluster
        self.bases = 0

    def swap(self, incoming: str = "postgres-recovery", kept: str = "postgres-before-1") -> None:
        record = RecoveryRecord.read(self.cluster, "n")
        if record is not None and record.kept == kept:
            return
        if record is None or record.state != SWAPPING:
            record = RecoveryRecord(SWAPPING, "1", "latest", "d", exchange=observe(self.cluster, "n", incoming, kept))
        assert record.exchange is not None
        found = record

        def save(exchange: Exchange) -> None:
            replace(found, exchange=exchange).write(self.cluster, "n")

        done = Exchanger(
            self.cluster,
            "n",
            record.exchange,
            save,
            lambda _line: None,
            self._base,
            self._branch if kept.startswith("postgres-swapped") else None,
            limits=Limits(0.1, 0.1, 0.1),
            sleep=lambda _s: None,
        ).run()
        replace(found, state=SWAPPED, exchange=done, kept=kept).write(self.cluster, "n")

    def _branch(self) -> None:
        self.cluster._request()
        assert self.cluster.objects["StatefulSet", "postgres"]["spec"]["replicas"] == 1, "nothing is stopped yet"

    def _base(self) -> None:
        self.cluster._request()
        self.bases += 1


def check_swapped(cluster: ClusterDouble) -> None:
    claims = {name: cluster.data_of(name) for kind, name in cluster.objects if kind == "PersistentVolumeClaim"}
    copy = claims.pop("postgres-data-postgres-replica-0")
    assert claims == {"postgres-data-postgres-0": "restored", "postgres-before-1": "live"}
    assert copy == "empty-postgres-data-postgres-replica-0"
    assert cluster.objects["ConfigMap", "postgres-topology"]["data"]["primary"] == "postgres-0"
    selector = cluster.objects["Service", "postgres"]["spec"]["selector"]
    assert selector == {"statefulset.kubernetes.io/pod-name": "postgres-0"}
    replicas = {
        name: item["spec"]["replicas"]
        for (_kind, name), item in cluster.objects.items()
        if "replicas" in item.get("spec", {})
    }
    assert replicas == {"postgres": 1, "postgres-replica": 1, "api": 2}
    policies = {
        item["spec"]["persistentVolumeReclaimPolicy"]
        for (kind, _name), item in cluster.objects.items()
        if kind == "PersistentVolume"
    }
    assert policies == {"Delete"}
    assert set(cluster.events) & {"deleted live", "deleted restored"} == set()
    starts = [event for event in cluster.events if event.startswith("postgres-0 ")]
    assert starts == ["postgres-0 on restored with primary postgres-0"]


@pytest.mark.parametrize("primary", ["postgres-0", "postgres-replica-0"])
def test_a_swap(primary: str) -> None:
    cluster = make(primary)
    Controller(cluster).swap()
    check_swapped(cluster)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("primary", ["postgres-0", "postgres-replica-0"])
def test_a_swap_that_is_killed_at_any_request_is_finished_by_the_next_run(primary: str, after: bool) -> None:
    whole = make(primary)
    Controller(whole).swap()
    for kill_at in range(1, whole.requests + 1):
        cluster = make(primary)
        cluster.requests = 0
        cluster.kill_at, cluster.after = kill_at, after
        controller = Controller(cluster)
        try:
            controller.swap()
        except KilledError:
            controller.swap()
        check_swapped(cluster)
        assert controller.bases >= 1


def test_the_way_back_brings_the_old_volume_wherever_it_is_killed() -> None:
    whole = make()
    Controller(whole).swap()
    begin = whole.requests
    Controller(whole).swap("postgres-before-1", "postgres-swapped-1")
    for kill_at in range(begin + 1, whole.requests + 1):
        cluster = make()
        controller = Controller(cluster)
        cluster.requests = 0
        controller.swap()
        cluster.requests, cluster.kill_at = begin, kill_at
        try:
            controller.swap("postgres-before-1", "postgres-swapped-1")
        except KilledError:
            controller.swap("postgres-before-1", "postgres-swapped-1")
        assert cluster.data_of("postgres-data-postgres-0") == "live"
        assert cluster.data_of("postgres-swapped-1") == "restored"


def test_a_database_without_a_volume_can_be_replaced(cluster: ClusterDouble) -> None:
    for key in (("PersistentVolume", "volume-live"), ("PersistentVolumeClaim", "postgres-data-postgres-0")):
        del cluster.objects[key]
    stateful_set(cluster, "postgres", 0, ["postgres-data"], [])
    Controller(cluster).swap()
    assert cluster.data_of("postgres-data-postgres-0") == "restored"


def test_nothing_moves_while_a_pod_lives(cluster: ClusterDouble) -> None:
    spec = {"volumes": [{"persistentVolumeClaim": {"claimName": "postgres-data-postgres-0"}}]}
    cluster.add("Pod", "stuck", spec=spec, status={"phase": "Running"})
    with pytest.raises(KubeError, match="Pod stuck is not gone after 0 s: it may still write, so no volume is moved"):
        Controller(cluster).swap()
    assert cluster.data_of("postgres-data-postgres-0") == "live"


def test_somebody_who_deploys_meanwhile_starts_no_primary(cluster: ClusterDouble) -> None:
    cluster.kill_at = 0
    whole = make()
    Controller(whole).swap()
    for kill_at in range(1, whole.requests + 1):
        cluster = make()
        cluster.requests, cluster.kill_at = 0, kill_at
        controller = Controller(cluster)
        try:
            controller.swap()
        except KilledError:
            for name in ("postgres", "postgres-replica"):
                cluster.objects["StatefulSet", name]["spec"]["replicas"] = 1
            cluster._control()
            with suppress(KubeError):  # a claim that was made anew is for a person to judge
                controller.swap()
        wrong = [event for event in cluster.events if "on empty" in event and event.endswith("primary postgres-0")]
        assert [event for event in wrong if event.startswith("postgres-0 ")] == []
        assert set(cluster.events) & {"deleted live", "deleted restored"} == set()


def test_who_may_not_patch_volumes_is_told_before(cluster: ClusterDouble) -> None:
    cluster.allowed = False
    with pytest.raises(KubeError, match="may not patch PersistentVolumes"):
        observe(cluster, "n", "postgres-recovery", "postgres-before-1")


def test_a_recovery_without_a_volume_is_refused(cluster: ClusterDouble) -> None:
    with pytest.raises(KubeError, match="PersistentVolumeClaim postgres-other has no volume"):
        observe(cluster, "n", "postgres-other", "kept")


class TwoRuns(ClusterDouble):
    """Just before this run reserves the volume, another one has done it and made the claim, and the two are bound."""

    def merge(self, kind: Kind, namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        if kind.name != "PersistentVolume":
            return super().merge(kind, namespace, name, change)
        assert change["metadata"]["resourceVersion"] == "1"
        spec = self.objects["PersistentVolume", name]["spec"]
        spec["claimRef"] = {"namespace": "n", "name": "data", "uid": "PersistentVolumeClaim-data"}
        self.add("PersistentVolumeClaim", "data", spec={"volumeName": name}, status={"phase": "Bound"})
        raise ApiError("the object has been modified", 409)


def test_a_volume_that_another_run_bound_meanwhile_is_not_taken_from_its_claim() -> None:
    cluster = TwoRuns()
    cluster.volume("v", "old", "restored", "Retain")
    cluster.objects["PersistentVolume", "v"]["metadata"]["resourceVersion"] = "1"
    volumes.bind(cluster, "n", "data", "v", {}, lambda _seconds: None)  # type: ignore[arg-type]
    assert cluster.objects["PersistentVolume", "v"]["spec"]["claimRef"]["uid"] == "PersistentVolumeClaim-data"


def test_a_run_that_lives_on_after_another_took_over_stops_at_its_next_step(cluster: ClusterDouble) -> None:
    exchange = observe(cluster, "n", "postgres-recovery", "postgres-before-x")  # type: ignore[arg-type]
    first = RecoveryRecord(SWAPPING, "x", "latest", "d", exchange=replace(exchange, holder="first"))
    first.write(cluster, "n")  # type: ignore[arg-type]
    first.write_held(cluster, "n")  # type: ignore[arg-type]
    replace(first, exchange=replace(exchange, holder="second")).write(cluster, "n")  # type: ignore[arg-type]
    with pytest.raises(KubeError, match="Another run has taken the recovery to latest over"):
        first.write_held(cluster, "n")  # type: ignore[arg-type]
