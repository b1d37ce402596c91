"""The gate against a real Prometheus that scrapes the reference application, with the queries of role app."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from application import Application, Running, request
from metrics_server import ApiServerDouble, PrometheusServer
from plays import ROOT, Played, Player
from servers import Postgres, Redis, wait_for

GATES: dict[str, Any] = yaml.safe_load((ROOT / "roles/app/vars/main/gates.yml").read_text(encoding="utf-8"))
# All run side by side, as pods hustlex-api-VERSION-x2x4z.
FAULTS: dict[str, dict[str, str]] = {
    "good": {},
    "failing": {"FAULT_ERROR_RATIO": "0.5"},
    "slow": {"FAULT_SLOW_SECONDS": "3"},
    "idle": {},
}
CLIENTS = {"good": 1, "failing": 1, "slow": 12, "idle": 0}
# Machines that are busy with other things take their time.
LONGEST_WAIT = 60


def rendered(value: Any, variables: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: rendered(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [rendered(each, variables) for each in value]
    while isinstance(value, str) and "{{" in value:
        value = (
            jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(value).render(variables)
        )
    return value


def gate(version: str, **changes: Any) -> dict[str, Any]:
    """Arguments as role app gives them for the pods of a version."""
    variables = {
        **GATES,
        "__app_new_pods": f"hustlex-api-{version}-.*",
        "hustlex_namespace": "hustlex",
        "app_watch_seconds": 10,
        "app_watch_error_ratio": 0.01,
        "app_watch_latency_seconds": 2,
        "app_watch_increase": 4,
    }
    arguments = {
        "queries": rendered(GATES["__app_gates"], variables),
        "requests_query": rendered(GATES["__app_gate_requests_query"], variables),
        "minimum_requests": 20,
        "interval": 1,
    }
    if "since" not in changes:
        for query in arguments["queries"]:
            del query["max_increase"]
    return {**arguments, **changes}


@dataclass
class Versions:
    running: dict[str, Running]
    stop: threading.Event = field(default_factory=threading.Event)

    def load(self, version: str) -> None:
        """Constant requests until the end."""
        for _number in range(CLIENTS[version]):
            threading.Thread(target=self._send, args=(self.running[version].port,), daemon=True).start()

    def _send(self, port: int) -> None:
        while not self.stop.wait(0.05):
            with contextlib.suppress(OSError, HTTPException):
                request(port, "GET", "/api/v1/gigs")


@pytest.fixture(scope="module")
def versions(postgres: Postgres, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    postgres.make_database("promql")
    application = Application(postgres, redis, "promql", tmp_path_factory.mktemp("versions"))
    assert application.migrate("up").returncode == 0
    with contextlib.ExitStack() as stack:
        started = Versions({name: stack.enter_context(application.started(**FAULTS[name])) for name in FAULTS})
        stack.callback(started.stop.set)
        started.load("good")
        started.load("slow")
        yield started


@pytest.fixture(scope="module")
def prometheus(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    targets = {
        api.port: {"namespace": "hustlex", "pod": f"hustlex-api-{name}-x2x4z"} for name, api in versions.running.items()
    }
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), targets)
    try:
        for name in ("good", "slow"):
            query = gate(name)["requests_query"]
            wait_for(lambda query=query: max(numbers(server, query), default=0) > 30, LONGEST_WAIT, f"requests: {name}")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory, prometheus: PrometheusServer) -> Iterator[Player]:
    """A player to which the API server of the cluster leads to Prometheus."""
    api_server = ApiServerDouble(prometheus.url)
    yield Player(tmp_path_factory.mktemp("plays"), "hustlex", api_server.kubeconfig)  # type: ignore[arg-type]
    api_server.close()


def numbers(prometheus: PrometheusServer, query: str) -> list[float]:
    """As Prometheus says it, without the module."""
    url = f"{prometheus.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    found = yaml.safe_load(urllib.request.urlopen(url, timeout=5).read())["data"]["result"]
    return [float(series["value"][1]) for series in found]


def values(played: Played) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in played.last["values"]}


def test_a_good_version_passes_by_either_way(play: Player, prometheus: PrometheusServer) -> None:
    played = play(
        {"promql": gate("good", service="prometheus:9090")},
        {"promql": gate("good", url=prometheus.url, seconds=3)},
    )
    for result in played.results:
        assert not result.get("failed")
        assert result["outcome"] == "passed"
        assert result["reason"].startswith("Within the limits: errors 0 % (at most 1 %), p95 ")
        assert result["requests"] > 30
    assert 2 <= played.last["looks"] <= 4
    assert played.last["seconds"] >= 3
    assert "     0 s of 3 s  errors 0 % (at most 1 %), p95 " in played.output


def test_a_slow_version_fails(play: Player, prometheus: PrometheusServer) -> None:
    played = play({"promql": gate("slow", url=prometheus.url, seconds=10)})
    assert played.last["failed"]
    assert played.last["reason"].startswith("Too high at 2 looks in a row: p95 ")
    assert values(played)["p95"]["last"] > 2.5
    assert played.last["looks"] == 2
    assert values(played)["errors"]["worst"] == 0


def test_no_request_is_no_verdict(play: Player, prometheus: PrometheusServer) -> None:
    wait_for(
        lambda: numbers(prometheus, gate("idle")["requests_query"]) == [0], LONGEST_WAIT, "the idle version is scraped"
    )
    arguments = gate("idle", url=prometheus.url)
    lenient, strict, uncounted, unknown = play(
        {"promql": arguments},
        {"promql": {**arguments, "fail_on_inconclusive": True}},
        {"promql": {**arguments, "minimum_requests": 0}},
        {"promql": gate("of-nobody", url=prometheus.url)},
    ).results
    reason = "No verdict: 0 requests came, and 20 are needed."
    assert (lenient["outcome"], lenient["reason"], lenient.get("failed", False)) == ("inconclusive", reason, False)
    assert lenient["warnings"] == [reason]
    assert (strict["outcome"], strict["msg"], strict["failed"]) == ("inconclusive", reason, True)
    assert uncounted["outcome"] == "inconclusive"
    assert unknown["outcome"] == "inconclusive"
    assert "is the application scraped?" in unknown["reason"]


def test_what_can_never_be_asked_fails_at_once(play: Player, prometheus: PrometheusServer, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    bad = {"queries": [{"name": "errors", "query": "sum(rate(x)", "max": 1}], "seconds": 60}
    direct, through, several, nowhere, unlimited, token = play(
        {"promql": {**bad, "url": prometheus.url}},
        {"promql": {**bad, "service": "prometheus:9090"}},
        {"promql": {**bad, "url": prometheus.url, "queries": [{"name": "errors", "query": "up[5m]", "max": 1}]}},
        {"promql": gate("good")},
        {"promql": gate("good", url=prometheus.url, queries=[{"name": "errors", "query": "up"}])},
        {"promql": gate("good", url=prometheus.url, bearer_token_file=absent)},
    ).results
    sentence = 'Prometheus refuses the query of errors: invalid parameter "query": '
    for result in (direct, through):
        assert result["failed"]
        assert result["msg"].startswith(sentence)
        assert result["msg"].endswith("parse error: unclosed left parenthesis.")
    assert several["msg"] == "Prometheus refuses the query of errors: it gives a matrix, and a gate compares numbers."
    assert nowhere["msg"] == "Give either url or service: where Prometheus is."
    assert unlimited["msg"] == "Query errors has no limit: give it max or max_increase."
    assert token["msg"] == f"bearer_token_file {absent} cannot be read: No such file or directory."


def test_what_the_api_server_does_not_have(play: Player) -> None:
    lease = {"name": "hustlex-operation", "holder": "nobody", "seconds": 60}
    no_service, no_lease = play(
        {"promql": gate("good", service="elsewhere:9090", fail_on_inconclusive=True)},
        {"promql": gate("good", service="prometheus:9090", lease=lease)},
    ).results
    assert (no_service["failed"], no_service["outcome"]) == (True, "inconclusive")
    assert 'gives no answer (404): services "prometheus" not found.' in no_service["msg"]
    assert no_lease["msg"] == "The lock of this environment was lost: run it again."


def test_check_mode_looks_once_and_never_fails(play: Player, prometheus: PrometheusServer) -> None:
    bad = [{"name": "errors", "query": "sum(", "max": 1}]
    slow, refused, unreachable = play(
        {"promql": gate("slow", url=prometheus.url, seconds=60)},
        {"promql": gate("slow", url=prometheus.url, queries=bad)},
        {"promql": gate("slow", url="http://127.0.0.1:9", fail_on_inconclusive=True)},
        check=True,
    ).results
    assert [each["outcome"] for each in (slow, refused, unreachable)] == ["failed", "inconclusive", "inconclusive"]
    assert not any(each.get("failed") for each in (slow, refused, unreachable))
    assert slow["looks"] == 1
    assert "parse error" in refused["reason"]
    assert "http://127.0.0.1:9 cannot be reached (connection refused)" in unreachable["reason"]


def test_a_prometheus_that_stops_in_the_middle_is_no_verdict(play: Player, prometheus: PrometheusServer) -> None:
    asked = prometheus.queries()

    def stop() -> None:
        wait_for(lambda: prometheus.queries() > asked, LONGEST_WAIT, "the first look")
        time.sleep(1.5)
        prometheus.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        played = play({"promql": gate("good", url=prometheus.url, seconds=5)})
    finally:
        stopper.join()
        prometheus.start()
    result = played.last
    assert (result["outcome"], result.get("failed", False)) == ("inconclusive", False)
    assert f"Prometheus at {prometheus.url} cannot be reached (connection refused)" in result["reason"]
    errors = values(played)["errors"]
    assert (errors["last"], errors["worst"]) == (None, 0)
    assert "errors 0 % (at most 1 %)" in played.output
    assert result["looks"] >= 2


def test_errors_of_a_new_version_fail_after_good_answers_of_the_old(
    play: Player, prometheus: PrometheusServer, versions: Versions
) -> None:
    since = datetime.now(UTC).isoformat()
    versions.load("failing")
    arguments = gate("failing", url=prometheus.url, since=since, seconds=LONGEST_WAIT)
    played = play({"promql": arguments})
    result = played.last
    assert result["failed"]
    assert result["outcome"] == "failed"
    assert result["msg"] == result["reason"]
    assert result["reason"].startswith("Too high at 2 looks in a row: errors ")
    assert "(at most 0.4 %; 0 % before)" in result["reason"]
    errors = values(played)["errors"]
    assert errors["before"] == 0
    assert 0.2 < errors["last"] <= errors["worst"]
    assert result["seconds"] < LONGEST_WAIT
