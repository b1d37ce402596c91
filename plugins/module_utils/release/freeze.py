# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times at which nothing is released: single ones, and those of every week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..kube.errors import KubeError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def frozen_until(windows: Iterable[Mapping[str, Any]], now: datetime) -> tuple[datetime, str] | None:
    """End and reason of the window that `now` is in, None outside of all; KubeError for one that cannot be read.

    A single window has `from` and `to` as RFC 3339 with an offset. One of every week has `days` (mon to sun), `from` and `to`
    as HH:MM in its `timezone`; when `to` is not after `from` it ends on the next day.
    """
    ends = [(end, str(window.get("reason") or "")) for window in windows if (end := _end(window, now)) is not None]
    return max(ends, default=None)


def _end(window: Mapping[str, Any], now: datetime) -> datetime | None:
    try:
        if window.get("days"):
            return _weekly_end(window, now)
        start, end = datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["to"])
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("a time without an offset")
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise KubeError(
            f"The freeze window {dict(window)} cannot be read ({error}): give from and to with an offset, such as"
            " 2026-12-24T00:00:00+01:00, or days, from and to as HH:MM and a timezone."
        ) from error
    return end if start <= now < end else None


def _weekly_end(window: Mapping[str, Any], now: datetime) -> datetime | None:
    unknown = [day for day in window["days"] if day not in DAYS]
    if unknown:
        raise ValueError(f"{unknown[0]} is no day, days are {', '.join(DAYS)}")
    zone = ZoneInfo(window.get("timezone") or "UTC")
    local = now.astimezone(zone)
    for day in (local.date(), local.date() - timedelta(days=1)):
        if DAYS[day.weekday()] not in window["days"]:
            continue
        start, end = (datetime.fromisoformat(f"{day}T{window[name]}").replace(tzinfo=zone) for name in ("from", "to"))
        if end <= start:
            end += timedelta(days=1)
        if start <= local < end:
            return end
    return None
