"""Backups over time: rows of the dashboard of backups."""

from __future__ import annotations

from .limits import threshold
from .model import Limits, Panel, Query, Row


def newest(metric: str) -> str:
    return f'max(hustlex_backup_{metric}{{namespace="$namespace"}})'


def by_kind(metric: str) -> tuple[Query, ...]:
    return (Query(f'max by (kind) (hustlex_backup_{metric}{{namespace="$namespace"}})', "{{kind}}"),)


WAL = Row(
    title="WAL",
    panels=(
        Panel(
            "Archiving",
            "Time since a segment was archived, and segments that wait on the right axis. An idle database archives"
            " each minute; WalArchiveFailing fires above the line.",
            (
                Query(newest("wal_archived_age_seconds"), "since the last segment"),
                Query(newest("wal_waiting_segments"), "waiting segments", unit="short"),
            ),
            unit="s",
            limits=Limits(critical=threshold("wal_archived_age_seconds")),
        ),
        Panel(
            "Failed attempts",
            "Failed attempts to archive a segment. Each is repeated.",
            (
                Query(
                    'sum(increase(hustlex_backup_wal_failures{namespace="$namespace"}[$__rate_interval]))',
                    "failed attempts",
                ),
            ),
            unit="short",
        ),
        Panel(
            "Gaps",
            "Places in the archive where segments are missing, and how many are. No moment behind a gap can be restored until"
            " the next base backup.",
            (Query(newest("wal_gaps"), "gaps"), Query(newest("wal_missing_segments"), "missing segments")),
            unit="short",
            decimals=0,
            limits=Limits(critical=1),
        ),
        Panel(
            "Length of the recovery window",
            "How it grows to seven days and stays there. A fall is a gap, or a base backup that retention should"
            " have kept.",
            (Query(newest("window_seconds"), "window"),),
            unit="s",
        ),
    ),
)

BACKUPS = Row(
    title="Backups over time",
    panels=(
        Panel("Age", "Age of the data in the newest backup of each kind.", by_kind("age_seconds"), unit="s"),
        Panel(
            "Size", "Bytes that the newest backup of each kind takes in the store.", by_kind("size_bytes"), unit="bytes"
        ),
        Panel("Duration", "Time that the newest backup of each kind took.", by_kind("duration_seconds"), unit="s"),
        Panel(
            "Number",
            "Complete backups of each kind in the store.",
            by_kind("count"),
            unit="short",
            decimals=0,
        ),
        Panel(
            "Since each job succeeded",
            "Time since each CronJob had its last success; the longest first. A suspended one grows for ever.",
            (
                Query(
                    'sort_desc(time() - max by (cronjob) (kube_cronjob_status_last_successful_time{namespace="$namespace"}))',
                    "{{cronjob}}",
                ),
            ),
            unit="s",
            kind="ranking",
        ),
        Panel(
            "Age of what is shown",
            "Time since the bucket was read. The exporter reads it each minute.",
            (Query(newest("catalogue_age_seconds"), "since the bucket was read"),),
            unit="s",
            limits=Limits(critical=threshold("backup_catalogue_age_seconds")),
        ),
    ),
)
