# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers for people."""

from __future__ import annotations

import math
from decimal import Decimal


def shown(value: float, unit: str = "", beside: float | None = None) -> str:
    """`0.12 s`, and `1.5 %` for a ratio; exact enough to differ from the number that is shown beside it."""
    digits = 3
    while beside is not None and value != beside and _text(value, unit, digits) == _text(beside, unit, digits):
        digits += 2
    return _text(value, unit, digits)


def _text(value: float, unit: str, digits: int) -> str:
    scaled, name = (value * 100, "%") if unit == "ratio" else (value, unit)
    return f"{_number(scaled, digits)} {name}".strip()


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{Decimal(f'{value:.{digits}g}'):f}"
