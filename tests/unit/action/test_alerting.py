"""Modules alerts and silence, played against a server that is API server, Prometheus and Alertmanager at once."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROXY = "/api/v1/namespaces/hustlex/services/"
FIRING = {
    "labels": {"alertname": "DatabaseDown", "severity": "critical", "pod": "postgres-0"},
    "annotations": {"summary": "PostgreSQL does not answer", "command": "ansible-playbook playbooks/status.yml"},
    "state": "firing",
    "activeAt": "2026-07-01T11:48:00.123456789Z",
}
WATCHDOG = {"labels": {"alertname": "Watchdog", "severity": "none"}, "state": "firing", "activeAt": FIRING["activeAt"]}


class Cluster:
    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = [FIRING, WATCHDOG]
        self.silences: dict[str, dict[str, Any]] = {}
        self.absent: set[str] = set()
        self.changes: list[str] = []
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                service, _proxy, path = self.path.removeprefix(PROXY).partition("/proxy")
                status, answer = cluster.answer(self.command, service, path, body)
                data = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method: str, service: str, path: str, body: Any) -> tuple[int, Any]:
        if service in self.absent:
            return 503, {"kind": "Status", "message": f'no endpoints available for service "{service}"'}
        if method != "GET":
            self.changes.append(f"{method} {path}")
        match method, service, path:
            case "GET", "prometheus:9090", "/api/v1/alerts":
                return 200, {"status": "success", "data": {"alerts": self.alerts}}
            case "GET", "prometheus:9090", "/api/v1/rules?type=alert":
                rules = [{"name": "DatabaseDown"}, {"name": "HighLatency"}]
                return 200, {"status": "success", "data": {"groups": [{"rules": rules}]}}
            case "GET", "alertmanager:9093", "/api/v2/alerts":
                silenced = list(self.silences)
                return 200, [{"labels": FIRING["labels"], "status": {"silencedBy": silenced, "inhibitedBy": []}}]
            case "GET", "alertmanager:9093", "/api/v2/silences":
                return 200, list(self.silences.values())
            case "POST", "alertmanager:9093", "/api/v2/silences":
                return self._keep(body)
            case "DELETE", "alertmanager:9093", _:
                self.silences[path.rpartition("/")[2]]["status"]["state"] = "expired"
                return 200, None
        return 404, {"message": "not found"}

    def _keep(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(each["value"] == "refused" for each in body["matchers"]):
            return 400, "silence invalid: bad matcher"
        identity = body.get("id") or f"silence-{len(self.silences)}"
        self.silences[identity] = {**body, "id": identity, "status": {"state": "active"}}
        return 200, {"silenceID": identity}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


class Player:
    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "double", "cluster": {"server": f"http://127.0.0.1:{cluster.server.server_address[1]}"}}
            ],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "nobody"}}],
            "current-context": "double",
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))

    def __call__(self, *tasks: Mapping[str, Any], check: bool = False) -> tuple[list[dict[str, Any]], str]:
        """Results of the tasks, each run whatever became of the others, and what was printed."""
        options = {"kubeconfig": str(self.folder / "kubeconfig"), "namespace": "hustlex"}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/hustlex.platform.kubernetes": options},
            "tasks": [
                {f"hustlex.platform.{name}": arguments, "ignore_errors": True}
                for task in tasks
                for name, arguments in task.items()
            ],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(self.folder / "play.yml")]
        done = subprocess.run(
            [*command, "--check"] if check else command,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        start = f"\n{done.stdout}".find("\n{\n")
        assert start >= 0, done.stdout + done.stderr
        answer = json.loads(f"\n{done.stdout}"[start:])
        return [task["hosts"]["localhost"] for task in answer["plays"][0]["tasks"]], done.stdout[:start]


@pytest.fixture
def play(tmp_path: Path, cluster: Cluster) -> Player:
    return Player(tmp_path, cluster)


def test_what_fires_is_shown(cluster: Cluster, play: Player) -> None:
    results, printed = play({"alerts": {}})
    assert [each["alert"] for each in results[0]["alerts"]] == ["DatabaseDown"]
    assert results[0]["notes"] == []
    assert not results[0]["changed"]
    assert "PostgreSQL does not answer (pod postgres-0)  ansible-playbook playbooks/status.yml" in printed
    assert cluster.changes == []


def test_alertmanager_may_be_away(cluster: Cluster, play: Player) -> None:
    cluster.absent.add("alertmanager:9093")
    cluster.alerts = [WATCHDOG]
    results, printed = play({"alerts": {}})
    assert "Nothing fires." in printed
    assert "no endpoints available" in results[0]["warnings"][0]
    assert "Nobody is told of alerts meanwhile" in results[0]["warnings"][0]


def test_prometheus_must_answer(cluster: Cluster, play: Player) -> None:
    cluster.absent.add("prometheus:9090")
    results, _printed = play({"alerts": {}})
    assert results[0]["failed"]
    assert results[0]["msg"].startswith(
        "Prometheus behind Service prometheus:9090 in namespace hustlex gives no answer"
    )


def test_a_silence_is_set_once_prolonged_and_ended(cluster: Cluster, play: Player) -> None:
    wanted = {"alert": "HighLatency", "matchers": ["pod=api-1"], "minutes": 60, "reason": "load test", "who": "jo"}
    results, printed = play(
        {"silence": wanted},
        {"silence": wanted},
        {"silence": {**wanted, "minutes": 120}},
        {"silence": {**wanted, "minutes": 120, "reason": "longer load test"}},
        {"alerts": {}},
        {"silence": {"expire": ["silence-0"]}},
        {"silence": {"expire": ["silence-0"]}},
        {"silence": {"expire": ["other"]}},
    )
    assert [each["changed"] for each in results] == [True, False, True, True, False, True, False, False]
    assert {each["id"] for each in results[:4]} == {"silence-0"}
    assert [(each["id"], each["who"]) for each in results[4]["silences"]] == [("silence-0", "jo")]
    assert "alertname=HighLatency, pod=api-1 is silenced until" in printed
    assert "longer load test" in printed
    assert results[7]["msg"] == "There is no silence other: playbooks/alerts.yml lists those that there are."
    assert cluster.changes == ["POST /api/v2/silences"] * 3 + ["DELETE /api/v2/silence/silence-0"]
    ends = datetime.fromisoformat(cluster.silences["silence-0"]["endsAt"])
    assert 118 < (ends - datetime.now(UTC)).total_seconds() / 60 < 121


def test_check_mode_changes_nothing(cluster: Cluster, play: Player) -> None:
    kept = {"matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}], "comment": "c"}
    cluster._keep({**kept, "startsAt": "2026-07-01T11:00:00Z", "endsAt": "2126-07-01T11:00:00Z"})
    results, printed = play(
        {"silence": {"alert": "HighLatency", "minutes": 60, "reason": "load test"}},
        {"silence": {"expire": ["silence-0"]}},
        check=True,
    )
    assert [each["changed"] for each in results] == [True, True]
    assert "alertname=HighLatency would be silenced until" in printed
    assert "a=b would no longer be silenced." in printed
    assert cluster.changes == []


def test_what_is_refused(cluster: Cluster, play: Player) -> None:
    enough = {"minutes": 5, "reason": "why"}
    cases = {
        "Say why": {"alert": "HighLatency", "minutes": 5},
        "Say when the silence ends": {"alert": "HighLatency", "reason": "why"},
        "not in the future": {"alert": "HighLatency", "end": "2026-01-01T00:00Z", "reason": "why"},
        "Say what is silenced": enough,
        "did you mean HighLatency?": {"alert": "HighLatancy", **enough},
        "Alertmanager refuses it: silence invalid: bad matcher.": {"matchers": ["pod=refused"], **enough},
        "nothing else goes with it": {"expire": ["silence-0"], "minutes": 5},
    }
    results, _printed = play(*({"silence": each} for each in cases.values()))
    for words, result in zip(cases, results, strict=True):
        assert result["failed"]
        assert words in result["msg"]
    assert cluster.silences == {}


def test_a_prometheus_that_is_away_leaves_the_name_unchecked(cluster: Cluster, play: Player) -> None:
    cluster.absent.add("prometheus:9090")
    results, _printed = play({"silence": {"alert": "Anything", "minutes": 5, "reason": "why"}})
    assert results[0]["changed"]
    assert results[0]["warnings"][0].startswith(
        "Whether there is such an alert is not known: Prometheus behind Service"
    )
