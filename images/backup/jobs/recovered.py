# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery did, read from PostgreSQL's log and from the database itself. Pure but for the last functions."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from backup.errors import BackupError
from backup.wal import parse_lsn

from .instance import Instance, run

_TIME = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d(?::?\d\d)?)"
_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_STOPPED = re.compile(r"LOG:  (recovery stopping .*)")
_REDO_DONE = re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)")
_LAST_COMMIT = re.compile(rf"last completed transaction was at log time {_TIME}")
_TIMELINE = re.compile(r"selected new timeline ID: (\d+)")

RECOVERY_SETTINGS = (
    *("restore_command", "archive_cleanup_command", "recovery_end_command", "recovery_target"),
    *(f"recovery_target_{name}" for name in ("action", "inclusive", "lsn", "name", "time", "timeline", "xid")),
)


@dataclass(frozen=True)
class Replay:
    """How a recovery ended, as the server's log tells it; times are UTC."""

    stopped: str = ""
    redo_done: str = ""
    last_commit: datetime | None = None
    stop_time: datetime | None = None
    timeline: int = 0
    segments: int = 0

    @classmethod
    def read(cls, log: str) -> Replay:
        stopped = _last(_STOPPED, log)
        return cls(
            stopped=stopped,
            redo_done=_last(_REDO_DONE, log),
            last_commit=_moment(_last(_LAST_COMMIT, log)),
            stop_time=_moment(_last(re.compile(rf"time {_TIME}"), stopped)),
            timeline=int(_last(_TIMELINE, log) or 0),
            segments=len(set(_RESTORED.findall(log))),
        )

    def problems(self, kind: str, moment: datetime | None, last_segment_start: int) -> list[str]:
        """What is wrong with it; nothing when it ended where it was meant to.

        kind: that of the target; moment: the target of kind "time"; last_segment_start: position, in bytes, of the first
        byte of the plan's last segment, which a recovery to the end of WAL must have reached.
        """
        found = []
        if not self.timeline:
            found.append("the log names no new timeline")
        if kind == "latest":
            if not self.redo_done or parse_lsn(self.redo_done) < last_segment_start:
                where = self.redo_done or "the beginning"
                found.append(f"replay ended at {where}, before the last segment of the plan")
        elif not self.stopped:
            found.append('the log does not say "recovery stopping"')
        if kind == "time" and moment is not None:
            if self.last_commit is not None and self.last_commit > moment:
                found.append(f"a transaction of {self.last_commit.isoformat()}, after the target, was replayed")
            if self.stop_time is not None and self.stop_time < moment:
                found.append(f"replay stopped at {self.stop_time.isoformat()}, before the target")
        return found


def restored_segment(line: str) -> str:
    """The segment that a line of the log says was fetched, or ""."""
    match = _RESTORED.search(line)
    return match[1] if match else ""


@dataclass(frozen=True)
class Findings:
    """What was found in a recovered database."""

    timeline: int
    lsn: str
    tables: dict[str, int]
    amcheck: str
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def forget_recovery(instance: Instance) -> None:
    """Take the settings of the recovery out of postgresql.auto.conf, so that no later start repeats it."""
    for name in RECOVERY_SETTINGS:
        instance.sql(f"ALTER SYSTEM RESET {name}")


def examine(instance: Instance, database: str, jobs: int = 2) -> Findings:
    """Prove that the database is out of recovery and can be read: tables and B-tree indexes by pg_amcheck, rows counted.

    pg_amcheck reads every row and the order of every B-tree index of this one database. It knows no other kinds of
    indexes, and does not ask whether each row has its index entries.
    """
    if instance.sql("SELECT pg_is_in_recovery()") != [["f"]]:
        raise BackupError("The recovered server is still in recovery.")
    instance.sql("CHECKPOINT")
    lsn = instance.sql("SELECT pg_current_wal_lsn()")[0][0]
    checked = run(
        *("pg_amcheck", "-h", str(instance.socket), "-U", "postgres", "-d", database, "--install-missing"),
        *("--jobs", str(jobs)),
        seconds=6 * 3600,
        check=False,
    )
    if checked.returncode != 0:
        words = (checked.stdout.strip() or checked.stderr.strip()).splitlines()
        raise BackupError(
            f"amcheck found damage in the recovered database {database}: {words[0] if words else 'no words'}"
        )
    return Findings(
        timeline=int(instance.sql("SELECT timeline_id FROM pg_control_checkpoint()")[0][0]),
        lsn=lsn,
        tables=count_rows(instance, database),
        amcheck="passed",
    )


def count_rows(instance: Instance, database: str) -> dict[str, int]:
    """Rows of each table of the database, by `schema.table`."""
    tables = instance.sql(
        "SELECT schemaname || '.' || tablename, format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
        database,
    )
    if not tables:
        return {}
    union = " UNION ALL ".join(
        f"SELECT {n}, count(*) FROM {quoted}"  # noqa: S608 - quoted by the server
        for n, (_name, quoted) in enumerate(tables)
    )
    counted = {int(number): int(count) for number, count in instance.sql(union, database)}
    return {name: counted[n] for n, (name, _quoted) in enumerate(tables)}


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return str(found[-1]) if found else ""


def _moment(text: str) -> datetime | None:
    """PostgreSQL writes `+00` where Python 3.10 wanted `+00:00`; the log is in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
