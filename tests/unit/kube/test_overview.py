from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.overview import (
    DETAILS,
    Surroundings,
    age,
    components,
    table,
    version_of,
)

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("postgres:16-alpine", "16-alpine"),
        ("registry:5000/hustlex/api", "latest"),
        ("registry:5000/hustlex/api:v1.2.3", "v1.2.3"),
        ("hustlex/api@sha256:0123456789abcdef0123", "sha256:0123456789ab"),
        ("hustlex/api:v1@sha256:0123456789abcdef", "v1"),
    ],
)
def test_version(image: str, version: str) -> None:
    assert version_of(image) == version


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-01-10T11:59:15Z", "45s"),
        ("2026-01-10T11:58:30Z", "1m"),
        ("2026-01-10T10:30:00Z", "90m"),
        ("2026-01-10T08:00:00Z", "4h"),
        ("2026-01-01T12:00:00Z", "9d"),
        ("2026-01-10T12:00:05Z", "0s"),
    ],
)
def test_age(created: str, expected: str) -> None:
    assert age(created, NOW) == expected


def test_components_and_table() -> None:
    workload: dict[str, Any] = {
        "kind": "StatefulSet",
        "metadata": {
            "name": "postgres",
            "labels": {"hustlex.app/set": "postgres"},
            "creationTimestamp": "2026-01-07T12:00:00Z",
        },
        "spec": {
            "replicas": 1,
            "template": {
                "metadata": {"labels": {"app": "postgres"}},
                "spec": {"containers": [{"image": "postgres:17"}]},
            },
        },
        "status": {"readyReplicas": 1},
    }
    selector = {"app": "postgres", "statefulset.kubernetes.io/pod-name": "postgres-0"}
    services = [
        {"metadata": {"name": "redis"}, "spec": {"selector": {"app": "redis"}, "ports": [{"port": 6379}]}},
        {"metadata": {"name": "postgres"}, "spec": {"selector": selector, "ports": [{"port": 5432}]}},
    ]
    rows = components([workload], Surroundings(services), NOW)
    assert table(rows) == [
        "COMPONENT  KIND         VERSION  READY  ADDRESS        AGE",
        "postgres   StatefulSet  17       1/1    postgres:5432  3d",
    ]
    assert table([]) == []


def test_pods_and_autoscaler_in_detail() -> None:
    deployment: dict[str, Any] = {
        "kind": "Deployment",
        "metadata": {
            "name": "api", "uid": "d", "labels": {"hustlex.app/set": "app"}, "creationTimestamp": "2026-01-07T12:00:00Z",
        },
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": "api:v2"}]}}},
        "status": {"readyReplicas": 1},
    }  # fmt: skip
    replica_set = {"metadata": {"name": "api-1", "uid": "r", "ownerReferences": [{"uid": "d"}]}}
    pod = {
        "metadata": {"name": "api-1-x", "ownerReferences": [{"uid": "r"}], "creationTimestamp": "2026-01-10T11:59:30Z"},
        "spec": {"nodeName": "n1", "containers": [{"name": "api", "image": "api:v2"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"restartCount": 2}]},
    }
    stranger = {**pod, "metadata": {**pod["metadata"], "name": "other", "ownerReferences": [{"uid": "z"}]}}
    metric = {"name": "cpu", "target": {"averageUtilization": 70}}
    autoscaler = {
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "api"}, "minReplicas": 3, "maxReplicas": 20,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
        "status": {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 41}}}]},
    }  # fmt: skip
    around = Surroundings([], [autoscaler], [pod, stranger], [replica_set])
    assert table(components([deployment], around, NOW), DETAILS) == [
        "COMPONENT  KIND        VERSION  READY  SCALING                RESTARTS  ADDRESS  AGE",
        "api        Deployment  v2       1/2    3..20, cpu 41% of 70%  -         -        3d",
        "  api-1-x  Pod         v2       ready  -                      2         n1       30s",
    ]
