from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.overview import age, components, table, version_of

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
    rows = components([workload], services, NOW)
    assert table(rows) == [
        "COMPONENT  KIND         VERSION  READY  ADDRESS        AGE",
        "postgres   StatefulSet  17       1/1    postgres:5432  3d",
    ]
    assert table([]) == []
