"""PostgreSQL servers and the pooler before them."""

from __future__ import annotations

from . import pooler, replication
from .limits import threshold
from .model import BLUE, GREEN, UP, Dashboard, Limits, Panel, Query, Row, State

ROLE = (State(0, "primary", GREEN), State(1, "standby", BLUE))

SERVERS = Row(
    title="PostgreSQL",
    panels=(
        Panel(
            "Servers",
            "Whether the exporter can log in to each server. DatabaseDown fires when no primary answers for a minute.",
            (Query('max by (pod) (pg_up{namespace="$namespace"})', "{{pod}}"),),
            unit="short",
            kind="stat",
            width=6,
            height=5,
            states=UP,
        ),
        Panel(
            "Roles",
            "Which server takes writes and which follow it. There must be exactly one primary.",
            (Query('max by (pod) (pg_replication_is_replica{namespace="$namespace"})', "{{pod}}"),),
            unit="short",
            kind="stat",
            width=6,
            height=5,
            states=ROLE,
        ),
        Panel(
            "Database size",
            "Bytes on disk of each database on the primary, without WAL.",
            (Query('max by (datname) (pg_database_size_bytes{namespace="$namespace"})', "{{datname}}"),),
            unit="bytes",
            kind="stat",
            width=6,
            height=5,
        ),
        Panel(
            "WAL on disk",
            "Bytes of WAL on each server. It grows while archiving fails or a standby is away.",
            (Query('max by (pod) (pg_wal_size_bytes{namespace="$namespace"})', "{{pod}}"),),
            unit="bytes",
            kind="stat",
            width=6,
            height=5,
        ),
        Panel(
            "Connections used",
            "postgres_connections as a share of max_connections. TooManyDatabaseConnections fires above the line.",
            (Query('max by (pod) (postgres_connections_ratio{namespace="$namespace"})', "{{pod}}"),),
            unit="percentunit",
            maximum=1,
            limits=Limits(critical=threshold("postgres_connections_ratio")),
        ),
        Panel(
            "Connections by state",
            "What the connections of all servers do. Many that are idle in transaction hold locks and stop vacuum.",
            (Query('sum by (state) (pg_stat_activity_count{namespace="$namespace"})', "{{state}}"),),
            unit="short",
            stack=True,
        ),
        Panel(
            "Transactions per second",
            "Committed and rolled back transactions of each server.",
            (
                Query(
                    'sum by (pod) (rate(pg_stat_database_xact_commit{namespace="$namespace"}[$__rate_interval]))',
                    "{{pod}} committed",
                ),
                Query(
                    'sum by (pod) (rate(pg_stat_database_xact_rollback{namespace="$namespace"}[$__rate_interval]))',
                    "{{pod}} rolled back",
                ),
            ),
            unit="ops",
        ),
        Panel(
            "Rows changed per second",
            "Rows that were inserted, updated and deleted on the primary.",
            tuple(
                Query(f'sum(rate(pg_stat_database_tup_{verb}{{namespace="$namespace"}}[$__rate_interval]))', verb)
                for verb in ("inserted", "updated", "deleted")
            ),
            unit="ops",
        ),
        Panel(
            "Longest transaction",
            "Age of the oldest open transaction of each server. Vacuum cannot free what was deleted since it began."
            " LongTransaction fires above the line.",
            (Query('max by (pod) (pg_stat_activity_max_tx_duration{namespace="$namespace"})', "{{pod}}"),),
            unit="s",
            limits=Limits(critical=threshold("transaction_seconds")),
        ),
        Panel(
            "Locks",
            "Locks that are held or waited for, by mode. An accessexclusivelock stops readers as well.",
            (Query('sum by (mode) (pg_locks_count{namespace="$namespace"}) > 0', "{{mode}}"),),
            unit="short",
            stack=True,
        ),
        Panel(
            "Cache hits",
            "Share of blocks that were found in shared_buffers. Far below 99 % on a busy server: too little memory.",
            (
                Query(
                    'sum by (pod) (rate(pg_stat_database_blks_hit{namespace="$namespace"}[$__rate_interval]))'
                    ' / (sum by (pod) (rate(pg_stat_database_blks_hit{namespace="$namespace"}[$__rate_interval]))'
                    ' + sum by (pod) (rate(pg_stat_database_blks_read{namespace="$namespace"}[$__rate_interval])))',
                    "{{pod}}",
                ),
            ),
            unit="percentunit",
            minimum=None,
            maximum=1,
        ),
        Panel(
            "Deadlocks and conflicts",
            "Transactions that PostgreSQL ended because of a deadlock, and queries of standbys that gave way to the"
            " primary.",
            (
                Query(
                    'sum(increase(pg_stat_database_deadlocks{namespace="$namespace"}[$__rate_interval]))', "deadlocks"
                ),
                Query(
                    'sum(increase(pg_stat_database_conflicts{namespace="$namespace"}[$__rate_interval]))', "conflicts"
                ),
            ),
            unit="short",
        ),
    ),
)

DASHBOARD = Dashboard(
    file="postgres",
    uid="hustlex-postgres",
    title="Postgres & PgBouncer",
    description="Connections, work, locks and replication of the database, and the pooler before it.",
    page="monitoring.md",
    hours=6,
    rows=(SERVERS, replication.ROW, pooler.ROW),
)
