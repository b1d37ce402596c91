"""A watch with a clock of its own and a Prometheus that answers as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.check import Check
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import (
    QueryRefusedError,
    SettingsError,
    UnavailableError,
)
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.watch import Plan, Watch, utc

ERRORS = Check("errors", "e", unit="ratio", maximum=0.01)
AWAY = UnavailableError("Prometheus at http://p cannot be reached (connection refused): is it running?")


class World:
    """Time passes when somebody sleeps or asks; notes what was said and asked at which second."""

    def __init__(self, answer: Callable[[float, str, str], Any], asking_takes: float = 0) -> None:
        self.now = 1000.0
        self.answer, self.asking_takes = answer, asking_takes
        self.said: list[str] = []
        self.asked: list[tuple[float, str, str]] = []
        self.beats: list[float] = []

    def numbers(self, query: str, time: str = "") -> list[float]:
        self.asked.append((self.now - 1000, query, time))
        given = self.answer(self.now - 1000, query, time)
        self.now += self.asking_takes
        if isinstance(given, Exception):
            raise given
        return [given] if isinstance(given, float) else list(given)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def beat(self) -> None:
        self.beats.append(self.now - 1000)

    def watch(self, plan: Plan, beat: Callable[[], None] | None = None) -> Watch:
        return Watch(self, plan, self.said.append, beat or self.beat, lambda: self.now, self.sleep)


def test_a_good_version_is_watched_to_the_end() -> None:
    world = World(lambda *_: 0.0)
    watch = world.watch(Plan([ERRORS], seconds=60))
    assert watch.run().outcome.value == "passed"
    assert [second for second, _query, _time in world.asked] == [0, 10, 20, 30, 40, 50, 60]
    assert world.said[0] == "   0 s of 60 s  errors 0 % (at most 1 %)"
    assert len(world.said) == 7
    assert watch.seconds == 60


def test_a_lasting_breach_ends_the_watch() -> None:
    world = World(lambda second, *_: 0.5 if second >= 20 else 0.0)
    watch = world.watch(Plan([ERRORS], seconds=60))
    assert watch.run().outcome.value == "failed"
    assert watch.seconds == 30


def test_one_look() -> None:
    world = World(lambda *_: 0.0)
    assert world.watch(Plan([ERRORS])).run().outcome.value == "passed"
    assert world.said == ["errors 0 % (at most 1 %)"]


def test_the_connection_is_lost_in_the_middle_and_comes_back() -> None:
    world = World(lambda second, *_: AWAY if second in (20, 30) else 0.0)
    assert world.watch(Plan([ERRORS], seconds=60)).run().outcome.value == "passed"
    assert world.said[2] == f"  20 s of 60 s  {AWAY}"


def test_the_connection_is_lost_for_good() -> None:
    world = World(lambda second, *_: AWAY if second >= 20 else 0.0)
    watch = world.watch(Plan([ERRORS], seconds=60))
    verdict = watch.run()
    assert (verdict.outcome.value, verdict.reason) == ("inconclusive", f"No verdict: {AWAY}")
    assert len(watch.gate.looks) == 7


def test_a_slow_prometheus_does_not_lengthen_the_watch() -> None:
    world = World(lambda *_: 0.0, asking_takes=25)
    watch = world.watch(Plan([ERRORS], seconds=60))
    watch.run()
    assert [second for second, _query, _time in world.asked] == [0, 25, 50, 75]


def test_a_refused_query_ends_the_watch_at_once() -> None:
    world = World(lambda *_: QueryRefusedError('invalid parameter "query": parse error'))
    with pytest.raises(
        QueryRefusedError, match=r'refuses the query of errors: invalid parameter "query": parse error\.$'
    ):
        world.watch(Plan([ERRORS], seconds=60)).run()
    assert world.now == 1000


def test_a_lost_lease_ends_the_watch() -> None:
    world = World(lambda *_: 0.0)

    def beat() -> None:
        if world.now >= 1020:
            raise KubeError("Another run took the lease over.")

    with pytest.raises(KubeError, match="took the lease over"):
        world.watch(Plan([ERRORS], seconds=60), beat).run()
    assert [second for second, *_rest in world.asked] == [0, 10]


def test_a_long_interval_leaves_neither_silence_nor_an_old_lease() -> None:
    world = World(lambda *_: 0.0)
    world.watch(Plan([ERRORS], seconds=60, interval=30)).run()
    assert [second for second, *_rest in world.asked] == [0, 30, 60]
    assert world.beats == [0, 10, 20, 30, 40, 50, 60]
    assert [line[:4] for line in world.said] == ["   0", "  10", "  20", "  30", "  40", "  50", "  60"]


def test_values_that_do_not_change_are_not_said_again() -> None:
    world = World(lambda second, *_: 0.0 if second < 4 else 0.005)
    world.watch(Plan([ERRORS], seconds=20, interval=2)).run()
    assert [line[:4] for line in world.said] == ["   0", "   4", "  14"]


def test_values_before_are_asked_once_and_as_soon_as_there_is_an_answer() -> None:
    since = "2026-07-01T09:30:00Z"
    check = Check("p95", "now", unit="s", max_increase=2, query_before="then")
    world = World(lambda second, *_: AWAY if second == 0 else 0.1)
    watch = world.watch(Plan([check], seconds=30, since=since))
    assert watch.run().outcome.value == "passed"
    assert [each for each in world.asked if each[2]] == [(0, "then", since), (10, "then", since)]
    assert watch.gate.before == {"p95": 0.1}


def test_requests_are_counted() -> None:
    world = World(lambda _second, query, _time: 19.0 if query == "count" else 0.0)
    plan = Plan([ERRORS], requests_query="count", minimum_requests=20)
    assert world.watch(plan).run().reason == "No verdict: 19 requests came, and 20 are needed."


@pytest.mark.parametrize(
    ("seconds", "interval", "moments"),
    [(0, 10, [0]), (5, 10, [0, 5]), (60, 20, [0, 20, 40, 60]), (61, 20, [0, 15.25, 30.5, 45.75, 61])],
)
def test_moments(seconds: float, interval: float, moments: list[float]) -> None:
    assert Plan([ERRORS], seconds, interval).moments() == moments


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"checks": []}, "queries is empty"),
        ({"checks": [ERRORS, ERRORS]}, "several queries of the name errors"),
        ({"seconds": -1}, "seconds must not be negative"),
        ({"interval": 0}, "interval must be more than 0"),
        ({"minimum_requests": 5}, "minimum_requests needs requests_query"),
        ({"checks": [Check("p95", "p", max_increase=2)]}, "max_increase needs since"),
    ],
)
def test_plans_that_make_no_sense(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Plan(**{"checks": [ERRORS], **changes})


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", ""),
        ("2026-07-01T09:30:00Z", "2026-07-01T09:30:00Z"),
        ("2026-07-01 09:30:00+01:00", "2026-07-01T08:30:00Z"),
        ("2026-07-01T09:30:00.123456789Z", "2026-07-01T09:30:00.123456Z"),
    ],
)
def test_times(text: str, time: str) -> None:
    assert utc(text) == time


@pytest.mark.parametrize("text", ["2026-07-01T09:30:00", "yesterday", "1751362200"])
def test_no_times(text: str) -> None:
    with pytest.raises(SettingsError, match="since must be a time with its zone"):
        utc(text)
