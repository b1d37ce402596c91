"""The Job that is made, and what is read out of its log."""

from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ManifestError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job import Order, run_job
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job_log import Tail, report_of
from ansible_collections.hustlex.platform.plugins.module_utils.kube.job_manifest import (
    Overrides,
    from_cron_job,
    job,
    same_job,
)
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.manifests import SET_LABEL
from ansible_collections.hustlex.platform.plugins.module_utils.kube.mask import Masker

from .cluster_double import ClusterDouble


def template(**spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "args": ["a"], "env": [{"name": "K", "value": "1"}]}, {"name": "side"}]
    return {
        "metadata": {"labels": {"app": "dump", SET_LABEL: "backup"}},
        "spec": {"backoffLimit": 6, "template": {"spec": {"restartPolicy": "OnFailure", "containers": containers}}}
        | spec,
    }


def test_a_job_runs_once_and_belongs_to_no_set() -> None:
    made = job(template(), "now", "n", Overrides(deadline_seconds=60))
    assert made["metadata"]["labels"].keys() == {"app", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"}
    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 60)
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_templates_own_deadline_stays() -> None:
    made = job(template(activeDeadlineSeconds=5), "now", "n", Overrides(deadline_seconds=60))
    assert made["spec"]["activeDeadlineSeconds"] == 5


def test_overrides_reach_one_container_and_leave_the_template_alone() -> None:
    given = template()
    made = job(given, "now", "n", Overrides(container="side", command=("c",), args=("b",), env={"K": "2"}))
    main, side = made["spec"]["template"]["spec"]["containers"]
    assert main["args"] == ["a"]
    assert side == {"name": "side", "command": ["c"], "args": ["b"], "env": [{"name": "K", "value": "2"}]}
    assert given == template()
    replaced = job(given, "now", "n", Overrides(env={"K": "2", "L": "3"}))["spec"]["template"]["spec"]["containers"][0]
    assert replaced["env"] == [{"name": "K", "value": "2"}, {"name": "L", "value": "3"}]


def test_the_same_job_is_known_again() -> None:
    cron_job = {"spec": {"jobTemplate": template()}}
    one = job(from_cron_job(cron_job), "now", "n", Overrides())
    assert same_job(one, job(template(), "now", "n", Overrides()))
    assert not same_job(one, job(template(), "now", "n", Overrides(args=("b",))))
    assert not same_job({"metadata": {}}, one)


@pytest.mark.parametrize(
    ("manifest", "container", "words"),
    [
        ({}, "", "has no spec.template.spec.containers"),
        ({"spec": {"template": {"spec": {"containers": []}}}}, "", "has no spec.template.spec.containers"),
        (template(), "other", 'has no container "other"; it has main, side'),
    ],
)
def test_bad_manifests(manifest: dict[str, Any], container: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        job(manifest, "now", "n", Overrides(container=container))


def test_only_new_lines_are_told() -> None:
    tail = Tail()
    assert tail.fresh("t1 a\nt2 b\n") == ["a", "b"]
    assert tail.fresh("t1 a\nt2 b\n") == []
    assert tail.fresh("t2 b\nt3 b\n\n") == ["b"]
    assert tail.fresh("t8 x\nt9 y\n") == ["x", "y"], "more was written than is read"
    assert tail.fresh("") == []


@pytest.mark.parametrize(
    ("lines", "report"),
    [
        (["a", 'RESULT {"n": [1, {"k": "secret-value here"}]}'], {"n": [1, {"k": "*** here"}]}),
        (['RESULT {"n": 1}', 'RESULT {"n": 2}', "after"], {"n": 2}),
        (["RESULT {broken"], {}),
        (["RESULT [1]"], {}),
        ([], {}),
    ],
)
def test_the_report(lines: list[str], report: dict[str, Any]) -> None:
    assert report_of(lines, Masker(["secret-value"])) == report


def ended(code: int) -> dict[str, Any]:
    return {"state": {"terminated": {"exitCode": code}}}


class OnePod(ClusterDouble):
    """Its Job's pod is there at once; that the Job is complete Kubernetes has not said yet."""

    def __init__(self, states: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.states, self.volumes = states, volumes

    def apply(self, _kind: Kind, manifest: dict[str, Any]) -> None:
        made = self.add("Job", manifest["metadata"]["name"], spec=manifest["spec"])
        made["metadata"]["namespace"] = "n"
        pod = self.add(
            "Pod",
            "p",
            spec=manifest["spec"]["template"]["spec"] | {"volumes": self.volumes},
            status={"phase": "Running", "containerStatuses": [{"name": "main", **each} for each in self.states]},
        )
        pod["metadata"] |= {"namespace": "n", "ownerReferences": [{"uid": made["metadata"]["uid"]}]}

    def log(self, *_arguments: Any, **_options: Any) -> str:
        return "t1 done"


@pytest.mark.parametrize(
    ("states", "volumes", "spec", "done"),
    [
        ([ended(0), ended(0)], [{"emptyDir": {}}], {}, True),
        ([ended(0), {"state": {"running": {}}}], [], {}, False),
        ([ended(0)], [], {}, False),
        ([ended(0), ended(1)], [], {}, False),
        ([ended(0), ended(0)], [{"persistentVolumeClaim": {"claimName": "data"}}], {}, False),
        ([ended(0), ended(0)], [], {"completions": 2}, False),
    ],
    ids=[
        "done",
        "one works on",
        "one is not told of yet",
        "one failed",
        "its volume is not free yet",
        "one of two pods",
    ],
)
def test_a_job_is_done_when_its_pod_is(
    states: list[dict[str, Any]], volumes: list[dict[str, Any]], spec: dict[str, Any], done: bool
) -> None:
    cluster, now = OnePod(states, volumes), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    order = Order("n", "now", template(**spec), timeout=5)
    result = run_job(lambda: cluster, order, clock=lambda: now[0], sleep=sleep)  # type: ignore[arg-type,return-value]
    assert result.succeeded is done
    assert ("Job", "now") not in cluster.objects
    assert result.log_tail == ["done"]
