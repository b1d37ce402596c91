"""What Prometheus sees of an environment in use: every target, metric and panel; what it costs; and how settings reach it."""

from __future__ import annotations

import json
import math
import os
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import login
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.client import Prometheus, ServiceProxy

from .conftest import HTTP, NAMESPACE, ROOT, Playbook, Run, wait_until
from .load import Load

sys.path.insert(0, str(ROOT / "scripts"))
from dashboards import catalogue

SETTINGS = yaml.safe_load((ROOT / "roles/monitoring/vars/main.yml").read_text(encoding="utf-8"))
# Of the development inventory, which has no Loki and so collects no logs.
LEFT_OUT = {"loki", "log-collector"}
RULES = ("configmap", "prometheus-rules")
NAMES = "{.items[*].metadata.name}"
NAMESPACES = (NAMESPACE, f"{NAMESPACE}-nodes")
PARTS = (
    "alertmanager-0",
    "blackbox-exporter-",
    "kube-state-metrics-",
    "node-exporter-",
    "pgbouncer-exporter-",
    "postgres-exporter-",
    "prometheus-0",
    "redis-exporter-",
)
# Idle, without Grafana.
MOST_MEMORY_BYTES, MOST_CPUS = 600e6, 0.15

Kubectl = Callable[..., str]


def settings(**given: Any) -> list[str]:
    return ["--tags", "monitoring", "-e", json.dumps(given)]


# One is in the rules, the other in the configuration.
CHANGED = settings(monitoring_thresholds={"jobs_queued": 123}, monitoring_sample_limit=9876)


@pytest.fixture(scope="module")
def door(environment: Run) -> ServiceProxy:
    def connect() -> Client:
        return Client(login({"kubeconfig": os.environ["KUBECONFIG"]}))

    return ServiceProxy(connect, NAMESPACE, "prometheus:9090")


@pytest.fixture(scope="module")
def prometheus(door: ServiceProxy) -> Prometheus:
    return Prometheus(door)


@pytest.fixture(scope="module")
def status(door: ServiceProxy) -> Callable[[str], str]:
    """What Prometheus says of itself: C(rules), C(status/config)."""
    return lambda path: str(json.loads(door.get(f"/api/v1/{path}")[1]))


def call(method: str, path: str, body: dict[str, Any], token: str) -> Any:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"{HTTP}/api/v1/{path}", json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def use_everything() -> None:
    """Once each of what the guide counts (4.2, 4.4)."""
    user = call("POST", "registrations", {"phone": f"+monitoring-{uuid.uuid4()}", "name": "Monitoring"}, "")
    for kind in ("credit", "debit"):
        call("POST", "transactions", {"kind": kind, "amount_ngn": 1000}, user["token"])
    gig = call("POST", "gigs", {"title": "Watch", "price_ngn": 500}, user["token"])
    call("POST", f"gigs/{gig['id']}/completion", {}, user["token"])
    for path in ("savings", "loans"):
        call("POST", path, {"amount_ngn": 1000}, user["token"])


@pytest.fixture(scope="module")
def used(environment: Run, playbook: Playbook, kubectl: Kubectl) -> Iterator[None]:
    """Every part of the application was used and is in use; there is a backup of each kind, and one was restored."""
    # No schedule need have been due since the deploy, and only a job of its own counts for a CronJob.
    kubectl("create", "job", "--from=cronjob/redis-backup", "monitoring-redis-backup")
    for name, *options in (("backup", "-e", "what=all"), ("verify_backups",)):
        run = playbook(name, *options)
        assert run.code == 0, run.output
    # Two scrapes see a counter grow when it is used between them.
    with Load(HTTP, rate=2, max_seconds=600):
        use_everything()
        yield


def test_every_target_is_up(prometheus: Prometheus) -> None:
    wanted = set(SETTINGS["__monitoring_all_jobs"]) - LEFT_OUT
    wait_until(lambda: set(prometheus.labels("up == 1", "job")) == wanted, 90, f"targets of {sorted(wanted)}")
    wait_until(lambda: not prometheus.labels("up == 0", "instance"), 90, "no target that is down")


def test_every_metric_of_the_guide_has_data_under_its_name(used: None, prometheus: Prometheus) -> None:
    missing = [each["metric"] for each in SETTINGS["__monitoring_guide_metrics"]]

    def all_there() -> bool:
        # A histogram has no series of its very name.
        missing[:] = [name for name in missing if not prometheus.numbers(f'{{__name__=~"{name}(_bucket)?"}}')]
        return not missing

    wait_until(all_there, 60, f"data of {missing}")


def test_every_panel_has_data_or_says_why_not(used: None, prometheus: Prometheus, kubectl: Kubectl) -> None:
    queries = list(catalogue.queries(namespace=NAMESPACE))
    metrics = [query for query in queries if query.language == "promql"]
    assert not kubectl("get", "service", "loki", "--ignore-not-found"), "with Loki the panels of logs have to be asked"
    assert all(query.sparse for query in queries if query.language == "logql")
    empty = [query for query in metrics if not query.sparse]
    assert len(empty) > 100

    def all_answer() -> bool:
        use_everything()
        empty[:] = [query for query in empty if not has_data(prometheus, query.expression)]
        return not empty

    try:
        # The bucket is read each minute.
        wait_until(all_answer, 150, "data for every panel")
    except TimeoutError:
        pytest.fail(f"no data: {[(each.dashboard, each.panel, each.reference, each.expression) for each in empty]}")
    wrong = [query for query in metrics if query.sparse and has_data(prometheus, query.expression)]
    assert not wrong, "these have data, and say that they cannot"


def has_data(prometheus: Prometheus, expression: str) -> bool:
    return not all(math.isnan(number) for number in prometheus.numbers(expression))


def test_the_dashboards_find_the_namespace(prometheus: Prometheus) -> None:
    """The query behind their variable."""
    assert set(prometheus.labels('up{job="redis"}', "namespace")) == {NAMESPACE}


def test_the_stack_is_small(prometheus: Prometheus, kubectl: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    found = [kubectl("get", "pods", "--output", f"jsonpath={NAMES}", namespace=each) for each in NAMESPACES]
    names = [name for name in " ".join(found).split() if name.startswith(PARTS)]
    assert len(names) == len(PARTS), names
    pods = f'namespace=~"{"|".join(NAMESPACES)}", pod=~"{"|".join(names)}", container!=""'
    memory = sum(prometheus.numbers(f"container_memory_working_set_bytes{{{pods}}}"))
    cpus = sum(prometheus.numbers(f"rate(container_cpu_usage_seconds_total{{{pods}}}[3m])"))
    samples = sum(prometheus.numbers("rate(prometheus_tsdb_head_samples_appended_total[3m])"))
    with capsys.disabled():
        sys.stdout.write(f"\nmonitoring: {memory / 1e6:.0f} MB, {cpus:.3f} CPUs, {samples:.0f} samples/s\n")
    assert 0 < memory < MOST_MEMORY_BYTES
    assert 0 < cpus < MOST_CPUS


@pytest.fixture
def version(kubectl: Kubectl) -> Callable[..., str]:
    return lambda *what: kubectl("get", *what, "--output", "jsonpath={.metadata.resourceVersion}")


def test_check_mode_shows_a_changed_setting_and_changes_nothing(
    environment: Run, playbook: Playbook, version: Callable[..., str]
) -> None:
    before = version(*RULES)
    run = playbook("deploy", *CHANGED, "--check", "--diff")
    assert run.code == 0, run.output
    added = [line[1:].strip() for line in run.output.splitlines() if line.startswith("+")]
    assert any("> 123" in line for line in added)
    assert "sample_limit: 9876" in added
    assert version(*RULES) == before


@pytest.mark.drill
def test_changed_settings_are_taken_without_a_restart(
    environment: Run, playbook: Playbook, kubectl: Kubectl, prometheus: Prometheus, status: Callable[[str], str]
) -> None:
    running = "jsonpath={.items[*].status.containerStatuses[*].containerID}"

    def containers() -> str:
        return kubectl("get", "pods", "--selector", "app in (prometheus, alertmanager)", "--output", running)

    def taken() -> tuple[bool, bool]:
        return "> 123" in status("rules"), "sample_limit: 9876" in status("status/config")

    before = containers()
    run = playbook("deploy", *CHANGED)
    assert run.code == 0, run.output
    wait_until(lambda: taken() == (True, True), 120, "the changed settings in Prometheus")
    run = playbook("deploy", "--tags", "monitoring")
    assert run.code == 0, run.output
    wait_until(lambda: taken() == (False, False), 120, "the settings of the inventory in Prometheus")
    assert containers() == before
    assert prometheus.numbers("prometheus_config_last_reload_successful") == [1]


def test_a_broken_rule_ends_the_run_and_reaches_nobody(
    environment: Run, playbook: Playbook, version: Callable[..., str], status: Callable[[str], str]
) -> None:
    before = version(*RULES)
    run = playbook("deploy", *settings(monitoring_thresholds={"jobs_queued": "100 and )"}))
    assert run.code != 0
    assert '"JobsQueueGrowing": could not parse expression' in run.failure
    assert "unexpected right parenthesis" in run.failure
    assert version(*RULES) == before
    assert "100 and )" not in status("rules")
    assert playbook("deploy", "--tags", "monitoring").code == 0
    run = playbook("deploy", "--tags", "monitoring")
    assert (run.code, run.changed) == (0, 0), run.output
