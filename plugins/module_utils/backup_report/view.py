# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person wants to know about the backups: values only, all times in UTC, sizes in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from .words import segments


@dataclass(frozen=True)
class Item:
    """A dump, a base backup or a snapshot. `size` is what it takes in the store."""

    id: str
    start: datetime
    end: datetime
    size: int
    note: str = ""


@dataclass(frozen=True)
class Run:
    """WAL segments without a gap; the times are those of their arrival in the store."""

    timeline: int
    first: str
    last: str
    count: int
    size: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Gap:
    """WAL segments that are not there; the times are those of their neighbours."""

    timeline: int
    first: str
    last: str
    count: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Window:
    """Every moment in it can be restored."""

    start: datetime
    end: datetime
    timeline: int
    base: str


@dataclass(frozen=True)
class Verification:
    """A test restore: how long it took, and how old the newest data in it was."""

    id: str
    when: datetime
    ok: bool
    restore_seconds: float = 0.0
    data_age_seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Failure:
    what: str
    when: datetime
    message: str


@dataclass(frozen=True)
class View:
    """Each list from the oldest to the newest."""

    name: str
    taken: datetime
    windows: Sequence[Window] = ()
    bases: Sequence[Item] = ()
    runs: Sequence[Run] = ()
    gaps: Sequence[Gap] = ()
    dumps: Sequence[Item] = ()
    snapshots: Sequence[Item] = ()
    verifications: Sequence[Verification] = ()
    failures: Sequence[Failure] = ()
    problems: Sequence[str] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC."""
        plain: dict[str, Any] = _plain(self)
        return plain


def problems(view: View) -> list[str]:
    """What is wrong, a sentence each; gaps first, for they cost recovery."""
    gaps = [
        f"WAL of timeline {gap.timeline} lacks {segments(gap.count)}, {gap.first} to {gap.last}:"
        " nothing from there to the end of the next base backup can be restored."
        for gap in view.gaps
    ]
    return [*gaps, *view.problems]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
