"""What role monitoring applies: arguments, probes, and what is left out where nothing needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.action.cluster_check import ActionModule

from .monitoring_role import ELSEWHERE, GIVEN, ROLE, manifests, own, value

ROOT = ROLE.parents[1]
EVERYTHING = manifests()
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
CONTAINERS = [
    pytest.param(container, id=container["name"])
    for (kind, _name), item in EVERYTHING.items()
    if kind in WORKLOADS
    for container in item["spec"]["template"]["spec"]["containers"]
]


def container(kind: str, name: str) -> dict[str, Any]:
    (found,) = EVERYTHING[kind, name]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("StatefulSet", "prometheus", {"--config.file", "--storage.tsdb.path"}),
        ("StatefulSet", "alertmanager", {"--config.file", "--storage.path"}),
        ("StatefulSet", "loki", {"-config.file"}),
        ("Deployment", "blackbox-exporter", {"--config.file"}),
        ("DaemonSet", "log-collector", {"--config"}),
        ("DaemonSet", "node-exporter", {"--no-collector.textfile", "--path.procfs", "--path.sysfs", "--path.rootfs"}),
    ],
)
def test_no_place_is_left_to_what_a_package_or_an_image_chose(kind: str, name: str, said: set[str]) -> None:
    assert said <= {argument.partition("=")[0] for argument in container(kind, name)["args"]}


@pytest.mark.parametrize("found", CONTAINERS)
def test_probes_are_seldom_but_while_it_starts(found: dict[str, Any]) -> None:
    periods = {name: probe["periodSeconds"] for name, probe in found.items() if name.endswith("Probe")}
    assert periods == {"startupProbe": 1, "readinessProbe": 5, "livenessProbe": 30}


@pytest.mark.parametrize(
    ("given", "absent"),
    [(ELSEWHERE, {"loki"}), ({"monitoring_loki": False}, {"loki", "log-collector"})],
    ids=["elsewhere", "nowhere"],
)
def test_what_is_left_out_leaves_nothing_behind(given: dict[str, Any], absent: set[str]) -> None:
    def of(parts: set[str], names: set[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(kind, name) for kind, name in names if any(name.startswith(part) for part in parts)}

    there = set(manifests(**given))
    everything = {(kind, name.replace("grafana-dashboard-logs", "loki")) for kind, name in EVERYTHING}
    assert of(absent, everything)
    assert of(absent, there) == set()
    assert ("ConfigMap", "grafana-dashboard-logs") not in there
    assert {each for each in everything - there if not each[1].startswith("monitoring-c")} == of(absent, everything)


def test_rules_of_one_s_own_are_judged_mounted_and_for_the_operator() -> None:
    group = {"name": "own", "rules": [{"alert": "Own", "expr": "up == 0", "annotations": {"summary": "{{ $value }}"}}]}

    def made(template: str) -> list[dict[str, Any]]:
        lookup = f"lookup('ansible.builtin.template', '{template}')"
        text = value(lookup, monitoring_operator=True, monitoring_extra_rules=[group])
        return [item for item in yaml.safe_load_all(str(text)) if item]

    rules = {
        item["metadata"]["name"]: item["spec"] for item in made("operator.yaml.j2") if item["kind"] == "PrometheusRule"
    }
    assert rules["extra"] == {"groups": [group]}
    checked, applied = made("check/check.yaml.j2"), made("prometheus.yaml.j2")
    for items in (checked, applied):
        (text,) = (item["data"]["extra.yml"] for item in items if "extra.yml" in item.get("data", {}))
        assert yaml.safe_load(text) == {"groups": [group]}
    (workload,) = (item for item in applied if item["kind"] == "StatefulSet")
    assert "{'key': 'extra.yml', 'path': 'rules/extra.yml'}" in str(workload["spec"]["template"]["spec"]["volumes"])


def test_collectors_reach_who_takes_the_logs_and_nobody_else() -> None:
    def reached(**given: Any) -> dict[str, Any]:
        rules = manifests(**given)["NetworkPolicy", "log-collector"]["spec"]["egress"]
        (logs,) = (rule for rule in rules if {"protocol": "UDP", "port": 53} not in rule["ports"])
        return dict(logs)

    own, elsewhere = reached(), reached(**ELSEWHERE)
    assert own["to"][0]["podSelector"] == {"matchLabels": {"app": "loki"}}
    assert own["ports"] == [{"protocol": "TCP", "port": 3100}]
    assert elsewhere["to"] == [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"hustlex.app/receives-logs": "true"}}}
    ]
    assert elsewhere["ports"] == [{"protocol": "TCP", "port": 4318}]


@pytest.mark.parametrize("given", [{}, ELSEWHERE, {"monitoring_loki": False}], ids=["own", "elsewhere", "nowhere"])
def test_what_runs_is_judged_before(given: dict[str, Any]) -> None:
    found = manifests(**given)
    ((_kind, name),) = (each for each in found if each[0] == "Job")
    spec = found["Job", name]["spec"]["template"]["spec"]
    judged = {each["name"] for each in [*spec["initContainers"], *spec["containers"]]}
    running = {name for kind, name in found if kind in WORKLOADS}
    assert judged == {"prometheus", "rules", "alertmanager", "blackbox-exporter"} | (
        {"loki", "log-collector"} & running
    )


def test_every_pod_is_looked_at_before_anything_is_applied() -> None:
    # The check sets those that lookups go by for itself.
    variables = own() | {name: given for name, given in GIVEN.items() if name.startswith("hustlex_")}
    task = SimpleNamespace(args={}, check_mode=False, async_val=0)
    check = ActionModule(task, None, None, DataLoader(), Templar(loader=DataLoader(), variables=variables), None)
    sized = {(item["kind"], item["metadata"]["name"]) for item in check._workloads("monitoring", variables)}
    assert {each for each in EVERYTHING if each[0] in WORKLOADS} <= sized


def test_each_run_makes_the_same() -> None:
    """Another order would be a change, and a restart, of what nobody changed: no filter may have one of its own."""
    script = "\n".join(
        [
            "import json, sys",
            f"sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests/unit/roles')!r}]",
            "import tests.conftest",
            "from monitoring_role import manifests",
            "made = manifests(monitoring_operator=True)",
            "print(json.dumps({f'{kind} {name}': item for (kind, name), item in made.items() if kind != 'Secret'}))",
        ]
    )

    def made(seed: str) -> dict[str, Any]:
        environ = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    first, second = made("1"), made("2")
    assert [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)] == []
