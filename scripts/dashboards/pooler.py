"""PgBouncer: a row of the dashboard of PostgreSQL. Its exporter asks one of the poolers, which share the load evenly."""

from __future__ import annotations

from .limits import threshold
from .model import UP, Limits, Panel, Query, Row


def pools(state: str) -> str:
    """Not the pools of PgBouncer's own console."""
    return f'sum(pgbouncer_pools_{state}_connections{{namespace="$namespace", database!="pgbouncer"}})'


ROW = Row(
    title="PgBouncer",
    panels=(
        Panel(
            "Pooler",
            "Whether the exporter can log in. It asks one of the poolers, and the numbers of this row are of that one.",
            (Query('max(pgbouncer_up{namespace="$namespace"})', "PgBouncer"),),
            unit="short",
            kind="stat",
            width=6,
            height=8,
            states=UP,
        ),
        Panel(
            "Clients",
            "Client connections that have a server connection, and those that wait for one because the pool is too small or"
            " PostgreSQL too slow. PgBouncerClientsWaiting fires on the waiting ones.",
            (Query(pools("client_active"), "active"), Query(pools("client_waiting"), "waiting")),
            unit="short",
            width=9,
            stack=True,
        ),
        Panel(
            "Longest wait",
            "How long the first client in the queue has waited. PgBouncerClientsWaitLong fires above the line.",
            (
                Query(
                    'max by (database) (pgbouncer_pools_client_maxwait_seconds{namespace="$namespace"})',
                    "{{database}}",
                ),
            ),
            unit="s",
            width=9,
            limits=Limits(critical=threshold("pgbouncer_wait_seconds")),
        ),
        Panel(
            "Server connections",
            "Connections from PgBouncer to PostgreSQL by state.",
            tuple(Query(pools(f"server_{state}"), state) for state in ("active", "idle", "used", "testing", "login")),
            unit="short",
            stack=True,
        ),
        Panel(
            "Queries and transactions per second",
            "What PgBouncer passed on.",
            tuple(
                Query(
                    f'sum(rate(pgbouncer_stats_totals_{name}_pooled_total{{namespace="$namespace",'
                    ' database!="pgbouncer"}[$__rate_interval]))',
                    legend,
                )
                for name, legend in (("queries", "queries"), ("sql_transactions", "transactions"))
            ),
            unit="ops",
        ),
    ),
)
