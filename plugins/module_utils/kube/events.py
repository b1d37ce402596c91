# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Warnings that Kubernetes wrote about objects. Pure functions over Event objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]


def last_seen(event: Object) -> datetime | None:
    """When an event happened last; the two Event APIs write it in different fields."""
    series = event.get("series") or {}
    written = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return datetime.fromisoformat(written) if written else None


def about(events: Iterable[Object], uids: Collection[str]) -> list[Object]:
    """Events about the objects with these uids, oldest first."""
    chosen = [event for event in events if (event.get("involvedObject") or {}).get("uid") in uids]
    return sorted(chosen, key=lambda event: str(last_seen(event) or ""))


def text(event: Object) -> str:
    """`Pod postgres-0: FailedMount: ...`"""
    target = event.get("involvedObject") or {}
    return f"{target.get('kind')} {target.get('name')}: {event.get('reason')}: {str(event.get('message')).strip()}"
