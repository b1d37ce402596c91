"""One task of module logs: what warns, what fails, and what never does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.action import logs as action
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, ConfigError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import Kind

from ..kube.cluster_double import ClusterDouble

ERROR = "ERROR with the-password\n"
FORBIDDEN = ApiError('Not allowed: User "ci" cannot list resource "pods" in API group "" in the namespace "n".', 403)


class Cluster(ClusterDouble):
    """Two pods of the new ReplicaSet; forbidden: a kind that the user may not list."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden, self.log_of = "", {"a": "", "b": ""}
        self.add("Secret", "s", data={"K": "dGhlLXBhc3N3b3Jk"})
        for name in self.log_of:
            made = self.add("Pod", name, spec={"containers": [{"name": "api"}]})
            made["metadata"] |= {"namespace": "n", "ownerReferences": [{"kind": "ReplicaSet", "name": "api-1"}]}

    def list(self, kind: Kind, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        if kind.name == self.forbidden:
            raise FORBIDDEN
        return super().list(kind, namespace, selector)

    def log(self, _namespace: str, pod: str, *_arguments: Any, **_bounds: Any) -> str:
        return self.log_of[pod]


class Task:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cluster = folder, Cluster()
        self.shown: list[str] = []
        monkeypatch.setattr(action, "connect", lambda _arguments: self.cluster)
        monkeypatch.setattr(action.display, "display", self.shown.append)

    def __call__(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"namespace": "n", "replica_sets": ["api-1"], "pattern": "ERROR", **options}
        task = SimpleNamespace(args=arguments, check_mode=check_mode, async_val=0)
        local = SimpleNamespace(_shell=SimpleNamespace(tmpdir=str(self.folder)))
        loader = DataLoader()
        result: dict[str, Any] = action.ActionModule(task, local, None, loader, Templar(loader)).run(task_vars={})
        return result


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(tmp_path, monkeypatch)


def test_no_error_lines_are_said_and_no_warning(task: Task) -> None:
    result = task(max=0)
    assert (result["errors"], result["sentences"]) == (0, ["no error lines in the logs of 2 pods"])
    assert "warnings" not in result
    assert not result.get("failed")
    assert task.shown == ["  no error lines in the logs of 2 pods"]


@pytest.mark.parametrize(("most", "fails"), [(-1, False), (3, False), (2, True), (0, True)])
def test_error_lines_warn_and_fail_only_above_what_is_allowed(task: Task, most: int, fails: bool) -> None:
    task.cluster.log_of = {"a": ERROR * 2, "b": ERROR}
    result = task(max=most)
    said = ["a: 2 error lines, first: ERROR with ***", "b: 1 error line, first: ERROR with ***"]
    assert (result["errors"], result["sentences"]) == (3, said)
    assert result.get("failed", False) is fails
    if fails:
        assert result["msg"] == f"3 error lines in the logs of the new pods, where at most {most} may be: {said[0]}"
        assert [each["logs"] for each in result["evidence"]] == [
            {"a/api": ["ERROR with ***"] * 2},
            {"b/api": ["ERROR with ***"]},
        ]
        assert "    | ERROR with ***" in "\n".join(task.shown)
    else:
        assert result["warnings"] == said
    assert "the-password" not in str(result) + str(task.shown)


def test_where_secrets_may_not_be_read_no_line_is_shown(task: Task) -> None:
    task.cluster.log_of["a"], task.cluster.forbidden = ERROR, "Secret"
    assert task()["sentences"] == ["a: 1 error line"]


def test_what_cannot_be_read_never_fails(task: Task) -> None:
    task.cluster.forbidden = "Pod"
    result = task(max=0)
    assert not result.get("failed")
    assert result["warnings"] == result["sentences"] == [f"the logs were not read: {FORBIDDEN}"]


def test_a_pattern_that_is_none_never_fails(task: Task) -> None:
    result = task(max=0, pattern="(")
    assert not result.get("failed")
    assert "is no regular expression" in result["warnings"][0]


def test_a_login_that_cannot_work_fails(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_arguments: Any) -> None:
        raise ConfigError("The login command failed.")

    monkeypatch.setattr(action, "connect", connect)
    result = task()
    assert (result["failed"], result["msg"]) == (True, "The login command failed.")


def test_check_mode_reads_and_says_nothing(task: Task) -> None:
    task.cluster.log_of["a"] = ERROR
    result = task(check_mode=True, max=0, replica_sets=[])
    assert (result["errors"], result["sentences"], result["changed"]) == (0, [], False)
    assert "warnings" not in result
    assert (task.shown, task.cluster.requests) == ([], 0)
