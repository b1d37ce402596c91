"""Records of releases on a cluster: a new one is added, and what no kept one needs goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind
from ansible_collections.hustlex.platform.plugins.module_utils.release.record import NAME, Release
from ansible_collections.hustlex.platform.plugins.module_utils.release.records import (
    CONFIG_COPY,
    add_release,
    images_of,
    manifests_of,
    read_releases,
)

from ..kube.cluster_double import ClusterDouble

RELEASE = Release(
    number=0, kind="deploy", version="v1", reported="v1", image="hustlex/api:v1", content="", result="good",
    started="2026-11-25T15:00:00+00:00", finished="2026-11-25T15:01:05+00:00", seconds=65, who="ada@laptop",
)  # fmt: skip
COPY = "hustlex-config-"


def manifests(content: str) -> list[dict[str, Any]]:
    """A release of that content: what differs is the copy of the settings."""
    return [
        {"kind": "Deployment", "metadata": {"name": "api"}},
        {"kind": "ConfigMap", "metadata": {"name": COPY + content}},
    ]


def release(
    cluster: ClusterDouble, row: str, keep: int = 2, warn: Callable[[str], None] = lambda _sentence: None
) -> Release:
    """What a run does: its copy of the settings is applied, then it is recorded; `a+` is good, `a-` failed."""
    content, result = row[0], "good" if row[1] == "+" else "failed"
    add_copy(cluster, content)
    made = replace(RELEASE, content=content, result=result)
    return add_release(cluster, "n", made, manifests(content), [], keep, warn)  # type: ignore[arg-type]


def add_copy(cluster: ClusterDouble, content: str) -> None:
    cluster.add("ConfigMap", COPY + content, data={})["metadata"]["labels"] = {CONFIG_COPY: "true"}


def numbers(cluster: ClusterDouble) -> list[int]:
    return [each.number for each in read_releases(cluster, "n")]  # type: ignore[arg-type]


def copies(cluster: ClusterDouble) -> str:
    return "".join(sorted(name.removeprefix(COPY) for _kind, name in cluster.objects if name.startswith(COPY)))


@pytest.fixture
def cluster() -> ClusterDouble:
    found = ClusterDouble()
    found.add("ConfigMap", "hustlex-config", data={})
    return found


@pytest.mark.parametrize(
    ("rows", "kept", "needed"),
    [
        (["a+"], [1], "a"),
        (["a+", "b+"], [2, 1], "ab"),
        (["a+", "b+", "c+"], [3, 2], "bc"),
        (["a+", "b+", "a+"], [3, 2], "ab"),
        (["a+", "b+", "b+", "b+"], [4, 3, 1], "ab"),
        (["a+", "b-", "c-", "d-"], [4, 3, 1], "acd"),
        (["a+", "b+", "c-", "d-", "e-"], [5, 4, 2, 1], "abde"),
        (["a+", "b+", "c-", "d-", "e+"], [5, 4, 2], "bde"),
    ],
    ids=["first", "as many as are kept", "one more", "back to an old one", "the same again", "failures after the first",
         "failures after two", "a good one after failures"],
)  # fmt: skip
def test_what_is_left_with_two_kept(cluster, rows, kept, needed):
    added = [release(cluster, row).number for row in rows]
    assert added == list(range(1, len(rows) + 1))
    assert numbers(cluster) == kept
    assert copies(cluster) == needed
    assert ("ConfigMap", "hustlex-config") in cluster.objects


def test_every_kept_release_finds_its_settings_whatever_came_before(cluster):
    for row in ("a+", "b-", "a+", "c+", "d-", "b+", "b-", "c+", "e-", "a+"):
        release(cluster, row)
        for number in numbers(cluster):
            for each in manifests_of(cluster, "n", number):
                assert each["kind"] != "ConfigMap" or ("ConfigMap", each["metadata"]["name"]) in cluster.objects


def test_settings_of_a_run_that_recorded_nothing_go_with_the_next_old_record(cluster):
    add_copy(cluster, "z")
    release(cluster, "a+")
    release(cluster, "b+")
    assert copies(cluster) == "abz"
    release(cluster, "c+")
    assert copies(cluster) == "bc"


def test_a_number_is_never_given_twice(cluster):
    for row in ("a+", "b+", "c+"):
        release(cluster, row)
    assert release(cluster, "d+").number == 4


class TwoRuns(ClusterDouble):
    """Just before this run records its release, another one records one of other settings."""

    other = ""

    def create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.other:
            row, self.other = self.other, ""
            release(self, row, keep=20)
        return super().create(kind, manifest)


def test_another_run_at_the_same_moment_keeps_its_number_and_its_settings():
    cluster = TwoRuns()
    for row in ("a+", "b+"):
        release(cluster, row)
    cluster.other = "c+"
    assert release(cluster, "d+").number == 4
    assert numbers(cluster) == [4, 3]
    assert copies(cluster) == "cd"


class Refusing(ClusterDouble):
    """Refuses every new object."""

    status = 409

    def create(self, _kind: Kind, _manifest: dict[str, Any]) -> dict[str, Any]:
        raise ApiError("refused", self.status)


@pytest.mark.parametrize(("status", "words"), [(409, "again and again: run it again"), (403, "^refused$")])
def test_what_cannot_be_recorded_removes_nothing(status, words):
    cluster = Refusing()
    cluster.status = status
    add_copy(cluster, "z")
    with pytest.raises(KubeError, match=words):
        release(cluster, "a+")
    assert copies(cluster) == "az"


def test_settings_stay_when_nobody_can_tell_who_needs_them(cluster):
    for row in ("a+", "b+"):
        release(cluster, row)
    cluster.objects["ConfigMap", f"{NAME}2"]["data"] = {}
    said: list[str] = []
    assert release(cluster, "c+", warn=said.append).number == 3
    assert "The record of release 2 holds no manifests any more" in said[0]
    assert copies(cluster) == "abc"


class Keeping(ClusterDouble):
    """Deletes nothing whose name begins so."""

    kept = ""

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        if self.kept and name.startswith(self.kept):
            raise ApiError(f"Not allowed: cannot delete {name}.", 403)
        super().delete(kind, namespace, name)


@pytest.mark.parametrize("kept", [NAME, COPY])
def test_a_release_is_recorded_although_old_ones_cannot_be_removed(kept):
    cluster = Keeping()
    for row in ("a+", "b+"):
        release(cluster, row)
    cluster.kept = kept
    said: list[str] = []
    assert release(cluster, "c+", warn=said.append).number == 3
    assert numbers(cluster)[0] == 3
    assert copies(cluster) == "abc"
    assert len(said) == 1
    assert said[0].startswith("Old releases and their settings stay for now")
    assert f"cannot delete {kept}" in said[0]
    cluster.kept = ""
    release(cluster, "d+", warn=said.append)
    assert (numbers(cluster), copies(cluster), len(said)) == ([4, 3], "cd", 1)


API, WORKER = {"app": "api"}, {"app": "worker"}
OLD, NEW = "example.org/hustlex/api@sha256:old", "example.org/hustlex/api@sha256:new"


def workload(labels: dict[str, str], kind: str = "Deployment") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": labels["app"]}, "spec": {"selector": {"matchLabels": labels}}}


def pod(labels: dict[str, str], image: str | None, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    statuses = [] if image is None else [{"name": labels["app"], "imageID": image}]
    return {"metadata": {"labels": labels, **metadata}, "status": {"phase": phase, "containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], {}),
        ([pod(API, NEW), pod(API, NEW), pod(WORKER, NEW)], {"api": NEW, "worker": NEW}),
        ([pod(API, NEW), pod({"app": "redis"}, OLD)], {"api": NEW}),
        ([pod(API, NEW), pod(API, OLD, deletionTimestamp="2026-11-25T15:00:00Z")], {"api": NEW}),
        ([pod(API, NEW), pod(API, OLD, "Failed")], {"api": NEW}),
        ([pod(API, NEW), pod(API, "", "Pending")], {"api": NEW}),
        ([pod(API, NEW), pod(API, None, "Pending")], {"api": NEW}),
        ([pod(API, "")], {"api": ""}),
    ],
    ids=["none", "both", "of others", "one that ends", "one that was evicted", "one that starts", "one without a node",
         "a node that says nothing"],
)  # fmt: skip
def test_images_are_those_that_the_nodes_run(cluster, pods, expected):
    for number, each in enumerate(pods):
        cluster.add("Pod", f"pod-{number}", status=each["status"])["metadata"].update(each["metadata"])
    found = [workload(API), workload(WORKER), {"kind": "Service", "metadata": {"name": "api"}, "spec": {}}]
    assert images_of(cluster, "n", found) == expected
