"""What could be restored now, to which moment, and how sure that is (guide 6)."""

from __future__ import annotations

from . import backup_history
from .backup_history import by_kind, newest
from .limits import RECOVERY_WINDOW_SECONDS, threshold
from .model import GREEN, RED, Dashboard, Limits, Panel, Query, Row, State

FAILED = (State(0, "ok", GREEN), State(1, "failed", RED))
REACHABLE = (State(0, "away", RED), State(1, "reachable", GREEN))


def age(title: str, kind: str, alert: str) -> Panel:
    expr = f'max(hustlex_backup_age_seconds{{namespace="$namespace", kind="{kind}"}})'
    return Panel(
        title,
        f"Age of the data in it. {alert} fires when it is red.",
        (Query(expr, kind),),
        unit="s",
        kind="stat",
        width=6,
        height=5,
        limits=Limits(critical=threshold(f"backup_{kind}_age_seconds")),
    )


NOW = Row(
    (
        Panel(
            "Recovery window",
            "Length of the newest stretch of which every moment can be restored. Seven days are promised (guide 6.1); a new"
            " environment reaches them after a week. RecoveryWindowTooShort fires when it is red.",
            (Query(newest("window_seconds"), "window"),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
            limits=Limits(
                critical=RECOVERY_WINDOW_SECONDS - threshold("backup_window_tolerance_seconds"), falling=True
            ),
        ),
        Panel(
            "End of the recovery window",
            "How far the newest moment that can be restored lies back: what would be lost if the"
            " database were lost now. RecoveryPointTooOld fires when it is red.",
            (Query(newest("window_end_age_seconds"), "lies back"),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
            limits=Limits(critical=threshold("backup_recovery_point_seconds")),
        ),
        Panel(
            "Last proved restore",
            "Time since a backup was restored and proved. It is done each week. RestoreTestTooOld fires when it is red.",
            (Query(newest("verified_age_seconds"), "ago"),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
            limits=Limits(critical=threshold("backup_verified_age_seconds")),
        ),
        Panel(
            "Time to restore",
            "How long that restore took: the time to reckon with in a disaster (guide 6.4).",
            (Query(newest("verified_restore_seconds"), "took"),),
            unit="s",
            kind="stat",
            width=6,
            height=5,
        ),
        age("Newest dump", "dump", "DumpTooOld"),
        age("Newest base backup", "base", "BaseBackupTooOld"),
        age("Newest Redis snapshot", "redis", "RedisSnapshotTooOld"),
        Panel(
            "Store",
            "Whether the last look at the bucket succeeded. While it is away the other numbers are from the look"
            " before.",
            (Query('min(hustlex_backup_store_up{namespace="$namespace"})', "bucket"),),
            unit="short",
            kind="stat",
            width=6,
            height=5,
            states=REACHABLE,
        ),
        Panel(
            "Last runs",
            "Whether the last run of each job failed. playbooks/backups.yml shows its own words.",
            by_kind("failed"),
            unit="short",
            kind="stat",
            width=18,
            height=5,
            states=FAILED,
        ),
        Panel(
            "Problems in the store",
            "Things in the bucket that cannot be read or contradict each other. playbooks/backups.yml names them.",
            (Query(newest("problems"), "problems"),),
            unit="short",
            kind="stat",
            width=6,
            height=5,
            limits=Limits(critical=1),
        ),
    )
)

DASHBOARD = Dashboard(
    file="backups",
    uid="hustlex-backups",
    title="Backups & recovery",
    description="What could be restored now, to which moment, and how sure that is.",
    page="backup.md",
    hours=7 * 24,
    rows=(NOW, backup_history.WAL, backup_history.BACKUPS),
)
