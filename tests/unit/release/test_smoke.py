"""When a release counts as healthy."""

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.release.smoke import Place, check

OK, OLD, NOTHING = (200, {"version": "v2"}), (200, {"version": "v1"}), (0, {})
DOWN = (503, {"version": "v2", "database": {"status": "down", "error": "unreachable"}, "redis": {"status": "up"}})


@pytest.mark.parametrize(
    ("answers", "passed", "words"),
    [
        ([OK, OK, OK], True, "healthy with version v2"),
        ([NOTHING, OK, OLD, OK, OK, OK], True, "healthy"),
        ([OLD], False, "serves version v1, not v2"),
        ([DOWN], False, "answers 503 (database is down: unreachable)"),
        ([NOTHING], False, "gives no answer"),
    ],
)
def test_three_good_answers_in_a_row(answers, passed, words):
    left, now = list(answers), [0.0]
    place = Place("Service x", lambda: left.pop(0) if len(left) > 1 else left[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    verdict = check(place, "v2", 10, clock=lambda: now[0], sleep=sleep)
    assert verdict.passed is passed
    assert words in verdict.sentence
