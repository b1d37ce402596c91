"""Numbers for people."""

from __future__ import annotations

import math

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.words import shown


@pytest.mark.parametrize(
    ("value", "unit", "beside", "text"),
    [
        (0, "ratio", None, "0 %"),
        (0.521, "ratio", None, "52.1 %"),
        (1, "ratio", None, "100 %"),
        (0.0000012, "ratio", None, "0.00012 %"),
        (0.12345, "s", None, "0.123 s"),
        (1234.5, "s", None, "1234 s"),
        (2, "", None, "2"),
        (0.50004, "s", 0.5, "0.50004 s"),
        (0.5, "s", 0.5, "0.5 s"),
        (1e300, "", 1e299, f"{1e300:.0f}"),
        (math.inf, "s", 0.5, "+Inf s"),
        (-math.inf, "", None, "-Inf"),
    ],
)
def test_shown(value: float, unit: str, beside: float | None, text: str) -> None:
    assert shown(value, unit, beside) == text
