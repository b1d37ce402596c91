from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.ownership import is_applied

DESIRED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api", "namespace": "n", "labels": {"app": "api"}},
    "spec": {
        "selector": {"app": "api"},
        "ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81, "protocol": "TCP"}],
        "externalIPs": ["10.0.0.1"],
    },
}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:selector": {},
        "f:externalIPs": {'v:"10.0.0.1"': {}},
        "f:ports": {
            'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}},
            'k:{"port":81,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
        },
    },
}
LIVE: dict[str, Any] = {
    **DESIRED,
    "metadata": {
        **DESIRED["metadata"],
        "labels": {"app": "api", "added-by": "another"},
        "managedFields": [
            {"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsV1": {}},
            {"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": FIELDS},
        ],
    },
    "spec": {
        "clusterIP": "10.96.0.9",
        "selector": {"app": "api"},
        "ports": [
            {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80},
            {"name": "admin", "port": 81, "protocol": "TCP", "targetPort": 81},
        ],
        "externalIPs": ["10.0.0.1"],
    },
}


def changed(manifest: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy = deepcopy(manifest)
    *parents, last = path.split("/")
    target: Any = copy
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    if value is None:
        del target[int(last) if last.isdigit() else last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return copy


def test_what_was_applied_is_known() -> None:
    assert is_applied(LIVE, DESIRED, "us")
    assert not is_applied(LIVE, DESIRED, "somebody else")


@pytest.mark.parametrize("empty", [{}, []])
def test_what_is_empty_is_not_set(empty: Any) -> None:
    wanted = changed(DESIRED, "spec/sessionAffinityConfig", empty)
    wanted["spec"]["type"] = None
    assert is_applied(LIVE, wanted, "us")
    assert not is_applied(changed(LIVE, "spec/sessionAffinityConfig", {"a": 1}), wanted, "us")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/labels/app", "other"),
        ("metadata/labels/new", "label"),
        ("metadata/labels/app", None),
        ("metadata/annotations", {"a": "b"}),
        ("spec/selector/tier", "web"),
        ("spec/ports/0/port", 8080),
        ("spec/ports/0/name", None),
        ("spec/ports/1/protocol", None),
        ("spec/ports/1", None),
        ("spec/externalIPs", ["10.0.0.2"]),
        ("spec/externalIPs", []),
        ("apiVersion", "v2"),
    ],
)
def test_every_change_of_the_manifest_counts(path: str, value: Any) -> None:
    # Protocol is one of the keys of a port: left out or written, it is the same port.
    assert is_applied(LIVE, changed(DESIRED, path, value), "us") is (path == "spec/ports/1/protocol")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/labels/app", "edited"),
        ("metadata/labels/app", None),
        ("metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
        ("spec/selector/extra", "edited"),
        ("spec/ports/0/port", 8080),
        ("spec/ports/0/name", "edited"),
        ("spec/ports/0", None),
        ("spec/externalIPs/0", "10.0.0.9"),
    ],
)
def test_every_drift_counts(path: str, value: Any) -> None:
    assert not is_applied(changed(LIVE, path, value), DESIRED, "us")


def test_order_counts() -> None:
    swapped = changed(LIVE, "spec/ports", list(reversed(LIVE["spec"]["ports"])))
    assert not is_applied(swapped, DESIRED, "us")
