# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubernetes resource quantities as plain numbers, and back.

Source of the grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
Like Kubernetes itself, what is finer than the unit of the result is rounded up.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?")
_LARGEST = 2**63 - 1


class QuantityError(ValueError):
    """The value is not a resource quantity that a pod can ask for."""


def _parse(value: object, what: str) -> Decimal:
    text = str(value).strip()
    match = _FORM.fullmatch(text)
    if isinstance(value, bool) or match is None:
        raise QuantityError(f"{text!r} is not a {what} quantity")
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        scale = Decimal(1024) ** _BINARY[suffix]
    else:
        scale = Decimal(10) ** (int(match["exponent"]) if match["exponent"] else _DECIMAL[suffix])
    amount = Decimal(match["number"]) * scale
    if amount > _LARGEST:
        raise QuantityError(f"{text!r} is more than a {what} quantity can hold")
    return amount


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))


def memory_bytes(value: object) -> int:
    """Bytes in a memory or storage quantity such as C(4Gi), C(512M) or C(1e9)."""
    return _up(_parse(value, "memory"))


def cpu_millicores(value: object) -> int:
    """Thousandths of a core in a CPU quantity such as C(500m), C(2) or C(0.5)."""
    return _up(_parse(value, "CPU") * 1000)


def cpu_cores(value: object) -> float:
    """Cores in a CPU quantity, to a thousandth."""
    return cpu_millicores(value) / 1000


def memory_quantity(count: int) -> str:
    """The shortest exact quantity for a number of bytes: C(4Gi), C(1536Mi), C(1000)."""
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _LARGEST:
        raise QuantityError(f"{count!r} is not a number of bytes")
    for suffix, power in reversed(_BINARY.items()):
        unit = 1024**power
        if count and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)


def cpu_quantity(cores: object) -> str:
    """The quantity for a number of cores: C(2) or C(500m)."""
    millicores = cpu_millicores(cores)
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"
