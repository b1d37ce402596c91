from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from embedkube import addons, kubeapi
from embedkube.config import EMBEDDED_IMAGES, Cluster

START = datetime(2026, 11, 24, 1, 0, 0, 500_000, tzinfo=UTC)
CLUSTER = Cluster("demo")
NAMES = list(addons.deployments(CLUSTER))
S3_VALUES = dict.fromkeys(
    ("s3_certificate", "s3_checksum", "s3_key", "s3_root_name", "s3_root_secret", "s3_users"), "eA=="
)


def text(offset: float) -> str:
    return (START + timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(status: str = "True", heartbeat: float = 3) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": text(heartbeat), "message": "told"}
    return {"metadata": {"name": "n1"}, "status": {"conditions": [condition]}}


def pod(name: str, started: float = 3, **state: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}-abc", "creationTimestamp": text(1)},
        "spec": {"nodeName": "n1"},
        "status": {
            "conditions": [{"type": "Ready", "status": "False" if state else "True"}],
            "containerStatuses": [{"state": state or {"running": {"startedAt": text(started)}}}],
        },
    }


def snapshot(**changes: Any) -> addons.Snapshot:
    metrics = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    fields: dict[str, Any] = {
        "nodes": {"n1": node()},
        "pods": [pod(name) for name in NAMES],
        "metrics": metrics,
    }
    return addons.Snapshot(**(fields | changes))


def test_nothing_is_missing_when_all_was_seen_since_the_start() -> None:
    assert addons.waits_for(snapshot(), CLUSTER, {"n1": START}) == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"nodes": {}}, "node n1: not registered"),
        ({"nodes": {"n1": node("False")}}, "node n1: told"),
        ({"nodes": {"n1": node(heartbeat=-60)}}, "node n1: not heard of since the start"),
        ({"pods": []}, "coredns: no pod yet"),
        ({"metrics": {}}, "metrics API: not registered"),
    ],
)
def test_names_what_is_missing(changes: dict[str, Any], missing: str) -> None:
    assert missing in addons.waits_for(snapshot(**changes), CLUSTER, {"n1": START})


def test_a_pod_of_before_the_restart_does_not_count() -> None:
    pods = [pod(name, started=-60) for name in NAMES]
    assert len(addons.waits_for(snapshot(pods=pods), CLUSTER, {"n1": START})) == 4


def test_a_node_that_ran_on_needs_no_new_word() -> None:
    seen = snapshot(nodes={"n1": node(heartbeat=-60)}, pods=[pod(name, started=-60) for name in NAMES])
    assert addons.waits_for(seen, CLUSTER, {}) == []


def test_gives_the_reason_of_a_waiting_container() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    pods = [pod("coredns", waiting=waiting), *(pod(name) for name in NAMES if name != "coredns")]
    missing = addons.waits_for(snapshot(pods=pods), CLUSTER, {"n1": START})
    assert missing == ["coredns: ImagePullBackOff no such image"]


def test_every_manifest_has_a_path_and_only_local_images() -> None:
    found = addons.manifests(Cluster("demo", nodes=3), S3_VALUES)
    for manifest in found:
        assert kubeapi.path_of(manifest).startswith(("/api/", "/apis/"))
    images = {
        container["image"]
        for manifest in found
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert images <= set(EMBEDDED_IMAGES.values())


def test_exactly_one_storage_class_is_the_default() -> None:
    classes = [item for item in addons.manifests(CLUSTER, S3_VALUES) if item["kind"] == "StorageClass"]
    default = [item["metadata"]["name"] for item in classes if item["metadata"].get("annotations")]
    assert {item["metadata"]["name"] for item in classes} == {"standard", "shared"}
    assert default == ["standard"]


def test_without_its_port_there_is_no_s3_server() -> None:
    cluster = Cluster("demo", s3_port=0)
    assert not [item for item in addons.manifests(cluster, {}) if item["metadata"].get("namespace") == "embedded-s3"]
    assert "s3" not in addons.deployments(cluster)
