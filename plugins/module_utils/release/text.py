# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases as lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .record import DEPLOY, Release

HEADINGS = ("RELEASE", "VERSION", "WHEN", "WHO", "RESULT", "SCHEMA", "DURATION", "NOTE")


def history(releases: Sequence[Release], now: datetime) -> list[str]:
    """A table, the newest first; the release that runs is marked."""
    running = next((each.number for each in releases if each.is_good), 0)
    cells = [HEADINGS, *(_row(each, each.number == running, now) for each in releases)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def ago(moment: str, now: datetime) -> str:
    """`2026-11-25 15:04 (3 h ago)`"""
    then = datetime.fromisoformat(moment)
    seconds = max(0, int((now - then).total_seconds()))
    unit, size = next((pair for pair in (("d", 86400), ("h", 3600), ("min", 60)) if seconds >= pair[1]), ("s", 1))
    return f"{then:%Y-%m-%d %H:%M} ({seconds // size} {unit} ago)"


def _row(release: Release, runs: bool, now: datetime) -> tuple[str, ...]:
    note = release.reason if not release.is_good else ""
    if release.kind != DEPLOY and release.of:
        note = f"back to release {release.of}{f'; {note}' if note else ''}"
    return (
        f"{release.number}{' *' if runs else ''}",
        release.version,
        ago(release.finished, now),
        release.who,
        release.result,
        _schema(release),
        duration(release.seconds),
        note[:100],
    )


def _schema(release: Release) -> str:
    """That of the database after the release, and that of the code where it is another: `6 (code 5)`."""
    database = "-" if release.database_schema is None else str(release.database_schema)
    differs = release.schema is not None and release.schema != release.database_schema
    return f"{database} (code {release.schema})" if differs else database
