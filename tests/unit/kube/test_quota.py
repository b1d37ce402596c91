"""Which quotas count a pod, and whether they suffice."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.quota import Addition, shortages

POD = {"containers": [{"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "1Gi"}}}]}
BARE = {"containers": [{}]}


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}


HIGH_PRIORITY = {
    "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
}


@pytest.mark.parametrize(
    ("hard", "used", "enough"),
    [
        ({"requests.cpu": "1"}, {"requests.cpu": "500m"}, True),
        ({"requests.cpu": "1"}, {"requests.cpu": "501m"}, False),
        ({"cpu": "400m"}, {}, False),
        ({"limits.cpu": "2"}, {}, True),
        ({"limits.cpu": "2"}, {"limits.cpu": "1"}, False),
        ({"requests.memory": "2Gi"}, {}, True),  # a request that is left out is the limit
        ({"requests.memory": "2047Mi"}, {}, False),
        ({"memory": "1Gi"}, {}, False),
        ({"limits.memory": "3G"}, {"limits.memory": "1G"}, False),
        ({"pods": "2"}, {"pods": "0"}, True),
        ({"count/pods": "2"}, {"count/pods": "1"}, False),
        ({"pods": "2"}, {"pods": "5"}, False),
        ({"services": "0"}, {}, True),
    ],
)
def test_two_more_pods(hard: dict[str, str], used: dict[str, str], enough: bool) -> None:
    assert (shortages([quota(hard, used)], [Addition(2, POD)]) == []) is enough


@pytest.mark.parametrize(
    ("scopes", "spec", "counts"),
    [
        ({"scopes": ["NotTerminating"]}, POD, True),
        ({"scopes": ["Terminating"]}, POD, False),
        ({"scopes": ["NotBestEffort"]}, POD, True),
        ({"scopes": ["BestEffort"]}, POD, False),
        ({"scopes": ["BestEffort"]}, BARE, True),
        ({"scopes": ["NotTerminating", "BestEffort"]}, POD, False),
        (HIGH_PRIORITY, POD, False),
        (HIGH_PRIORITY, {**POD, "priorityClassName": "high"}, True),
        ({"scopes": ["SomethingNew"]}, POD, False),
    ],
)
def test_scopes(scopes: dict[str, Any], spec: dict[str, Any], counts: bool) -> None:
    assert bool(shortages([quota({"pods": "0"}, **scopes)], [Addition(1, spec)])) is counts


def test_nothing_to_come_and_no_status_yet() -> None:
    fresh = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    assert shortages([fresh], [Addition(0, POD), Addition(-2, POD)]) == []
    assert shortages([fresh], [Addition(2, POD)]) == ["ResourceQuota q leaves 1 of 1 pods, and 2 more pods need 2."]


def test_every_resource_and_every_quota_is_named() -> None:
    found = shortages(
        [quota({"pods": "0", "limits.cpu": "0"}), quota({"pods": "1"}), quota({"pods": "0"})], [Addition(1, POD)]
    )
    assert len(found) == 3
