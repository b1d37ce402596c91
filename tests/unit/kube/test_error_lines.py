"""Error lines in logs: which lines are some, what is read of which pods, and how it is told."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.kube import error_lines
from ansible_collections.hustlex.platform.plugins.module_utils.kube.client import Client
from ansible_collections.hustlex.platform.plugins.module_utils.kube.error_lines import (
    BYTES,
    KEPT_LINES,
    LINES,
    PatternError,
    Reading,
    compiled,
    errors_in,
    evidence,
    pods_of,
    read,
    sentences,
)
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, UnreachableError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.lease import LeaseLostError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.mask import Masker

TESTS = Path(__file__).parents[2]
CASES = yaml.safe_load((TESTS / "unit/kube/fixtures/logs.yml").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((TESTS.parent / "roles/app/defaults/main.yml").read_text(encoding="utf-8"))
PATTERN = compiled(DEFAULTS["app_log_error_pattern"])
ERROR = '{"level": "error", "message": "request failed"}\n'
FINE = '{"level": "info", "message": "request"}\n'
SINCE = "2026-11-25T15:00:00+00:00"
FORBIDDEN = ApiError('Not allowed: User "ci" cannot get resource "pods/log" in API group "" in the namespace "n".', 403)


class Logs(Client):
    """Gives logs by their titles, `pod/container` and `pod/container previous`; one that it has not was never begun."""

    def __init__(self, logs: Mapping[str, str | Exception]) -> None:
        self.logs = logs
        self.asked: list[str] = []

    def log(self, namespace: str, pod: str, container: str, lines: int, previous: bool = False, **bounds: Any) -> str:
        assert (namespace, lines) == ("n", LINES)
        assert bounds == {"since": SINCE, "most_bytes": BYTES, "seconds": error_lines.ONE_LOG_SECONDS}
        title = f"{pod}/{container}{' previous' if previous else ''}"
        self.asked.append(title)
        found = self.logs.get(title, ApiError("container is waiting to start", 400))
        if isinstance(found, Exception):
            raise found
        return found


def pod(name: str, owner: str = "api-1", restarts: int = 0, containers: tuple[str, ...] = ("api",)) -> dict[str, Any]:
    references = [{"kind": "ReplicaSet", "name": owner}]
    return {
        "metadata": {"name": name, "namespace": "n", "ownerReferences": references},
        "spec": {"containers": [{"name": each} for each in containers]},
        "status": {"containerStatuses": [{"name": each, "restartCount": restarts} for each in containers]},
    }


def reading(logs: Mapping[str, str | Exception], *pods: dict[str, Any], containers: tuple[str, ...] = ()) -> Reading:
    return read(Logs(logs), pods, containers, SINCE, PATTERN)


@pytest.mark.parametrize("case", CASES, ids=[each["case"] for each in CASES])
def test_error_lines_are_told_from_others(case: dict[str, Any]) -> None:
    log = case["log"]
    text = log.decode("utf-8", errors="replace") if isinstance(log, bytes) else log
    found = reading({"p/api": text}, pod("p"))
    told = [line for each in evidence(found, Masker(), "n") for lines in each.logs.values() for line in lines]
    assert told == case["errors"]
    assert found.errors == len(case["errors"])


def test_a_pattern_of_ones_own_decides_alone() -> None:
    assert errors_in("declined\nERROR\n", compiled("declined"))[:2] == (1, ["declined"])


def test_a_pattern_that_is_none_is_one_sentence() -> None:
    with pytest.raises(
        PatternError, match=r'^"\(ERROR" is no regular expression of Python \(.+\): mend app_log_error_p'
    ):
        compiled("(ERROR")


@pytest.mark.parametrize(
    ("text", "errors", "is_whole"),
    [
        (FINE * (LINES - 1), 0, True),
        (FINE * LINES, 0, False),
        (ERROR * LINES, LINES, False),
        ("ERROR " + "x" * (BYTES - 7) + "\n", 1, False),
        ("ERROR\n" + "x" * (BYTES - 12) + " ERROR", 1, False),
        ("x" * BYTES, 0, False),
        ("ERROR\n" + "x" * 1000 + " ERROR", 2, True),
    ],
    ids=["short", "long", "long and bad", "one huge line", "cut within a line", "cut within the first", "not cut"],
)
def test_what_was_left_out_is_known(text: str, errors: int, is_whole: bool) -> None:
    number, kept, whole = errors_in(text, PATTERN)
    assert (number, whole) == (errors, is_whole)
    assert len(kept) == min(errors, KEPT_LINES)


@pytest.mark.parametrize(
    ("logs", "pods", "said"),
    [
        ({}, [], ["there are no logs of new pods to read"]),
        ({}, [pod("a")], ["there are no logs of new pods to read"]),
        ({"a/api": "unable to retrieve container logs for containerd://0123"}, [pod("a")],
         ["there are no logs of new pods to read"]),
        ({"a/api": ""}, [pod("a")], ["no error lines in the logs of 1 pod"]),
        ({"a/api": FINE, "b/api": "", "c/api": FINE}, [pod("a"), pod("b"), pod("c")],
         ["no error lines in the logs of 3 pods"]),
        ({"a/api": FINE * LINES, "b/api": FINE}, [pod("a"), pod("b")],
         ["no error lines in what was read of the logs of 2 pods"]),
        ({"a/api": FINE + ERROR, "b/api": FINE}, [pod("a"), pod("b")],
         [f"a: 1 error line, first: {ERROR.strip()}"]),
        ({"a/api": "ERROR one\nERROR two\n", "a/mesh": "ERROR three\n"}, [pod("a", containers=("api", "mesh"))],
         ["a: 3 error lines, first: ERROR one"]),
        ({"a/api": FINE, "a/api previous": "panic: out of luck\n"}, [pod("a", restarts=1)],
         ["a: 1 error line, first: panic: out of luck"]),
        ({"a/api": FINE}, [pod("a", restarts=1)], ["no error lines in the logs of 1 pod"]),
        ({"a/api": "ERROR\n" * LINES}, [pod("a")], [f"a: {LINES} error lines or more, first: ERROR"]),
        ({"a/api": "ERROR the-password " + "x" * 5000}, [pod("a")],
         ["a: 1 error line, first: ERROR *** " + "x" * 290 + "..."]),
        ({"a/api": FORBIDDEN, "b/api": FORBIDDEN}, [pod("a"), pod("b")],
         ["the logs of 2 pods were not read: Not allowed: User \"ci\" cannot get resource \"pods/log\" in API group \"\""
          ' in the namespace "n"']),
        ({"a/api": UnreachableError("The node is away."), "b/api": ERROR}, [pod("a"), pod("b")],
         [f"b: 1 error line, first: {ERROR.strip()}", "the logs of 1 pod were not read: The node is away"]),
        ({"a/api": ApiError("pods \"a\" not found", 404), "b/api": FINE}, [pod("a"), pod("b")],
         ["no error lines in the logs of 1 pod"]),
    ],
    ids=["no pods", "not started", "removed", "silent", "fine", "long", "one bad", "two containers", "restarted",
         "previous log is gone", "many", "huge and secret", "forbidden", "a node is away", "scaled down"],
)  # fmt: skip
def test_logs_are_told_in_sentences(
    logs: Mapping[str, str | Exception], pods: list[dict[str, Any]], said: list[str]
) -> None:
    assert sentences(reading(logs, *pods), Masker(["the-password"])) == said


def test_without_the_secrets_no_line_is_shown() -> None:
    found = reading({"a/api": "ERROR the-password\n"}, pod("a"))
    assert sentences(found, None) == ["a: 1 error line"]
    (shown,) = evidence(found, None, "n")
    assert (shown.reason, shown.logs) == ("1 error line", {})


def test_a_secret_is_hidden_as_json_has_it() -> None:
    value = 'pass"wörd\\1'
    hide = Masker.of_secrets([{"data": {"K": base64.b64encode(value.encode()).decode()}}])
    line = '{"level": "error", "dsn": "x:pass\\"w\\u00f6rd\\\\1@y"}'
    assert sentences(reading({"a/api": line}, pod("a")), hide) == [
        'a: 1 error line, first: {"level": "error", "dsn": "x:***@y"}'
    ]


def test_evidence_has_the_lines_by_run() -> None:
    logs = {"a/api": "ERROR now\n", "a/api previous": "fine\npanic: the-password\n", "b/api": FINE}
    (shown,) = evidence(reading(logs, pod("a", restarts=1), pod("b")), Masker(["the-password"]), "n")
    assert shown.workload == "Pod a"
    assert shown.reason == "2 error lines, first: panic: ***"
    assert shown.logs == {"a/api (previous run)": ["panic: ***"], "a/api": ["ERROR now"]}
    assert shown.command == "kubectl logs a --all-containers -n n"


def test_evidence_fits_into_a_record() -> None:
    names = [f"p{number}" for number in range(40)]
    found = reading({f"{name}/api": f"ERROR {'x' * 900}\n" * 40 for name in names}, *map(pod, names))
    assert found.errors == 1600
    assert len(str(evidence(found, Masker(), "n"))) < 100_000


def test_pods_of_other_replica_sets_are_not_read() -> None:
    others = [pod("old", "api-0"), pod("b"), pod("a"), {"metadata": {"name": "by-hand"}}]
    assert [each["metadata"]["name"] for each in pods_of(others, ["api-1", "worker-1"])] == ["a", "b"]
    assert pods_of(others, []) == []


def test_containers_that_others_added_are_not_read() -> None:
    client = Logs({"a/api": FINE, "a/mesh": ERROR})
    assert read(client, [pod("a", containers=("api", "mesh"))], ["api", "worker"], SINCE, PATTERN).errors == 0
    assert client.asked == ["a/api"]


def test_the_run_before_is_read_first_and_only_where_there_was_one() -> None:
    client = Logs({})
    read(client, [pod("a", restarts=2), pod("b")], [], SINCE, PATTERN)
    assert client.asked == ["a/api previous", "a/api", "b/api"]


def test_the_time_is_bounded_and_the_lock_is_kept() -> None:
    beats: list[Client] = []
    ticks = iter(range(0, 1000, 4))
    client = Logs({f"{name}/api": FINE for name in "abcdef"})
    pods = [pod(name) for name in "abcdef"]
    found = read(client, pods, [], SINCE, PATTERN, beats.append, clock=lambda: next(ticks))
    assert client.asked == ["a/api", "b/api"]
    assert len(beats) == len(pods)
    assert sentences(found, Masker()) == [
        "no error lines in the logs of 2 pods",
        "the logs of 4 pods were not read: there was no time for them within 10 s",
    ]


def test_a_lock_that_is_lost_ends_it() -> None:
    def lost(_client: Client) -> None:
        raise LeaseLostError("lost")

    with pytest.raises(LeaseLostError):
        read(Logs({}), [pod("a")], [], SINCE, PATTERN, lost)
