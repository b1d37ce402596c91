# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan and the report of a recovery as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """What will be restored and replayed, and what that takes."""
    rows = {
        "base backup": f"{plan['base']}, complete since {plan['base_stopped']}",
        "WAL": f"{plan['first_segment']} to {plan['last_segment']}: {plan['segment_count']} segments, none missing",
        "timeline": f"{plan['timeline']}",
        "history files": ", ".join(plan["histories"]) or "none needed",
        "to download": f"{_size(plan['download_bytes'])}, {plan['replayed_segments']} segments to replay at most",
        "to store": f"{_size(plan['bytes'])} and what the WAL adds",
        "estimate": _duration(plan["seconds"]),
        "plan": plan["digest"],
    }
    lines = [f"Recovery to {plan['target']['text']} is proved possible:"]
    lines += [f"  {name:<14} {words}" for name, words in rows.items()]
    return lines + [f"  note: {warning}" for warning in plan["warnings"]]


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """What the restore Job proved."""
    seconds, tables = report["seconds"], report["tables"]
    rows = {
        "recovered to": report["last_commit"] or "a database without a transaction",
        "stopped": report["stopped"] or "at the end of the WAL",
        "heartbeat": f"{report['age_seconds']} s before the target" if report["age_seconds"] is not None else "unknown",
        "timeline": f"{report['timeline']}, from {report['from_timeline']}",
        "amcheck": report["amcheck"],
        "rows": f"{sum(tables.values())} in {len(tables)} tables",
        "time": f"restore {seconds['restore']} s, replay {seconds['replay']} s, proof {seconds['verify']} s",
    }
    lines = [f"The database of {report['target']} is restored and proved:"]
    lines += [f"  {name:<14} {words}" for name, words in rows.items()]
    return lines + [f"    {name}: {count}" for name, count in tables.items()]


def _size(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _duration(seconds: int) -> str:
    return f"about {seconds} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
