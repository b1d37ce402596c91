"""Restart, undo and scale against a real cluster, in a namespace of their own; see test_plugins.py for the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from plays import Player, fetch, kubectl

IMAGE = os.environ.get("PLUGIN_TEST_IMAGE", "localhost/embedded/helper:1")
NAMESPACE = os.environ.get("OPERATIONS_TEST_NAMESPACE", "operations-test")
LONGEST_WAIT = 300
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
FILE = "inventories/production/group_vars/all/app.yml"


def workload(kind: str, name: str, version: str = "1", replicas: int = 1, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"],
        "env": [{"name": "VERSION", "value": version}],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    fields: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    if kind != "DaemonSet":
        fields["replicas"] = replicas
    if kind == "StatefulSet":
        fields["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": fields}


def autoscaler(name: str, least: int, most: int) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"{name}-hpa"},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }


def settled(play: Player, *states: list[dict[str, Any]]) -> None:
    """Apply one state of a set after the other, and wait for each."""
    tasks: list[dict[str, Any]] = []
    for manifests in states:
        name = manifests[0]["metadata"]["name"]
        tasks += [{"apply": {"name": name, "manifests": manifests}}]
        tasks += [{"rollout": {"sets": [name], "timeout": LONGEST_WAIT}}]
    failed = [result["msg"] for result in play(*tasks).results if result.get("failed")]
    assert failed == []


def versions(kind: str, name: str, *numbers: str) -> list[list[dict[str, Any]]]:
    return [[workload(kind, name, number)] for number in numbers]


def version_of(kind: str, name: str) -> str:
    template = fetch(kind, name, "-n", NAMESPACE)["spec"]["template"]
    return str(template["spec"]["containers"][0]["env"][0]["value"])


def pods_of(name: str) -> set[str]:
    items = fetch("pods", "-n", NAMESPACE, "-l", f"app={name}")["items"]
    return {item["metadata"]["uid"] for item in items if not item["metadata"].get("deletionTimestamp")}


def diff_text(result: dict[str, Any]) -> str:
    return "\n".join(f"{item['before_header']}\n{item['before']}\n{item['after']}" for item in result["diff"])


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=150s")
    kubectl("create", "namespace", NAMESPACE)
    yield Player(tmp_path_factory.mktemp("plays"), NAMESPACE, os.environ["KUBECONFIG"])
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


class TestRestarted:
    def test_all_pods_are_new_and_nothing_else_is(self, play: Player) -> None:
        settled(play, [workload("Deployment", "restart", replicas=2), workload("StatefulSet", "restart-store")])
        before = pods_of("restart") | pods_of("restart-store")
        task = {"rollout": {"workloads": ["Deployment/restart", "StatefulSet/restart-store"], "state": "restarted"}}
        would = play(task, check=True).last
        assert (would["changed"], pods_of("restart") | pods_of("restart-store")) == (True, before)
        assert would["changes"] == ["Deployment restart would restart", "StatefulSet restart-store would restart"]
        done = play(task).last
        assert (done["changed"], done["msg"]) == (True, "2/2 ready")
        assert done["changes"] == ["Deployment restart restarts", "StatefulSet restart-store restarts"]
        assert RESTARTED_AT in diff_text(done)
        after = pods_of("restart") | pods_of("restart-store")
        assert (len(after), after & before) == (3, set())

    def test_the_next_apply_changes_nothing(self, play: Player) -> None:
        task = {"apply": {"name": "kept", "manifests": [workload("Deployment", "kept")]}}
        results = play(task, {"rollout": {"sets": ["kept"], "state": "restarted"}}, task).results
        assert [result["changed"] for result in results] == [True, True, False]
        assert RESTARTED_AT in str(fetch("deployment", "kept", "-n", NAMESPACE)["spec"]["template"])

    def test_paused(self, play: Player) -> None:
        settled(play, *versions("Deployment", "resting", "1"))
        kubectl("rollout", "pause", "deployment/resting", "-n", NAMESPACE)
        naming = {"workloads": ["Deployment/resting"]}
        for result in play(*({"rollout": {**naming, "state": state}} for state in ("restarted", "undone"))).results:
            assert result["msg"] == (
                f"Deployment resting is paused: run `kubectl rollout resume deployment/resting -n {NAMESPACE}`,"
                " then run this again."
            )


class TestUndone:
    @pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
    def test_back_and_forth(self, play: Player, kind: str) -> None:
        name = f"undo-{kind.lower()}"
        settled(play, *versions(kind, name, "1", "2"))
        task = {"rollout": {"workloads": [f"{kind}/{name}"], "state": "undone"}}
        would = play(task, check=True).last
        assert would["changes"] == [f"{kind} {name} would go back to revision 1"]
        assert "value: '2'" in diff_text(would)
        assert version_of(kind, name) == "2"
        done = play(task).last
        assert (done["changed"], done["changes"]) == (True, [f"{kind} {name} goes back to revision 1"])
        assert version_of(kind, name) == "1"
        play(task)
        assert version_of(kind, name) == "2"

    def test_by_number_and_again(self, play: Player) -> None:
        settled(play, *versions("Deployment", "numbered", "1", "2", "3"))
        naming = {"workloads": ["Deployment/numbered"], "state": "undone"}
        task = {"rollout": {**naming, "to_revision": 1}}
        first, second, missing = play(task, task, {"rollout": {**naming, "to_revision": 9}}).results
        assert (first["changed"], second["changed"]) == (True, False)
        assert second["changes"] == ["Deployment numbered is of revision 4 already"]
        assert version_of("Deployment", "numbered") == "1"
        assert missing["msg"] == (
            "Deployment numbered has no revision 9; there are: 2, 3, 4"
            f" (kubectl rollout history deployment/numbered -n {NAMESPACE})."
        )

    def test_as_kubectl_does(self, play: Player) -> None:
        for name in ("ours", "theirs"):
            old, new = versions("Deployment", name, "1", "2")
            new[0]["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
            settled(play, old, new)
        kubectl("rollout", "undo", "deployment/theirs", "-n", NAMESPACE)
        play({"rollout": {"workloads": ["Deployment/ours"], "state": "undone"}})
        ours, theirs = (fetch("deployment", name, "-n", NAMESPACE) for name in ("ours", "theirs"))
        assert ours["spec"]["template"] == yaml.safe_load(
            yaml.safe_dump(theirs["spec"]["template"]).replace("theirs", "ours")
        )
        assert ours["metadata"]["annotations"] == theirs["metadata"]["annotations"]

    def test_a_release_that_is_stuck_and_an_autoscaler_that_goes_on(self, play: Player) -> None:
        settled(play, [workload("Deployment", "stuck", replicas=2)])
        broken = workload("Deployment", "stuck", "2", replicas=2)
        broken["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 1"]
        play({"apply": {"name": "stuck", "manifests": [broken]}})
        kubectl("scale", "deployment/stuck", "-n", NAMESPACE, "--replicas=3")
        done = play({"rollout": {"workloads": ["Deployment/stuck"], "state": "undone", "timeout": LONGEST_WAIT}}).last
        assert not done.get("failed"), done
        assert fetch("deployment", "stuck", "-n", NAMESPACE)["status"]["readyReplicas"] == 3
        assert version_of("Deployment", "stuck") == "1"

    def test_the_next_apply_mends_it(self, play: Player) -> None:
        settled(play, *versions("Deployment", "drift", "1", "2"))
        undo = {"rollout": {"workloads": ["Deployment/drift"], "state": "undone"}}
        again = play(undo, {"apply": {"name": "drift", "manifests": [workload("Deployment", "drift", "2")]}}).last
        assert again["configured"] == 1
        assert version_of("Deployment", "drift") == "2"

    def test_nothing_is_changed_when_one_of_them_cannot(self, play: Player) -> None:
        settled(play, *versions("Deployment", "able", "1", "2"), *versions("Deployment", "new", "1"))
        names = ["Deployment/able", "Deployment/new"]
        result = play({"rollout": {"workloads": names, "state": "undone"}}).last
        assert result["msg"] == "Deployment new has no earlier revision to go back to."
        assert version_of("Deployment", "able") == "2"


UNCLEAR: list[tuple[dict[str, Any], str]] = [
    ({"workloads": ["Deployment/absent"]}, "Deployment absent is not in namespace"),
    ({"workloads": ["absent"]}, '"absent" names no workload: write Kind/name'),
    ({"workloads": ["Deployment/a"], "sets": ["a"]}, "mutually exclusive: sets|workloads"),
    ({}, "one of the following is required: sets, workloads"),
    ({"sets": ["a"], "state": "undone", "to_revision": 2}, "exactly one of workloads"),
    ({"workloads": ["Deployment/a"], "to_revision": 2}, "exactly one of workloads"),
    ({"workloads": ["Deployment/a"], "state": "undone", "to_revision": -1}, "There is no revision -1"),
    ({"workloads": ["Deployment/a"], "without": ["Deployment/b"]}, "Option without takes workloads out of sets"),
    ({"sets": ["absent"], "state": "restarted"}, "Nothing to do: none of these is a Deployment"),
]


def test_names_that_are_not_clear(play: Player) -> None:
    results = play(*({"rollout": options} for options, _words in UNCLEAR)).results
    for result, (_options, words) in zip(results, UNCLEAR, strict=True):
        assert result["failed"]
        assert words in result["msg"]


FRONT = workload("Deployment", "front", replicas=2)
del FRONT["spec"]["replicas"]
SCALED = [FRONT, autoscaler("front", 2, 4), workload("Deployment", "back")]


@pytest.fixture(scope="module")
def scaled(play: Player) -> Player:
    """A player beside `front`, which has an autoscaler of 2 to 4, and `back`, which has none and 1 pod."""
    settled(play, SCALED)
    return play


def scale(front: object = "", back: object = "", **options: Any) -> dict[str, Any]:
    variables = {"variable": "app_hpa_min_replicas", "maximum_variable": "app_hpa_max_replicas"}
    deployments = [
        {"name": "front", "replicas": front, "minimum": 2, "option": "api", **variables},
        {"name": "back", "replicas": back, "variable": "app_worker_replicas", "option": "worker"},
    ]
    order = {"deployments": deployments, "environment": "production", "file": FILE, "timeout": LONGEST_WAIT}
    return {"scale": {**order, **options}}


def numbers() -> tuple[int, int, int]:
    """Lower bound of the autoscaler, pods of `front`, pods of `back`."""
    front, back = (fetch("deployment", name, "-n", NAMESPACE) for name in ("front", "back"))
    bound = fetch("hpa", "front-hpa", "-n", NAMESPACE)["spec"]["minReplicas"]
    return bound, front["status"].get("readyReplicas", 0), back["status"].get("readyReplicas", 0)


class TestScale:
    def test_through_the_autoscaler_and_directly(self, scaled: Player) -> None:
        would = scaled(scale(3, "2"), check=True).last
        assert (would["changed"], numbers()[0]) == (True, 2)
        done, again = scaled(scale(3, "2"), scale(3, "2")).results
        assert done["msg"] == (
            "front: at least 3 pods (minReplicas of HorizontalPodAutoscaler front-hpa, before: 2);"
            " back: 2 pods (replicas of Deployment back, before: 1)"
        )
        assert done["msg"] == would["msg"]
        assert done["notes"][0] == (
            f"The next deploy brings front back to 2: to keep 3, put app_hpa_min_replicas: 3 into {FILE}."
        )
        assert "minReplicas: 3" in diff_text(done)
        assert numbers() == (3, 3, 2)
        assert (again["changed"], again["diff"]) == (False, [])

    def test_down_again(self, scaled: Player) -> None:
        done = scaled(scale(back=3), scale(back=1)).last
        assert (done["changed"], numbers()[2]) == (True, 1)
        assert done["workloads"] == [
            {"kind": "Deployment", "name": "back", "ready": True, "message": "1 of 1 available"}
        ]

    def test_refusals(self, scaled: Player) -> None:
        before = numbers()
        orders = [
            (scale(1), "1 is below the 2 pods that production keeps of front (app_hpa_min_replicas)"),
            (scale(1, confirm="staging"), "add -e confirm=production."),
            (scale(0, confirm="production"), "front cannot have 0 pods"),
            (scale(5), "HorizontalPodAutoscaler front-hpa allows 4 at most (maxReplicas); raise app_hpa_max_replicas"),
            (scale("many"), 'front cannot have "many" pods: give a whole number.'),
            (scale(), "Nothing to scale: no number of pods was given (-e api=N or -e worker=N)."),
            (
                {"scale": {"deployments": [{"name": "nobody", "replicas": 2}]}},
                f"Deployment nobody is not in namespace {NAMESPACE}: deploy it first",
            ),
        ]
        results = scaled(*(order for order, _words in orders)).results
        for result, (_order, words) in zip(results, orders, strict=True):
            assert result["failed"]
            assert words in result["msg"]
        assert numbers() == before

    def test_below_the_inventory_with_confirmation(self, scaled: Player) -> None:
        done = scaled(scale(1, confirm="production")).last
        assert (done["scaled"][0]["after"], numbers()[0]) == (1, 1)

    def test_beyond_the_quota(self, scaled: Player) -> None:
        used = len(fetch("pods", "-n", NAMESPACE)["items"])
        kubectl("create", "quota", "tight", f"--hard=pods={used + 2}", "-n", NAMESPACE)
        try:
            kubectl("wait", "quota/tight", "-n", NAMESPACE, "--for=jsonpath={.status.hard.pods}", "--timeout=60s")
            result = scaled(scale(back=30)).last
        finally:
            kubectl("delete", "quota", "tight", "-n", NAMESPACE)
        assert re.fullmatch(r"ResourceQuota tight leaves \d+ of \d+ pods, and 29 more pods need 29\.", result["msg"])
        assert numbers()[2] == 1

    def test_the_next_apply_mends_it(self, scaled: Player) -> None:
        again = scaled(scale(4, 2), {"apply": {"name": "front", "manifests": SCALED}}).last
        changed = {item["name"]: item["action"] for item in again["objects"]}
        assert changed == {"front": "unchanged", "front-hpa": "configured", "back": "configured"}
        assert numbers()[0] == 2

    def test_from_nothing(self, scaled: Player) -> None:
        """An autoscaler leaves a Deployment of no pods alone."""
        kubectl("scale", "deployment/front", "-n", NAMESPACE, "--replicas=0")
        done = scaled(scale(3)).last
        assert [item["kind"] for item in done["scaled"]] == ["HorizontalPodAutoscaler", "Deployment"]
        assert numbers()[:2] == (3, 3)
