"""One run of preflight: which image it takes, and that it says all findings at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.action import preflight as action
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job import JobResult, Order
from ansible_collections.hustlex.platform.plugins.module_utils.kube.requirements import RELEASE_RIGHTS
from ansible_collections.hustlex.platform.plugins.module_utils.release import preflight
from ansible_collections.hustlex.platform.plugins.module_utils.release.record import Release
from ansible_collections.hustlex.platform.plugins.module_utils.release.records import add_release

from .ready_cluster import ReadyCluster

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: "{{ pinned }}"}]}
"""


class Run:
    """A task of module preflight against a cluster; `image_id` is what a node says of the new image."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.folder = ReadyCluster(), folder
        self.probed: list[str] = []
        self.image_id = f"example.org/hustlex/api@{A}"
        self.failure = ""
        self.options: dict[str, Any] = {}
        (folder / "templates").mkdir()
        (folder / "templates/api.yaml.j2").write_text(TEMPLATE)
        monkeypatch.setattr(action, "connect", lambda _arguments: self.cluster)
        monkeypatch.setattr(preflight, "run_job", self._run_job)

    def __call__(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        probe = {"spec": {"template": {"spec": {"containers": [{"name": "migrate"}]}}}}
        arguments = {
            "namespace": "n", "name": "app", "templates": ["*.yaml.j2"], "image": "hustlex/api", "version": "v2",
            "pinned_variable": "pinned", "probe": probe, "environment": "staging", **self.options, **options,
        }  # fmt: skip
        task = SimpleNamespace(
            args=arguments, check_mode=check_mode, async_val=0, get_search_path=lambda: [str(self.folder)]
        )
        local = SimpleNamespace(_shell=SimpleNamespace(tmpdir=str(self.folder)))
        loader = DataLoader()
        module = action.ActionModule(task, local, None, loader, Templar(loader))
        result: dict[str, Any] = module.run(task_vars={})
        return result

    def has_run(self, image: str) -> None:
        """The last good release is of that image."""
        release = Release(
            number=0, kind="deploy", version="v1", reported="v1", image=image, content="another", result="good",
            started="2026-11-25T15:00:00+00:00", finished="2026-11-25T15:01:05+00:00", seconds=65, who="ada@laptop",
            schema=6, min_compatible_schema=5,
        )  # fmt: skip
        add_release(self.cluster, "n", release, [], [], 20)  # type: ignore[arg-type]

    def _run_job(self, _connect: Callable[[], Any], order: Order, _say: Callable[[str], None]) -> JobResult:
        [container] = order.template["spec"]["template"]["spec"]["containers"]
        self.probed.append(container["image"])
        self.asked = " ".join(container["command"])
        if self.failure:
            return JobResult(False, order.name, reason=self.failure)
        facts = json.dumps({"version": "v2", "schema": 6, "min_compatible_schema": 5})
        return JobResult(True, order.name, log_tail=[facts], image_id=self.image_id)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(tmp_path, monkeypatch)


def image_of(result: dict[str, Any]) -> str:
    [manifest] = result["manifests"]
    return str(manifest["spec"]["template"]["spec"]["containers"][0]["image"])


def test_nothing_stands_against_it(run):
    result = run()
    assert not result.get("failed"), result["msg"]
    assert {check["state"] for check in result["checks"]} <= {"ok", "skipped"}
    assert image_of(result) == f"hustlex/api:v2@{A}"


@pytest.mark.parametrize(
    ("version", "image_id", "required", "image"),
    [
        ("v2", f"example.org/hustlex/api@{A}", True, f"hustlex/api:v2@{A}"),
        (A, f"example.org/hustlex/api@{A}", True, f"hustlex/api@{A}"),
        (A, "", True, f"hustlex/api@{A}"),
        ("v2", A, False, "hustlex/api:v2"),
        ("v2", "", False, "hustlex/api:v2"),
        ("v2", A, True, None),
        ("v2", "", True, None),
    ],
)
def test_an_image_that_cannot_be_pinned_is_refused_where_pins_are_required(run, version, image_id, required, image):
    run.image_id = image_id
    result = run(version=version, pin_required=required)
    if image is not None:
        assert not result.get("failed"), result["msg"]
        assert image_of(result) == image
    else:
        assert result["failed"]
        assert result["unfit"]
        assert result["msg"] == (
            "The nodes know no digest of hustlex/api:v2, and this environment runs nothing that can change."
        )


@pytest.mark.parametrize(
    ("running", "version", "required", "image", "probed"),
    [
        (f"hustlex/api:v1@{A}", "v1", True, f"hustlex/api:v1@{A}", False),
        ("hustlex/api:v1", "v1", False, "hustlex/api:v1", False),
        (f"hustlex/api@{A}", A, True, f"hustlex/api@{A}", False),
        (f"hustlex/api:v1@{B}", "v2", True, f"hustlex/api:v2@{A}", True),
        (f"hustlex/api@{B}", A, True, f"hustlex/api@{A}", True),
        (f"hustlex/api:v1@{B}", A, True, f"hustlex/api@{A}", True),
        (f"hustlex/api@{B}", "v2", True, f"hustlex/api:v2@{A}", True),
        (f"example.org/api:v2@{B}", "v2", True, f"hustlex/api:v2@{A}", True),
        ("hustlex/api:v2", "v2", True, f"hustlex/api:v2@{A}", True),
    ],
    ids=["the same tag", "the same tag without a pin", "the same digest", "another tag", "another digest",
         "a digest after a tag", "a tag after a digest", "another repository", "a pin is required now"],
)  # fmt: skip
def test_only_what_runs_already_is_not_started(run, running, version, required, image, probed):
    run.has_run(running)
    result = run(version=version, pin_required=required)
    assert not result.get("failed"), result["msg"]
    assert bool(run.probed) is probed
    assert image_of(result) == image


def test_what_is_pending_is_asked_where_there_is_a_database(run):
    run()
    assert "migrate" not in run.asked
    run.has_run(f"hustlex/api:v1@{B}")
    run()
    assert "./api migrate --wait 3 status --json" in run.asked


def test_what_runs_already_without_a_pin_is_refused_once_pins_are_required(run):
    run.has_run("hustlex/api:v2")
    run.image_id = A
    result = run(pin_required=True)
    assert result["failed"]
    assert "The nodes know no digest of hustlex/api:v2" in result["msg"]


def test_a_pattern_of_error_lines_that_is_none_is_refused_before_anything_is_asked(run):
    result = run(log_error_pattern="(ERROR")
    assert (result["failed"], run.cluster.requests) == (True, 0)
    assert result["msg"].endswith("mend app_log_error_pattern.")


def no_image(run: Run) -> None:
    run.failure = "Pod p cannot pull the image hustlex/api:v2: not found."


def no_manifests(run: Run) -> None:
    run.cluster.refused = "spec.template.spec.containers[0].image: Required value"


def no_rights(run: Run) -> None:
    run.cluster.forbidden = {RELEASE_RIGHTS[0]}


def no_secret(run: Run) -> None:
    del run.cluster.objects["Secret", "hustlex-secrets"]


def no_config(run: Run) -> None:
    del run.cluster.objects["ConfigMap", "hustlex-config"]


def no_node(run: Run) -> None:
    run.cluster.objects["Node", "n1"]["status"]["conditions"] = []


def no_dump(run: Run) -> None:
    run.has_run("hustlex/api:v1")
    run.options["backup_max_age_hours"] = 0.5


def no_schema(run: Run) -> None:
    run.cluster.health = {"database": {"schema": 8, "min_compatible_schema": 7}}


def no_releases_now(run: Run) -> None:
    run.options["freeze_windows"] = [{"from": "2026-11-25T00:00:00Z", "to": "2026-11-26T00:00:00Z"}]


def no_prometheus(run: Run) -> None:
    run.options.update(watch_seconds=60, watch_required=True)


FAULTS = {
    no_image: "The image hustlex/api:v2 does not run on this cluster",
    no_manifests: "Required value",
    no_rights: "lacks rights in namespace n",
    no_secret: "Secret hustlex-secrets is not there",
    no_config: "ConfigMap hustlex-config is not there",
    no_node: "No node is ready",
    no_dump: "The last dump is 1.0 h old",
    no_schema: "cannot run on the database",
    no_releases_now: "Nothing is released until",
    no_prometheus: "The watch window of 60 s has no Prometheus",
}


def said(message: str) -> set[str]:
    return {words for words in FAULTS.values() if words in message}


@pytest.mark.parametrize(
    "faults", combinations(FAULTS, 2), ids=lambda pair: " and ".join(fault.__name__ for fault in pair)
)
def test_two_faults_are_said_at_once_and_nothing_else(run, faults):
    for fault in faults:
        fault(run)
    result = run()
    # Of an image that does not start nobody knows the schema.
    silent = {no_schema} if no_image in faults else set()
    assert result["failed"]
    assert said(result["msg"]) == {FAULTS[fault] for fault in faults if fault not in silent}
    assert result["unfit"] is bool({no_image, no_schema} & set(faults))


def test_all_faults_are_said_at_once(run):
    for fault in FAULTS:
        fault(run)
    assert said(run()["msg"]) == set(FAULTS.values()) - {FAULTS[no_schema]}


def test_in_check_mode_they_are_warnings(run):
    no_secret(run)
    no_releases_now(run)
    result = run(check_mode=True)
    assert not result.get("failed")
    assert [said(words) for words in result["warnings"]] == [{FAULTS[no_secret]}, {FAULTS[no_releases_now]}]


def test_one_prometheus_is_asked_and_not_two(run):
    result = run(prometheus_url="https://prometheus.example.com", prometheus_service="prometheus:9090")
    assert result["failed"]
    assert result["msg"] == "Give either url or service: where Prometheus is."
