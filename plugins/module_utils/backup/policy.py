# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import BackupError


@dataclass(frozen=True)
class Keep:
    """Rule for dumps or snapshots: younger than C(days), or among the newest C(minimum), or chosen by a calendar.

    C(daily), C(weekly), C(monthly), C(yearly): so many of the last days (ISO weeks, months, years) that have a backup
    keep their newest one.
    """

    days: float = 30.0
    minimum: int = 2
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


@dataclass(frozen=True)
class Policy:
    """C(window_days): every moment of the last days can be recovered. C(cap): the most that one run deletes of a kind,
    without being confirmed, as a number or as a share such as 20%; one is always allowed.
    """

    window_days: float = 7.0
    minimum_bases: int = 2
    dumps: Keep = field(default_factory=Keep)
    snapshots: Keep = field(default_factory=lambda: Keep(days=7.0))
    cap: str = "20%"
    max_skew_seconds: float = 300.0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Policy:
        """Raises BackupError for what is not a policy."""
        try:
            given = {key: _as(getattr(cls(), key), value) for key, value in values.items()}
            policy = cls(**given)
        except (AttributeError, TypeError, ValueError) as error:
            raise BackupError(f"The retention policy is not understood: {error}.") from error
        policy.check()
        return policy

    def check(self) -> None:
        """Raises BackupError for a policy that would keep nothing."""
        if self.window_days <= 0 or self.minimum_bases < 1:
            raise BackupError("The retention policy needs a window of more than 0 days and at least 1 base backup.")
        for kind, rule in (("dumps", self.dumps), ("snapshots", self.snapshots)):
            if rule.days <= 0 or rule.minimum < 1:
                raise BackupError(f"The retention policy for {kind} needs more than 0 days and a minimum of 1.")
        self.allowed(100)

    def allowed(self, there: int) -> int:
        """How many of so many one run deletes without being confirmed."""
        text = self.cap.strip()
        try:
            share = int(text.removesuffix("%"))
        except ValueError:
            raise BackupError(
                f"The cap of the retention policy is a number or a share such as 20%, not {text}."
            ) from None
        if share < 0 or (text.endswith("%") and share > 100):
            raise BackupError(f"The cap of the retention policy cannot be {text}.")
        return max(1, -(-there * share // 100)) if text.endswith("%") else share

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "dumps": dict(self.dumps.__dict__),
            "snapshots": dict(self.snapshots.__dict__),
        }


def _as(default: Any, value: Any) -> Any:
    """C(value) in the type of the default: variables arrive as text at times."""
    if isinstance(default, Keep):
        return replace(default, **{key: _as(getattr(default, key), each) for key, each in value.items()})
    return type(default)(value)
