"""Which revision is chosen and what would be changed, over objects as the API server gives them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.revisions import (
    choose,
    history,
    is_current,
    restart_change,
    undo_fields,
)

CASES = yaml.safe_load((Path(__file__).parent / "fixtures" / "revisions.yml").read_text())
NOW = datetime(2026, 11, 25, 10, 30, 5, 999, UTC)


def case_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(case for case in CASES if case["case"] == name)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_undo(case: dict[str, Any]) -> None:
    workload = case["workload"]
    revisions = history(workload, case["made"])
    if "refusal" in case:
        with pytest.raises(KubeError) as refused:
            choose(workload, revisions, case.get("to", 0))
        assert str(refused.value) == case["refusal"]
        return
    chosen = choose(workload, revisions, case.get("to", 0))
    assert chosen.number == case["revision"]
    assert is_current(workload, chosen) == case.get("current", False)
    if "image" in case:
        fields = undo_fields(workload, chosen)
        assert fields["/spec/template"]["spec"]["containers"][0]["image"] == case["image"]
        assert fields.keys() <= {"/spec/template", "/metadata/annotations"}, "replicas may be an autoscaler's"
        assert "pod-template-hash" not in json.dumps(fields)
        assert "$patch" not in json.dumps(fields)


def test_what_the_later_template_added_is_gone() -> None:
    case = case_of("the one before the present one")
    fields = undo_fields(case["workload"], choose(case["workload"], history(case["workload"], case["made"])))
    assert fields["/spec/template"]["metadata"] == {"labels": {"app": "web"}}


def test_annotations_of_the_deployment_stay_and_those_of_the_revision_come_back() -> None:
    case = case_of("the one before the present one")
    fields = undo_fields(case["workload"], choose(case["workload"], history(case["workload"], case["made"])))
    assert fields["/metadata/annotations"] == {
        "deployment.kubernetes.io/revision": "3",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "kubernetes.io/change-cause": "version 2",
    }


def test_restart_touches_one_annotation() -> None:
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-25T10:30:05Z"}
    change = restart_change(case_of("a StatefulSet")["workload"], NOW)
    assert change == {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def test_a_paused_deployment_is_not_restarted() -> None:
    with pytest.raises(KubeError, match=r"^Deployment web is paused: run `kubectl rollout resume"):
        restart_change(case_of("paused")["workload"], NOW)
