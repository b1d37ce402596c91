"""What a migration by hand runs, and when it may not."""

import json
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.migration_plan import (
    Running,
    Wish,
    arguments,
    objection,
    reading,
)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish("status"), ["migrate", "status"]),
        (Wish("up", "nonsense"), ["migrate", "up"]),
        (Wish("down", "2"), ["migrate", "down", "2"]),
    ],
)
def test_arguments(wish: Wish, expected: list[str]) -> None:
    assert arguments(wish, confirmed=True) == expected


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("sideways"), 'There is no direction "sideways": give up, down or status.'),
        *(
            (
                Wish("down", steps),
                f'"{steps}" is no number of migrations: give a whole number of at least 1 (-e steps=1).',
            )
            for steps in ("0", "-1", "1.5", "all", "", "٣", "99999")
        ),
    ],
)
def test_orders_that_are_not_clear(wish: Wish, words: str) -> None:
    with pytest.raises(KubeError) as refused:
        arguments(wish, confirmed=True)
    assert str(refused.value) == words


def test_down_wants_to_be_confirmed() -> None:
    with pytest.raises(KubeError, match=r"newest 2 migrations of production back, .* add -e confirm=production\.$"):
        arguments(Wish("down", "2", "production"), confirmed=False)
    assert arguments(Wish("status", "1", "production"), confirmed=False)


@pytest.mark.parametrize(
    ("pods", "steps", "words"),
    [
        ([], 3, ""),
        ([Running("a", 5, 6)], 1, ""),
        ([Running("a", 4, 6), Running("b", 4, 6)], 2, ""),
        (
            [Running("a", 6, 6)],
            1,
            "The running code (pod a) needs schema 6, and 1 migration less than 6 leaves 5: bring code back first that"
            " needs no more than that (playbooks/rollback.yml).",
        ),
        (
            [Running("a", 4, 6), Running("b", 5, 6)],
            2,
            "The running code (pod b) needs schema 5, and 2 migrations less than 6 leaves 4: bring code back first that"
            " needs no more than that (playbooks/rollback.yml).",
        ),
        (
            [Running("a", 1, 2)],
            9,
            "The running code (pod a) needs schema 1, and 9 migrations less than 2 leaves 0: bring code back first that"
            " needs no more than that (playbooks/rollback.yml).",
        ),
        (
            [Running("a", 5, 6), Running("b", problem="no answer")],
            1,
            "Pod b does not say which schema it needs (no answer), so that it may well stop working.",
        ),
        ([Running("a", 5)], 1, "Pod a does not say which schema it finds, so that it may well stop working."),
    ],
)
def test_objections(pods: list[Running], steps: int, words: str) -> None:
    assert objection(pods, steps) == words


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"database": {"status": "up", "schema": 6, "needs_schema": 5}}, Running("p", 5, 6)),
        (503, {"database": {"status": "down", "schema": 4, "needs_schema": 5, "error": "old"}}, Running("p", 5, 4)),
        (503, {"database": {"status": "down", "error": "unreachable", "needs_schema": 5}}, Running("p", 5)),
        (200, {"database": {"schema": "6", "needs_schema": True}}, Running("p")),
        (403, {"kind": "Status", "message": "pods is forbidden"}, Running("p", problem="pods is forbidden")),
        (200, {"database": "up"}, Running("p", problem="status 200")),
        (200, ["database"], Running("p", problem="status 200")),
        (502, "<html>", Running("p", problem="status 502")),
    ],
)
def test_what_a_pod_answers(status: int, body: Any, expected: Running) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    assert reading("p", status, text.encode()) == expected
