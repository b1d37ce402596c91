"""Colors of a panel's values."""

from __future__ import annotations

import pytest
from dashboards import fields, limits
from dashboards.model import Limits


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        (Limits(), [(None, "green")]),
        (Limits(critical=3), [(None, "green"), (3, "red")]),
        (Limits(1, 3), [(None, "green"), (1, "orange"), (3, "red")]),
        (Limits(warning=0), [(None, "green"), (0, "orange")]),
        (Limits(critical=3, falling=True), [(None, "red"), (3, "green")]),
        (Limits(5, 3, falling=True), [(None, "red"), (3, "orange"), (5, "green")]),
    ],
)
def test_colors_begin_at_their_limits(given: Limits, steps: list[tuple[float | None, str]]) -> None:
    found = fields.thresholds(given).build()
    assert [(step.value, step.color) for step in found.steps] == steps


def test_limits_are_the_thresholds_of_the_alerts() -> None:
    assert limits.threshold("http_error_ratio") == 0.01
    with pytest.raises(KeyError):
        limits.threshold("nonsense")
