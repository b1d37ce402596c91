# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments as text: always UTC, always saying so."""

from __future__ import annotations

from datetime import UTC, datetime

_ID = "%Y%m%dT%H%M%SZ"


def iso(moment: datetime) -> str:
    """2026-11-24T03:00:00Z, with fractions of a second only where there are some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """A moment with an explicit offset; ValueError without one, as nobody can tell what it means."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} does not say its time zone: end it with Z or an offset such as +01:00")
    return moment.astimezone(UTC)


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def backup_id(moment: datetime) -> str:
    """The name of a dump or snapshot started at C(moment): 20261124T030000Z."""
    return moment.astimezone(UTC).strftime(_ID)


def parse_backup_id(text: str) -> datetime:
    """ValueError for anything that backup_id does not make."""
    return datetime.strptime(text, _ID).replace(tzinfo=UTC)
