"""Alerts arrive where they should, with their command, and what they are about is over when they say so."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.login import login
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.client import Prometheus, ServiceProxy
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import UnavailableError

from .conftest import HTTP, NAMESPACE, ROOT, Playbook, Run, wait_until
from .load import Load

log = logging.getLogger(__name__)
RECEIVER = "alert-receiver"
IMAGE = "localhost/hustlex/backup:1"
KEY = "0123456789abcdef0123456789abcdef"
WEBHOOK = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
COMMAND = "ansible-playbook playbooks/{}.yml -i inventories/development"
SCRAPE_SECONDS = 15
# A week of two minutes: with a whole one it could not be waited for. `for` and the ratios stay as they are, but for that of the business.
SHORT_WEEK: dict[str, Any] = {
    "business_window": "1m",
    "business_period_seconds": 120,
    "business_for": "15s",
    "registrations_floor": 3,
}
# So much more of the disk, as a share, is taken than there was at the beginning.
MORE_DISK = 0.02

Kubectl = Callable[..., str]


def run_python(script: str, *arguments: str) -> dict[str, Any]:
    """A container that the namespace's rules let in."""
    return {
        "name": "main",
        "image": IMAGE,
        "command": ["python3", script, *arguments],
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def pod(labels: dict[str, str], container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    identity = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    settings = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "securityContext": identity}
    return {"metadata": {"labels": labels}, "spec": {**settings, "containers": [container], **spec}}


def receiver_manifests() -> list[dict[str, Any]]:
    labels = {"app": RECEIVER, "hustlex.app/receives-alerts": "true"}
    container = run_python("/scripts/alert_receiver.py", "8000") | {
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/received", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    template = pod(labels, container, volumes=[{"name": "scripts", "configMap": {"name": RECEIVER}}])
    selector = {"matchLabels": {"app": RECEIVER}}
    script = (ROOT / "tests/alert_receiver.py").read_text(encoding="utf-8")
    kinds: dict[tuple[str, str], dict[str, Any]] = {
        ("v1", "ConfigMap"): {"data": {"alert_receiver.py": script}},
        ("v1", "Service"): {"spec": {"selector": {"app": RECEIVER}, "ports": [{"port": 8000}]}},
        ("networking.k8s.io/v1", "NetworkPolicy"): {
            "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8000}]}]}
        },
        ("apps/v1", "Deployment"): {"spec": {"selector": selector, "template": template}},
    }
    return [
        {"apiVersion": version, "kind": kind, "metadata": {"name": RECEIVER}, **content}
        for (version, kind), content in kinds.items()
    ]


@dataclass(frozen=True)
class Notification:
    """One that arrived, in the terms of both receivers."""

    at: float
    receiver: str
    alert: str
    resolved: bool
    text: str

    @classmethod
    def of(cls, each: dict[str, Any]) -> Notification:
        body = each["body"]
        assert not each["refused"], each
        if each["receiver"] == "pagerduty":
            payload = body["payload"]
            text = "\n".join([payload["summary"], *map(str, payload["custom_details"].values())])
            return cls(each["at"], "pagerduty", payload["class"], body["event_action"] == "resolve", text)
        (attachment,) = body["attachments"]
        text = f"{attachment['title']}\n{attachment['text']}"
        return cls(each["at"], "slack", attachment["fallback"], attachment["color"] == "good", text)


@dataclass(frozen=True)
class Place:
    """Who asks and tells for these tests."""

    kubectl: Kubectl
    playbook: Playbook
    alertmanager: ServiceProxy

    def apply(self, manifest: dict[str, Any], folder: Path) -> None:
        path = folder / f"{uuid.uuid4()}.json"
        path.write_text(json.dumps(manifest))
        self.kubectl("apply", "--filename", str(path))

    def raw(self, service: str, path: str) -> Any:
        return json.loads(
            self.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/services/{service}/proxy{path}")
        )

    def received(self, since: float) -> list[Notification]:
        return [Notification.of(each) for each in self.raw(f"{RECEIVER}:8000", "/received") if each["at"] >= since]

    def arrives(
        self, alert: str, since: float, seconds: float, *, resolved: bool = False, by: str = ""
    ) -> Notification:
        """The first of these, and how late it was is printed."""

        def found() -> Notification | None:
            return next(
                (
                    each
                    for each in self.received(since)
                    if (each.alert, each.resolved) == (alert, resolved) and by in ("", each.receiver)
                ),
                None,
            )

        given: Notification = wait_until(found, seconds, f"{alert} {'resolved' if resolved else 'told'} {by}")
        log.info(
            "%s %s to %s after %.0f s", alert, "resolved" if resolved else "told", given.receiver, given.at - since
        )
        return given

    def deploy(self, *arguments: str, **variables: Any) -> Run:
        return self.playbook("deploy", *arguments, "-e", json.dumps(variables))

    def scale(self, replicas: int, *names: str) -> None:
        self.kubectl("scale", *names, f"--replicas={replicas}")


def connect() -> Client:
    return Client(login({"kubeconfig": os.environ["KUBECONFIG"]}))


@pytest.fixture(scope="module")
def door(environment: Run) -> ServiceProxy:
    return ServiceProxy(connect, NAMESPACE, "prometheus:9090")


@pytest.fixture(scope="module")
def prometheus(door: ServiceProxy) -> Prometheus:
    return Prometheus(door)


@pytest.fixture(scope="module")
def place(
    environment: Run,
    playbook: Playbook,
    kubectl: Kubectl,
    prometheus: Prometheus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """With a receiver, to which Alertmanager is led by the role's own variables."""
    found = Place(kubectl, playbook, ServiceProxy(connect, NAMESPACE, "alertmanager:9093", what="Alertmanager"))
    folder = tmp_path_factory.mktemp("receiver")
    for manifest in receiver_manifests():
        found.apply(manifest, folder)
    address = f"http://{RECEIVER}.{NAMESPACE}.svc:8000"
    (folder / "pagerduty-key").write_text(KEY)
    (folder / "slack-url").write_text(address + WEBHOOK)
    run = found.deploy(
        "--tags",
        "monitoring",
        monitoring_pagerduty_key_file=str(folder / "pagerduty-key"),
        monitoring_pagerduty_url=f"{address}/v2/enqueue",
        monitoring_slack_url_file=str(folder / "slack-url"),
        monitoring_thresholds={**SHORT_WEEK, "disk_usage_ratio": disk(prometheus) + MORE_DISK / 2},
    )
    assert run.code == 0, run.output
    kubectl("rollout", "status", f"deployment/{RECEIVER}", "--timeout=60s")

    def taken() -> bool:
        alerts = str(found.raw("alertmanager:9093", "/api/v2/status")["config"]["original"])
        return RECEIVER in alerts and "offset 2m" in json.dumps(found.raw("prometheus:9090", "/api/v1/rules"))

    # A kubelet takes up to a minute to show a changed ConfigMap to its pods.
    wait_until(taken, 150, "the changed routes and rules")
    yield found
    run = found.deploy("--tags", "monitoring")
    assert run.code == 0, run.output
    for manifest in receiver_manifests():
        kubectl("delete", manifest["kind"], RECEIVER)


def disk(prometheus: Prometheus) -> float:
    """How full the fullest disk is."""
    numbers: list[float] = wait_until(lambda: prometheus.numbers("max(disk_usage)"), 60, "disk_usage")
    return numbers[0]


@pytest.mark.drill
def test_a_receiver_that_was_away_is_told_when_it_is_back(place: Place) -> None:
    place.scale(0, f"deployment/{RECEIVER}")
    place.kubectl("wait", "pod", "--selector", f"app={RECEIVER}", "--for=delete", "--timeout=60s")
    since, name = time.time(), f"Trial{uuid.uuid4().hex[:8]}"
    tell(place, name, severity="critical")
    failed = 'alertmanager_notifications_failed_total{integration="pagerduty"'
    metrics = f"/api/v1/namespaces/{NAMESPACE}/services/alertmanager:9093/proxy/metrics"
    wait_until(
        lambda: any(
            line.startswith(failed) and not line.endswith(" 0")
            for line in place.kubectl("get", "--raw", metrics).splitlines()
        ),
        90,
        "a notification that fails",
    )
    place.scale(1, f"deployment/{RECEIVER}")
    place.kubectl("rollout", "status", f"deployment/{RECEIVER}", "--timeout=60s")
    for receiver in ("pagerduty", "slack"):
        assert "the trial's command" in place.arrives(name, since, 90, by=receiver).text


def tell(place: Place, name: str, **labels: str) -> None:
    """Alertmanager, as Prometheus would."""
    annotations = {"summary": "A trial", "description": "Of the way.", "command": "the trial's command"}
    alert = {
        "labels": {"alertname": name, "namespace": NAMESPACE, **labels},
        "annotations": annotations,
        "endsAt": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
    }
    status, answer = place.alertmanager.send("POST", "/api/v2/alerts", [alert])
    assert status == HTTPStatus.OK, answer


def test_a_silence_is_seen_and_ends(playbook: Playbook, environment: Run) -> None:
    run = playbook("silence", "-e", "alert=HighLatency", "-e", "minutes=30", "-e", "reason='load test'")
    assert run.code == 0, run.output
    (line,) = (each for each in playbook("alerts").output.splitlines() if "alertname=HighLatency" in each)
    identity, _alerts, day, _clock, _zone, *reason = line.split()
    assert day == f"{datetime.now(UTC) + timedelta(minutes=30):%Y-%m-%d}"
    assert reason[:2] == ["load", "test"]
    run = playbook("silence", "-e", f"expire={identity}")
    assert run.code == 0, run.output
    assert identity not in playbook("alerts").output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["alert=HighLatencyy", "minutes=5", "reason=x"], "There is no alert HighLatencyy; did you mean HighLatency?"),
        (["alert=HighLatency", "minutes=5"], "Say why, with -e"),
        (["alert=HighLatency", "reason=x"], "Say when the silence ends: -e minutes=N"),
        (["alert=HighLatency", "minutes=5", "reason=load test"], '"test" belongs to no variable: what has spaces'),
    ],
)
def test_a_silence_that_cannot_be_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, playbook: Playbook, environment: Run
) -> None:
    run = playbook("silence", *(word for each in arguments for word in ("-e", each)))
    assert run.code != 0
    assert sentence in run.failure


@pytest.mark.drill
def test_prometheus_killed_loses_nothing_but_the_time_it_was_away(
    door: ServiceProxy, read: Callable[..., Any], kill: Callable[[str], None]
) -> None:
    query, since = 'up{job="redis"}', time.time() - 600
    before = wait_until(lambda: samples(door, query, since), 60, "a sample")
    kill("prometheus-0")
    killed = time.time()

    def after_it() -> list[float]:
        with contextlib.suppress(UnavailableError, ValueError, LookupError):
            found = samples(door, query, since)
            return found if found[-1] > killed else []
        return []

    after = wait_until(after_it, 120, "a sample after the restart")
    assert set(before) <= set(after), "what was written before it was killed"
    gap = max(later - earlier for earlier, later in pairwise(after))
    (container,) = read("pod", "prometheus-0")["status"]["containerStatuses"]
    back = datetime.fromisoformat(container["state"]["running"]["startedAt"]).timestamp()
    log.info("away for %.0f s, gap of %.0f s", back - killed, gap)
    # The last sample before may be one interval old, the first after comes within one, and the log is read before.
    assert gap <= back - killed + 2 * SCRAPE_SECONDS + 10


def samples(door: ServiceProxy, query: str, since: float) -> list[float]:
    """When there was one, oldest first."""
    selector = f"{query}[{int(time.time() - since)}s]"
    _status, answer = door.get(f"/api/v1/query?{urlencode({'query': selector})}")
    values = [each["values"] for each in json.loads(answer)["data"]["result"]]
    return sorted(at for each in values for at, _value in each)


EXPLODING = """
import http.server, sys
text = "".join(f'exploding_total{{user="{number}"}} 1\\n' for number in range(int(sys.argv[1]))).encode()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(("", 8081), Handler).serve_forever()
"""


@pytest.mark.drill
def test_a_label_that_explodes_takes_only_its_own_target_away(
    place: Place, prometheus: Prometheus, tmp_path: Path
) -> None:
    """A pod that is scraped as a worker, and that nobody asks for work."""
    name = "exploding-worker"
    container = run_python("-c", EXPLODING, "20000") | {"ports": [{"name": "http", "containerPort": 8081}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", **pod({"app": "hustlex-worker"}, container)}
    manifest["metadata"]["name"] = name
    place.apply(manifest, tmp_path)
    try:
        wait_until(lambda: prometheus.numbers(f'up{{pod="{name}"}}') == [0], 90, "the target is down")
        exceeded = "prometheus_target_scrapes_exceeded_sample_limit_total"
        wait_until(lambda: max(prometheus.numbers(exceeded)) > 0, 60, "the limit is counted")
        assert prometheus.numbers("exploding_total") == []
        assert not prometheus.labels(f'up{{pod!="{name}"}} == 0', "instance")
    finally:
        place.kubectl("delete", "pod", name)


@pytest.mark.drill
def test_database_and_redis_that_stop_call_within_two_minutes(place: Place) -> None:
    since = time.time()
    place.scale(0, "statefulset/postgres", "statefulset/redis")
    try:
        for alert in ("DatabaseDown", "RedisDown"):
            for receiver in ("pagerduty", "slack"):
                found = place.arrives(alert, since, 150, by=receiver)
                assert found.at - since <= 120
                assert COMMAND.format("status") in found.text
        shown = place.playbook("alerts").output
        (line,) = (each for each in shown.splitlines() if " DatabaseDown " in each)
        assert line.startswith("critical")
        assert line.endswith(COMMAND.format("status"))
    finally:
        over = time.time()
        place.scale(1, "statefulset/postgres", "statefulset/redis")
    for alert in ("DatabaseDown", "RedisDown"):
        for receiver in ("pagerduty", "slack"):
            place.arrives(alert, over, 150, resolved=True, by=receiver)


@pytest.mark.drill
def test_errors_slowness_a_full_disk_and_no_registrations_are_told(place: Place, tmp_path: Path) -> None:
    """All at once, since each takes its `for`: errors and slowness of five minutes, as the guide has them."""
    fill, stop = tmp_path / "fill", threading.Event()
    faults = {"FAULT_ERROR_RATIO": "0.3", "FAULT_ERRORS_AFTER_SECONDS": "0", "FAULT_SLOW_SECONDS": "0.8"}
    since = time.time()
    with Load(HTTP, rate=2, timeout=15, max_seconds=1500):
        registering = threading.Thread(target=register, args=(stop,), daemon=True)
        registering.start()
        run = place.deploy("--tags", "app", app_version="v2-errors", app_environment=faults)
        assert run.code == 0, run.output
        try:
            files = os.statvfs(tmp_path)
            with fill.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, int(files.f_blocks * files.f_frsize * MORE_DISK))
            # An outage just before keeps both silent for six minutes.
            errors = place.arrives("HighErrorRate", since, 900, by="pagerduty")
            assert COMMAND.format("rollback") in errors.text
            for alert in ("HighErrorRate", "HighLatency", "HighDiskUsage"):
                place.arrives(alert, since, 900, by="slack")
        finally:
            fill.unlink(missing_ok=True)
            stop.set()
        registering.join()
        quiet = time.time()
        found = place.arrives("RegistrationsDropped", quiet, 240)
        assert found.receiver == "slack", "a warning calls nobody"
        run = place.deploy("--tags", "app")
        assert run.code == 0, run.output
        for alert in ("HighDiskUsage", "HighErrorRate", "HighLatency"):
            place.arrives(alert, quiet, 600, resolved=True)


def register(stop: threading.Event) -> None:
    """Some fail, as the version that serves has its faults."""
    while not stop.wait(3):
        body = json.dumps({"phone": f"+alerts-{uuid.uuid4()}", "name": "Alerts"}).encode()
        request = urllib.request.Request(
            f"{HTTP}/api/v1/registrations", body, {"content-type": "application/json"}, method="POST"
        )
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=15).close()


@pytest.mark.drill
def test_a_release_silences_its_own_noise_alone(place: Place, kubectl: Kubectl, tmp_path: Path) -> None:
    """While a release waits for pods that never become ready, one pod of the application crashes, one of nobody, and
    PostgreSQL stops."""
    since, noise, other = time.time(), "hustlex-api-trial", "trial"
    release = threading.Thread(
        target=lambda: place.deploy("--tags", "app", app_version="v2-never-ready", app_progress_deadline_seconds=400)
    )
    release.start()
    try:
        wait_until(lambda: "DeployInProgress" in firing(place), 90, "the release")
        for name in (noise, other):
            manifest = {"apiVersion": "v1", "kind": "Pod", **pod({"app": "trial"}, run_python("-c", "exit(1)"))}
            manifest["metadata"]["name"] = name
            place.apply(manifest, tmp_path)
        place.scale(0, "statefulset/postgres")
        place.arrives("DatabaseDown", since, 240, by="pagerduty")
        crashing = place.arrives("PodCrashLooping", since, 240, by="slack")
        assert release.is_alive(), "the release had ended: nothing was shown"
        assert firing(place)[noise] == "suppressed"
        assert firing(place)[other] == "active"
        assert f"Container main of {other} " in crashing.text
    finally:
        place.scale(1, "statefulset/postgres")
        kubectl("delete", "pod", noise, other, "--ignore-not-found")
        release.join()
    # What is over for Kubernetes goes on for a moment in windows of five minutes.
    time.sleep(90)
    told = [each.text for each in place.received(since) if each.alert == "PodCrashLooping" and not each.resolved]
    assert not any(noise in text for text in told)


def firing(place: Place) -> dict[str, str]:
    """Alerts as Alertmanager knows them, by name, or by the pod they are about."""
    alerts = place.raw("alertmanager:9093", "/api/v2/alerts")
    return {each["labels"].get("pod") or each["labels"]["alertname"]: each["status"]["state"] for each in alerts}
