"""Verdicts over looks."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.check import Check, Look, Reading
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import SettingsError
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.gate import Gate

ERRORS = Check("errors", "e", unit="ratio", maximum=0.01)
P95 = Check("p95", "p", unit="s", maximum=0.5)
RESTARTS = Check("restarts", "r", maximum=0, needs_requests=False)
AWAY = "Prometheus at http://p:9090 cannot be reached (connection refused): is it running?"
NAN = math.nan

NO_DATA: list[float] = []


def look(*series: list[float], requests: float | None = 100) -> Look:
    """Series of errors, then p95, then restarts, as far as they are given."""
    names = ("errors", "p95", "restarts")
    readings = {name: Reading.of(numbers) for name, numbers in zip(names, series, strict=False)}
    return Look(readings, Reading(requests))


LOST = Look(lost=AWAY)
GOOD, BAD = look([0.001]), look([0.5])


@pytest.mark.parametrize(
    ("looks", "outcome", "reason"),
    [
        ([GOOD], "passed", "Within the limits: errors 0.1 % (at most 1 %), 100 requests."),
        ([look([0.01])], "passed", "Within the limits: errors 1 % (at most 1 %), 100 requests."),
        ([BAD], "failed", "Too high: errors 50 % (at most 1 %)."),
        ([look([0.0100001])], "failed", "Too high: errors 1.00001 % (at most 1 %)."),
        ([BAD, GOOD], "passed", ""),
        ([BAD, GOOD, BAD, GOOD], "passed", ""),
        ([GOOD, BAD], "failed", "Too high: errors 50 % (at most 1 %)."),
        ([GOOD, BAD, BAD], "failed", "Too high at 2 looks in a row: errors 50 % (at most 1 %)."),
        ([BAD, LOST, BAD], "failed", "Too high at 2 looks in a row: errors 50 % (at most 1 %)."),
        ([BAD, look(NO_DATA), BAD], "failed", "Too high at 2 looks in a row"),
        ([BAD, LOST], "inconclusive", f"No verdict: {AWAY}"),
        (
            [look(NO_DATA)],
            "inconclusive",
            "No verdict: no data for errors (is the application scraped?).",
        ),
        ([GOOD, look(NO_DATA)], "inconclusive", ""),
        ([look(NO_DATA), GOOD], "passed", ""),
        ([look([NAN])], "inconclusive", "No verdict: errors not a number (as a ratio without any request)."),
        ([look([0.0, 0.005])], "passed", "Within the limits: errors 0.5 % (at most 1 %), 100 requests."),
        ([look([0.5, 0.0])], "failed", "Too high: errors 50 % (at most 1 %)."),
        ([look([NAN, 0.0])], "inconclusive", ""),
        ([look([NAN, 0.5])], "failed", ""),
        ([look([math.inf])], "failed", "Too high: errors +Inf % (at most 1 %)."),
        ([LOST], "inconclusive", f"No verdict: {AWAY}"),
        ([GOOD, LOST, GOOD], "passed", ""),
        ([LOST, LOST, GOOD], "inconclusive", f"No verdict: Prometheus answered at only 1 of 3 looks. {AWAY}"),
        ([GOOD, GOOD, LOST], "inconclusive", f"No verdict: {AWAY}"),
    ],
)
def test_one_check(looks: list[Look], outcome: str, reason: str) -> None:
    gate = Gate([ERRORS])
    for each in looks:
        gate.add(each)
    verdict = gate.conclude()
    assert verdict.outcome.value == outcome
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize(
    ("looks", "outcome", "reason"),
    [
        ([look([0.0], requests=20)], "passed", ""),
        ([look([0.0], requests=3)], "inconclusive", "No verdict: 3 requests came, and 20 are needed."),
        ([look([0.0], requests=19.9999)], "inconclusive", "No verdict: 19.9999 requests came, and 20 are needed."),
        ([look([NAN], requests=0)], "inconclusive", "No verdict: 0 requests came, and 20 are needed."),
        ([look([0.0], requests=None)], "inconclusive", "No verdict: no number of requests (is"),
        # One failed request of two is no breach yet.
        ([look([0.5], requests=2), look([0.5], requests=3), look([0.0], requests=50)], "passed", ""),
        ([look([0.5], requests=2)], "inconclusive", ""),
        ([look([0.5], requests=2), look([0.5], requests=20)], "failed", "Too high: errors"),
        ([look([0.0], [0.1], [0.0], requests=2)], "inconclusive", "No verdict: 2 requests came"),
        ([look([NAN], [NAN], [2.0], requests=0)], "failed", "Too high: restarts 2 (at most 0)."),
    ],
)
def test_minimum_of_requests(looks: list[Look], outcome: str, reason: str) -> None:
    checks = [ERRORS, P95, RESTARTS][: max(len(each.readings) for each in looks)]
    gate = Gate(checks, minimum_requests=20)
    for each in looks:
        gate.add(each)
    verdict = gate.conclude()
    assert (verdict.outcome.value, verdict.reason.startswith(reason)) == (outcome, True), verdict


@pytest.mark.parametrize(
    ("limits", "before", "now", "outcome", "reason"),
    [
        ({"max_increase": 2}, 0.1, 0.2, "passed", "Within the limits: p95 0.2 s (at most 0.2 s)."),
        ({"max_increase": 2}, 0.1, 0.21, "failed", "Too high: p95 0.21 s (at most 0.2 s; 0.1 s before)."),
        (
            {"max_increase": 2, "maximum": 0.15},
            0.1,
            0.2,
            "failed",
            "Too high: p95 0.2 s (at most 0.15 s; 0.1 s before)",
        ),
        ({"max_increase": 2}, 0.0, 0.01, "failed", "Too high: p95 0.01 s (at most 0 s; 0 s before)."),
        ({"max_increase": 2, "min_before": 0.05}, 0.0, 0.1, "passed", ""),
        ({"max_increase": 2}, None, 0.1, "inconclusive", "No verdict: no value before to compare p95 with."),
        (
            {"max_increase": 2, "maximum": 0.5},
            None,
            0.1,
            "passed",
            "Within the limits: p95 0.1 s (at most 0.5 s). There was no value before to compare p95 with.",
        ),
        ({"max_increase": 2, "maximum": 0.5}, None, 0.6, "failed", "Too high: p95 0.6 s (at most 0.5 s)."),
    ],
)
def test_against_the_value_before(
    limits: dict[str, float], before: float | None, now: float, outcome: str, reason: str
) -> None:
    gate = Gate([Check("p95", "p", unit="s", **limits)])  # type: ignore[arg-type]
    gate.before = {"p95": before}
    gate.add(Look({"p95": Reading(now)}))
    verdict = gate.conclude()
    assert (verdict.outcome.value, verdict.reason.startswith(reason)) == (outcome, True), verdict


def test_every_breach_is_named_and_good_values_are_not() -> None:
    gate = Gate([ERRORS, P95, RESTARTS])
    gate.add(look([0.02], [0.7], [0.0]))
    assert gate.conclude().reason == "Too high: errors 2 % (at most 1 %), p95 0.7 s (at most 0.5 s)."


def test_everything_that_is_missing_is_named() -> None:
    gate = Gate([ERRORS, P95, RESTARTS, Check("queue", "q", max_increase=2)])
    gate.add(Look({"errors": Reading.of([NAN]), "restarts": Reading.of([NAN]), "queue": Reading(1)}))
    assert gate.conclude().reason == (
        "No verdict: no data for p95 (is the application scraped?), errors and restarts not a number"
        " (as a ratio without any request), no value before to compare queue with."
    )


def test_two_checks_that_take_turns_do_not_last() -> None:
    gate = Gate([ERRORS, P95])
    for each in (look([0.5], [0.1]), look([0.0], [0.9]), look([0.0], [0.1])):
        gate.add(each)
    assert gate.conclude().outcome.value == "passed"


def test_worst_value_of_all_looks() -> None:
    gate = Gate([ERRORS])
    for each in (look([0.002]), look([0.009]), LOST, look([NAN]), look([0.001])):
        gate.add(each)
    assert gate.worst(ERRORS) == 0.009


@pytest.mark.parametrize(
    ("each", "line"),
    [
        (look([0.0], [0.1234], requests=214.4), "errors 0 % (at most 1 %), p95 0.123 s (at most 0.5 s), 214 requests"),
        (look([NAN], NO_DATA, requests=None), "errors not a number (at most 1 %), p95 no data (at most 0.5 s)"),
        (LOST, AWAY),
    ],
)
def test_line(each: Look, line: str) -> None:
    assert Gate([ERRORS, P95]).line(each) == line


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({}, "Query x has no limit"),
        ({"maximum": NAN}, "The limits of query x must be finite"),
        ({"max_increase": math.inf}, "The limits of query x must be finite"),
        ({"maximum": 1, "min_before": NAN}, "The limits of query x must be finite"),
    ],
)
def test_limits_that_limit_nothing(limits: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Check("x", "q", **limits)
