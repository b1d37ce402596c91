# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which secret values may reach an environment, and random values that may.

Sources: RFC 7518, 3.2 (an HS256 key has at least the 32 bytes of its hash); NIST SP 800-63B-4, 3.1.1.2 (a password that
stands alone has at least 15 characters); Paystack's key formats C(sk_live_...) and C(sk_test_...).
Messages name keys and what is wrong with them, never a value.
"""

from __future__ import annotations

import math
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_PLACEHOLDER = re.compile(
    r"""your[-_ ].*
    | .*change[-_ ]?(?:me|this|it).*
    | .*replace[-_ ]?(?:me|this|with).*
    | .*_?x{3,}
    | <.*> | \$\{.*\} | \{\{.*\}\} | \*+ | \.{3,} | -+ | \?+
    | (?:an?[-_ ])?(?:example|placeholder|dummy|sample)(?:[-_ ].*)?
    | (?:secret|password|passwd|todo|tbd|fixme|none|null|nil|undefined|not[-_ ]?set(?:[-_ ]yet)?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PAYSTACK = re.compile(r"sk_(?P<mode>live|test)_[A-Za-z0-9]{20,}")


class SecretsError(ValueError):
    """Some secrets must not be used; the message names all of them."""


@dataclass(frozen=True)
class Rule:
    """What one secret needs to be strong.

    C(minimum_bytes) is the length, C(minimum_bits) the least estimate of its entropy.
    """

    minimum_bytes: int = 15
    minimum_bits: int = 40
    source: str = "NIST SP 800-63B-4"


_RULES = {"JWT_SECRET": Rule(32, 96, "RFC 7518, 3.2")}
_ANY = Rule()


def entropy_bits(value: str) -> float:
    """Shannon's estimate from the value's own characters, 0 for a repeated piece and for a run such as C(abcdef)."""
    length = len(value)
    if not length or value in (value + value)[1:-1]:
        return 0.0
    steps = sum(abs(ord(a) - ord(b)) <= 1 for a, b in pairwise(value))
    if steps * 2 > length:
        return 0.0
    return -sum(count * math.log2(count / length) for count in Counter(value).values())


def _problem(key: str, value: object, environment: str, allow_weak: bool) -> str | None:
    if value is None:
        return "is missing"
    if not isinstance(value, str):
        return "is not text"
    if not value.strip():
        return "is empty"
    if _CONTROL.search(value):
        return "holds a line break or another control character"
    if value != value.strip():
        return "begins or ends with a blank"
    if _PLACEHOLDER.fullmatch(value):
        return "is a placeholder"
    if key == "PAYSTACK_SECRET_KEY":
        match = _PAYSTACK.fullmatch(value)
        if match is None:
            return "is no Paystack secret key (sk_live_... or sk_test_...)"
        if match["mode"] == "test" and environment == "production":
            return "is a test key (production needs sk_live_...)"
    if allow_weak:
        return None
    rule = _RULES.get(key, _ANY)
    if len(value.encode()) < rule.minimum_bytes:
        return f"is shorter than {rule.minimum_bytes} bytes ({rule.source})"
    if entropy_bits(value) < rule.minimum_bits:
        return "is easy to guess (few or repeated characters)"
    return None


def check(
    values: Mapping[str, object], required: Iterable[str], environment: str = "production", allow_weak: bool = False
) -> None:
    """Raise SecretsError that names every required key with a value that must not be used.

    C(allow_weak) lets short and guessable values pass, nothing else.
    """
    problems = [
        f"{key} {problem}" for key in required if (problem := _problem(key, values.get(key), environment, allow_weak))
    ]
    if problems:
        raise SecretsError(f"These secrets cannot be used: {', '.join(problems)}.")


def generate(key: str, size: int) -> str:
    """A random value for C(key) that passes C(check) outside production, from C(size) random bytes."""
    if size < 20:
        raise SecretsError(f"{key} needs at least 20 random bytes, not {size}.")
    return f"{'sk_test_' if key == 'PAYSTACK_SECRET_KEY' else ''}{secrets.token_hex(size)}"
