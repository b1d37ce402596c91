"""What preflight asks of a cluster, and what it makes of the answers."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube import pod
from ansible_collections.hustlex.platform.plugins.module_utils.kube.evidence import Evidence
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job import JobResult, Order
from ansible_collections.hustlex.platform.plugins.module_utils.kube.requirements import RELEASE_RIGHTS, Right
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.client import Prometheus
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import UnavailableError
from ansible_collections.hustlex.platform.plugins.module_utils.release import preflight
from ansible_collections.hustlex.platform.plugins.module_utils.release.checks import Check
from ansible_collections.hustlex.platform.plugins.module_utils.release.preflight import Code, Rules, UnfitError
from ansible_collections.hustlex.platform.plugins.module_utils.release.record import Release

from .ready_cluster import ReadyCluster

MOMENT = "2026-07-01T09:30:00Z"
RUNNING = Release(1, "deploy", "v1", "v1", "hustlex/api:v1", "", "good", MOMENT, MOMENT, 1, "ci")
RULES = Rules("staging", [], [], "postgres-backup", 3, [], False, False, False, 0, False)


class Source:
    """Prometheus as it answers one query; None for silence."""

    name = "Prometheus at here"

    def __init__(self, body: Any, status: int = HTTPStatus.OK) -> None:
        self.body, self.status = body, status
        self.query = ""

    def get(self, path: str) -> tuple[int, bytes]:
        [self.query] = parse_qs(urlsplit(path).query)["query"]
        if self.body is None:
            raise UnavailableError(f"{self.name} cannot be reached.")
        return self.status, json.dumps(self.body).encode()


def firing(*names: str) -> dict[str, Any]:
    return {"data": {"resultType": "vector", "result": [{"metric": {"alertname": name}} for name in names]}}


def check(item: str, cluster: ReadyCluster, source: Source | None = None, running: Release | None = None) -> Check:
    prometheus = Prometheus(source) if source else None
    found = preflight.checklist(cluster, "n", [], RULES, Code("hustlex/api:v1"), running, prometheus)  # type: ignore[arg-type]
    [line] = [each for each in found if each.item == item]
    return line


@pytest.mark.parametrize(
    ("source", "state", "words"),
    [
        (Source(firing()), "ok", "no critical alert is firing"),
        (Source(firing("ApiDown")), "failed", "are firing: ApiDown."),
        (Source(None), "warning", "cannot be reached"),
        (
            Source({"message": "no endpoints available"}, 503),
            "warning",
            "gives no answer (503): no endpoints available.",
        ),
        (Source({"errorType": "bad_data", "error": "parse error"}, 400), "warning", "parse error"),
        (None, "skipped", "no Prometheus is configured"),
    ],
    ids=["none", "one", "silence", "away", "refused", "not configured"],
)
def test_alerts_are_asked_for(source, state, words):
    found = check("alerts", ReadyCluster(), source, RUNNING)
    assert found.state == state
    assert words in found.message


def test_a_first_release_is_not_held_up_by_what_is_missing_without_it():
    source = Source(firing("ApiDown"))
    found = check("alerts", ReadyCluster(), source)
    assert (found.state, source.query) == ("skipped", "")
    assert "there is no good release yet" in found.message


def test_only_alerts_of_this_namespace_and_of_none_count():
    source = Source(firing())
    check("alerts", ReadyCluster(), source, RUNNING)
    assert 'severity="critical"' in source.query
    assert 'namespace=~"|n"' in source.query


@pytest.mark.parametrize("right", RELEASE_RIGHTS, ids=str)
def test_a_right_that_is_missing_is_named(right):
    cluster = ReadyCluster()
    cluster.forbidden = {right}
    found = check("rights", cluster)
    assert found.state == "failed"
    assert f"allows {right.verb} on {right.kind}." in found.message


def test_all_rights_are_there():
    cluster = ReadyCluster()
    cluster.forbidden = {Right("delete", "", "secrets")}
    assert check("rights", cluster).state == "ok"


def failed_job(reason: str, *log: str) -> JobResult:
    found = Evidence("Job probe", reason, command="", logs={"pod/c": list(log)}) if log else None
    return JobResult(False, "probe", reason=reason, evidence=found)


def pull(words: str) -> JobResult:
    """As a pod says it whose image cannot be pulled."""
    status = {"name": "c", "image": "i", "state": {"waiting": {"reason": "ErrImagePull", "message": words}}}
    trouble = pod.trouble({"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}})
    assert trouble is not None
    assert trouble.patience == "none"
    return failed_job(trouble.reason)


CONTAINERD = "rpc error: code = NotFound desc = failed to pull and unpack image"


VERSION = '{"version": "v2", "schema": 6, "min_compatible_schema": 5}'


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ([VERSION], Code("i:v2", "v2", 6, 5)),
        (["a warning", VERSION, '{"version": "v2", "pending": [], "problems": []}'], Code("i:v2", "v2", 6, 5, 0)),
        ([VERSION, '{"version": "v2", "pending": ["0006 x"], "problems": []}'], Code("i:v2", "v2", 6, 5, 1)),
        ([VERSION, '{"version": "v2", "pending": [], "problems": ["0005 differs"]}'], Code("i:v2", "v2", 6, 5)),
        ([VERSION, '{"version": "v2", "pending": 0}'], Code("i:v2", "v2", 6, 5)),
        ([VERSION, "the database is not reachable"], Code("i:v2", "v2", 6, 5)),
        (["v2"], Code("i:v2")),
        ([], Code("i:v2")),
    ],
    ids=["version alone", "none pending", "one pending", "another history", "another form", "no database", "no JSON",
         "nothing"],
)  # fmt: skip
def test_what_an_image_says_of_itself(monkeypatch, log, code):
    monkeypatch.setattr(preflight, "run_job", lambda *_arguments: JobResult(True, "probe", log_tail=log))
    assert preflight.probe(ReadyCluster, Order("n", "probe"), "i:v2", print) == code  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "foreign"),
    [
        (failed_job("Job probe failed.", "exec ./api: exec format error"), True),
        (failed_job('Pod p cannot start its container c: exec: "./api": exec format error.'), True),
        (pull(f'{CONTAINERD} "i": no match for platform in manifest: not found'), True),
        (pull(f'{CONTAINERD} "i": failed to resolve reference "i": i: not found'), False),
        (failed_job("Job probe failed.", "Killed"), False),
    ],
    ids=["in its log", "at its start", "at its pull", "not there", "ended"],
)
def test_an_image_for_other_processors_is_told_from_one_that_does_not_run(monkeypatch, job, foreign):
    monkeypatch.setattr(preflight, "run_job", lambda *_arguments: job)
    with pytest.raises(UnfitError) as error:
        preflight.probe(ReadyCluster, Order("n", "probe"), "hustlex/api:v2", print)  # type: ignore[arg-type]
    if foreign:
        assert str(error.value) == (
            "The image hustlex/api:v2 is for another processor architecture than the nodes: build it for theirs."
        )
    else:
        assert str(error.value) == f"The image hustlex/api:v2 does not run on this cluster: {job.reason}"
