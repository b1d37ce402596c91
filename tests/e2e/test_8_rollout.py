"""Releases on the real thing: every bad version ends with the old one serving, and nobody notices before."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from .conftest import HTTP
from .load import Load


class Receiver:
    """Takes what a webhook is sent."""

    def __init__(self) -> None:
        messages = self.messages = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()


QUICK = ["-e", "app_min_ready_seconds=1", "-e", "app_progress_deadline_seconds=60"]
# Without the pods that an autoscaler adds on a busy machine.
QUICK += ["-e", "app_hpa_max_replicas=1"]
FIRST, SECOND = "0.9.0", "1.0.0"


def health() -> dict:
    with urllib.request.urlopen(f"{HTTP}/api/v1/health", timeout=10) as answer:
        return json.load(answer)


def report(run) -> str:
    """The sentence that the run ends with."""
    return " ".join(line for line in run.output.splitlines() if line.startswith("[ERROR]"))


@pytest.fixture(scope="module")
def releases(read):
    """The records of releases, the newest first."""

    def found() -> list[dict]:
        items = read("configmaps", "--selector", "hustlex.app/release")["items"]
        records = [json.loads(item["metadata"]["annotations"]["hustlex.app/release-summary"]) for item in items]
        return sorted(records, key=lambda each: -each["number"])

    return found


@pytest.fixture(scope="module")
def release(playbook):
    def run(version: str, *arguments: str):
        return playbook("deploy", "--tags", "app", "-e", f"app_version={version}", *QUICK, *arguments)

    return run


@pytest.fixture(scope="module", autouse=True)
def serving(environment, release):
    """The tests begin with a good release of their own settings."""
    run = release(SECOND)
    assert run.code == 0, run.output


BAD = {
    "v2-crash-at-start": ["crashes again and again"],
    "v2-never-ready": ["made no progress"],
    "v2-failing-migration": ["hustlex-migrate"],
    "v2-nowhere": ["does not run on this cluster", "cannot pull the image"],
}


@pytest.mark.parametrize(("version", "words"), BAD.items(), ids=BAD)
def test_a_bad_version_ends_with_the_old_one_serving(release, releases, version, words):
    before = next(each for each in releases() if each["result"] == "good")
    with Load(HTTP, rate=20, timeout=15, max_seconds=180) as load:
        run = release(version, "-e", f"app_progress_deadline_seconds={15 if version == 'v2-never-ready' else 60}")
    assert run.code != 0, run.output
    ending = report(run)
    assert re.search(
        rf"Release \d+ \({version}\) failed: release {before['number']} \({SECOND}\) (still runs|runs again)", ending
    ), run.output
    for word in words:
        assert word in ending, run.output
    assert load.results.failed == 0, load.results.failures[:5]
    assert health()["version"] == SECOND
    failed = releases()[0]
    assert (failed["result"], failed["version"]) == ("failed", version)
    assert failed["reason"]
    assert "Traceback" not in run.output


def test_a_critical_path_that_does_not_answer_is_undone(release, releases, read):
    run = release("v2", "-e", '{"app_smoke_paths": ["/livez", "/api/v1/nowhere"], "app_smoke_seconds": 3}')
    assert run.code != 0, run.output
    assert "/livez answers" in run.output
    assert "/api/v1/nowhere answers 404 after 3 s" in report(run)
    assert health()["version"] == SECOND
    evidence = json.loads(read("configmap", f"hustlex-release-{releases()[0]['number']}")["data"]["evidence.json"])
    api = next(each for each in evidence if each["workload"] == "Deployment hustlex-api")
    assert any("/api: running" in state for state in api["containers"])
    assert api["logs"]


def test_evidence_of_a_crash_is_kept(releases, read):
    crashed = next(each for each in releases() if each["version"] == "v2-crash-at-start")
    record = read("configmap", f"hustlex-release-{crashed['number']}")
    evidence = json.loads(record["data"]["evidence.json"])
    assert any("FAULT_CRASH_AT_START" in line for log in evidence[0]["logs"].values() for line in log)
    assert record["immutable"] is True
    assert "Secret" not in {item["kind"] for item in json.loads(record["data"]["manifests.json"])}


def test_error_lines_undo_a_release_where_they_may_not_be(release, releases, read):
    failing = {"app_environment": {"FAULT_ERRORS_AFTER_SECONDS": "0"}, "app_min_ready_seconds": 3}
    with Load(HTTP, rate=20, timeout=15, max_seconds=400):
        run = release("v2-errors", "-e", json.dumps({**failing, "app_log_errors_max": 0}))
    assert run.code != 0, run.output
    assert health()["version"] == SECOND
    failed = releases()[0]
    told = r"hustlex-api-\S+: \d+ error lines?, first: .*FAULT_ERROR_RATIO: failing"
    assert re.match(rf"\d+ error lines? in the logs of the new pods, where at most 0 may be: {told}", failed["reason"])
    evidence = json.loads(read("configmap", f"hustlex-release-{failed['number']}")["data"]["evidence.json"])
    assert evidence[0]["workload"].startswith("Pod hustlex-api-")
    assert all('"level": "error"' in line for log in evidence[0]["logs"].values() for line in log)


def test_the_next_good_version_runs_and_a_second_run_changes_nothing(release, releases):
    run = release("v2")
    assert run.code == 0, run.output
    assert re.search(r"Run the migration\] \*+\nskipping", run.output), "it brings no migration"
    assert health()["version"] == "v2"
    newest = releases()[0]
    assert (newest["result"], newest["version"], newest["schema"]) == ("good", "v2", 6)
    assert "no error lines in the logs of 2 pods" in newest["verification"], newest
    assert "no error lines in the logs of 2 pods" in run.output
    assert release("v2").changed == 0
    assert releases()[0] == newest


def test_the_team_is_told_and_the_log_is_kept(release, releases, tmp_path):
    log = tmp_path / "deployments.jsonl"
    with Receiver() as receiver:
        extra = ["-e", f"app_webhook_url={receiver.url}", "-e", f"app_deployment_log={log}", "-e", "app_deployer=ada"]
        assert release(SECOND, *extra).code == 0
        assert release("v2-crash-at-start", *extra).code != 0
    assert [message["text"].split(" failed:")[0] for message in receiver.messages] == [
        f"HustleX development: deploy of {SECOND} begins",
        f"HustleX development: release {releases()[1]['number']} ({SECOND}) runs",
        "HustleX development: deploy of v2-crash-at-start begins",
        f"HustleX development: Release {releases()[0]['number']} (v2-crash-at-start)",
    ]
    assert [json.loads(line)["result"] for line in log.read_text().splitlines()] == ["good", "failed"]
    assert {each["who"] for each in releases()[:2]} == {"ada"}


def test_a_webhook_that_is_not_there_costs_no_release(release):
    run = release("v2", "-e", "app_webhook_url=http://127.0.0.1:9/secret-path")
    assert run.code == 0, run.output
    assert "webhook" in run.output
    assert "secret-path" not in run.output


def test_scale_by_hand_until_the_next_deploy(playbook, read, release):
    assert release("v2", "-e", "app_hpa_max_replicas=3").code == 0
    run = playbook("scale", "-e", "api=2", "-e", "worker=2")
    assert run.code == 0, run.output
    assert "app_hpa_min_replicas: 2" in run.output
    assert read("hpa", "hustlex-api-hpa")["spec"]["minReplicas"] == 2
    assert read("deployment", "hustlex-worker")["status"]["readyReplicas"] == 2
    assert playbook("scale", "-e", "api=2", "-e", "worker=2").changed == 0
    assert "app_hpa_max_replicas" in playbook("scale", "-e", "api=4").failure
    assert release("v2").code == 0
    assert read("hpa", "hustlex-api-hpa")["spec"]["minReplicas"] == 1


def test_status_shows_all_in_one_table(playbook, releases):
    run = playbook("status")
    assert run.code == 0, run.output
    for words in ("hustlex-api ", "1..1, cpu", f"release {releases()[0]['number']}", "database up, redis up"):
        assert words in run.output


def test_history_lists_what_happened(playbook, releases):
    run = playbook("history")
    assert run.code == 0, run.output
    newest = releases()[0]
    assert f"{newest['number']} *" in run.output
    assert "v2-crash-at-start" in run.output


def test_rollback_goes_back_to_the_good_one_before_as_one_unit(playbook, releases, release, read):
    release(SECOND)
    other = {"app_environment": {"LOG_LEVEL": "error"}, "app_hpa_max_replicas": 5}
    assert release("v2", "-e", json.dumps(other)).code == 0
    run = playbook("rollback")
    assert run.code == 0, run.output
    assert health()["version"] == SECOND
    newest = releases()[0]
    assert (newest["kind"], newest["version"], newest["result"]) == ("rollback", SECOND, "good")
    recorded = json.loads(read("configmap", f"hustlex-release-{newest['of']}")["data"]["manifests.json"])
    compared = set()
    for item in recorded:
        kind, spec = item["kind"], item.get("spec")
        live = read(kind, item["metadata"]["name"])["spec"] if kind in ("Deployment", "HorizontalPodAutoscaler") else {}
        if kind == "Deployment":
            for wanted, found in zip(*(each["template"]["spec"]["containers"] for each in (spec, live)), strict=True):
                assert {key: found[key] for key in ("image", "env", "envFrom") if key in wanted} == {
                    key: wanted[key] for key in ("image", "env", "envFrom") if key in wanted
                }
        elif kind == "HorizontalPodAutoscaler":
            assert (live["minReplicas"], live["maxReplicas"]) == (spec["minReplicas"], spec["maxReplicas"])
        compared |= {f"{kind}/{item['metadata']['name']}"} if live else set()
    assert compared >= {"Deployment/hustlex-api", "Deployment/hustlex-worker"}
    assert len(compared) == 3
    assert playbook("rollback", "-e", f"release={newest['number']}").changed == 0


def test_a_release_that_does_not_exist_is_refused(playbook):
    run = playbook("rollback", "-e", "release=999")
    assert run.code != 0
    assert "There is no release 999: on record are " in report(run)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", '{"app_version": "v 2"}'], "is no image tag"),
        (["-e", "app_version=sha256:12"], "is no digest"),
        (["-e", "app_version="], "app_version is not set"),
        (["-e", "app_version=latest", "-e", "hustlex_environment=production"], "names no fixed version"),
        (["-e", "app_releases_kept=1"], "keep 2 or more"),
    ],
)
def test_bad_input_is_one_sentence(playbook, arguments, words):
    run = playbook("deploy", "--tags", "app", "-e", "app_version=v2", *arguments)
    assert run.code != 0, run.output
    assert words in report(run), run.output
    assert health()["version"] == SECOND


def test_all_that_stands_against_a_release_is_said_at_once(playbook):
    window = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z", "reason": "audit"}
    against = {
        "app_freeze_windows": [window],
        "app_watch_seconds": 10,
        "app_fail_on_inconclusive": True,
        "app_backup_max_age_hours": 0.00001,
    }
    run = playbook("deploy", "--tags", "app", "-e", "app_version=v2", "-e", json.dumps(against))
    assert run.code != 0, run.output
    said = ("Nothing is released until 2099-01-01T00:00:00+00:00 (audit)", "app_prometheus_url", "playbooks/backup.yml")
    assert not [words for words in said if words not in report(run)], run.output
    assert health()["version"] == SECOND


def test_the_checklist_alone_changes_nothing(playbook, releases):
    before = releases()
    run = playbook("deploy", "--tags", "preflight", "-e", "app_version=v2")
    assert (run.code, run.changed) == (0, 0), run.output
    for item in ("image", "manifests", "rights", "secrets", "config", "nodes", "quota", "schema", "freeze"):
        assert f" {item} " in run.output
    assert releases() == before


def test_a_dump_by_hand_is_young_enough(playbook):
    checklist = ["--tags", "preflight", "-e", "app_version=v2", "-e", "app_backup_max_age_hours=0.05"]
    refused = playbook("deploy", *checklist)
    assert refused.code != 0, refused.output
    assert "playbooks/backup.yml -e what=dump" in refused.failure
    assert playbook("backup", "-e", "what=dump").code == 0
    accepted = playbook("deploy", *checklist)
    assert accepted.code == 0, accepted.output


def test_of_two_deploys_at_once_one_wins(playbook, release, kubectl):
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(release, "v2", "-e", "app_min_ready_seconds=10")
        deadline = time.monotonic() + 60
        while not kubectl(
            "get", "lease", "hustlex-operation", "--ignore-not-found", "--output", "jsonpath={.spec.holderIdentity}"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.3)
        second = release("0.9.0")
        assert second.code != 0, second.output
        assert "holds the lock of this environment since" in report(second)
        assert 'for "deploy v2"' in report(second)
        assert first.result().code == 0, first.result().output
    assert health()["version"] == "v2"


def test_a_way_back_that_fails_says_what_runs(playbook, release, releases, read, kubectl, tmp_path):
    """The image of the last good release is gone, as after a purge of the registry."""
    good = next(each for each in releases() if each["result"] == "good")
    record = read("configmap", f"hustlex-release-{good['number']}")
    kept = {key: record["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    data = {**record["data"], "manifests.json": record["data"]["manifests.json"].replace("/api:v2", "/api:purged")}
    assert data != record["data"]
    file = tmp_path / "record.json"
    file.write_text(json.dumps({**record, "metadata": kept, "data": data}))
    kubectl("delete", "configmap", kept["name"])
    kubectl("create", "-f", str(file))
    run = release("v2-crash-at-start")
    assert run.code != 0, run.output
    assert f"going back to release {good['number']} (v2) failed, too, and there run " in report(run)
    assert "cannot pull the image" in report(run)
    assert health()["version"] == "v2"
    assert release(SECOND).code == 0


def test_without_an_earlier_release_the_report_says_so(release, releases, kubectl):
    kubectl("delete", "configmaps", "--selector", "hustlex.app/release")
    run = release("v2-crash-at-start")
    assert run.code != 0, run.output
    assert "(v2-crash-at-start) failed: there is no earlier release to go back to" in report(run)
    assert health()["version"] == SECOND
    assert release(SECOND).code == 0
    assert releases()[0]["result"] == "good"
