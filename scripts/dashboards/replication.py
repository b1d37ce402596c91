"""How far standbys are behind: a row of the dashboard of PostgreSQL."""

from __future__ import annotations

from .limits import threshold
from .model import Limits, Panel, Query, Row

ROW = Row(
    title="Replication",
    panels=(
        Panel(
            "Replication lag (time)",
            "How old the newest change is that each standby shows. It also grows while nobody writes, up to a"
            " minute. ReplicationLag fires above the line.",
            (
                Query(
                    'max by (pod) (pg_replication_lag_seconds{namespace="$namespace"}'
                    ' and on (pod) pg_replication_is_replica{namespace="$namespace"} == 1)',
                    "{{pod}}",
                ),
            ),
            unit="s",
            limits=Limits(critical=threshold("replication_lag_seconds")),
        ),
        Panel(
            "Replication lag (bytes)",
            "WAL that the primary wrote and each standby has not replayed yet.",
            (
                Query(
                    'max by (application_name) (pg_stat_replication_pg_wal_lsn_diff{namespace="$namespace",'
                    ' state="streaming"})',
                    "{{application_name}}",
                ),
            ),
            unit="bytes",
        ),
    ),
)
