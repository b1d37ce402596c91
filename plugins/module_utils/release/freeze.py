# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times at which nothing is released: single ones, and those of every week."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..kube.errors import KubeError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HH_MM = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")


def frozen_until(windows: Iterable[Mapping[str, Any]], now: datetime) -> tuple[datetime, str] | None:
    """End and reason of the window that `now` is in, None outside of all; KubeError for one that cannot be read.

    A single window has `from` and `to` as RFC 3339 with an offset, or as the datetime that YAML makes of that. One of every
    week has `days` (mon to sun), `from` and `to` as HH:MM in its `timezone`; when `to` is not after `from` it ends on the
    next day.
    """
    ends = [(end, str(window.get("reason") or "")) for window in windows if (end := _end(window, now)) is not None]
    return max(ends, default=None)


def _end(window: Mapping[str, Any], now: datetime) -> datetime | None:
    try:
        if window.get("days"):
            return _weekly_end(window, now)
        start, end = _moment(window, "from"), _moment(window, "to")
    except (TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise KubeError(f"The freeze window {dict(window)} cannot be read: {str(error).rstrip('.')}.") from error
    return end if start <= now < end else None


def _weekly_end(window: Mapping[str, Any], now: datetime) -> datetime | None:
    unknown = [day for day in window["days"] if day not in DAYS]
    if unknown:
        raise ValueError(f"{unknown[0]} is no day, days are {', '.join(DAYS)}")
    zone = ZoneInfo(window.get("timezone") or "UTC")
    opens, closes = _time_of_day(window, "from"), _time_of_day(window, "to")
    local = now.astimezone(zone)
    for day in (local.date(), local.date() - timedelta(days=1)):
        if DAYS[day.weekday()] not in window["days"]:
            continue
        start, end = (datetime.combine(day, each, zone) for each in (opens, closes))
        if end <= start:
            end += timedelta(days=1)
        if start <= local < end:
            return end
    return None


def _moment(window: Mapping[str, Any], name: str) -> datetime:
    found = window.get(name)
    if not isinstance(found, datetime):
        text = _text(found, name)
        found = datetime.fromisoformat(text) if _RFC_3339.fullmatch(text) else None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{name} is {window[name]}, not a time with its offset such as 2026-12-24T00:00:00+01:00")
    return found


def _time_of_day(window: Mapping[str, Any], name: str) -> time:
    text = _text(window.get(name), name)
    if not _HH_MM.fullmatch(text):
        raise ValueError(f'{name} is {text}, not a time of the day as HH:MM, such as "17:00"')
    return time.fromisoformat(text)


def _text(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError(f"{name} is missing")
    # YAML 1.1 reads 17:00 without quotes as a number to the base 60: https://yaml.org/type/int.html
    kind = "number" if isinstance(value, int | float) else "value"
    raise ValueError(
        f'{name} is the {kind} {value}, as which YAML reads some times without quotes: quote it ({name}: "17:00")'
    )
