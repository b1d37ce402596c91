"""Redis, and the queue of jobs that lives in it."""

from __future__ import annotations

from . import jobs
from .limits import threshold
from .model import GREEN, RED, UP, Dashboard, Limits, Panel, Query, Row, State

WORKS = (State(0, "failed", RED), State(1, "ok", GREEN))

PANELS = (
    Panel(
        "Redis",
        "Whether the exporter can log in. RedisDown fires when it cannot for a minute.",
        (Query('min(redis_up{namespace="$namespace"})', "Redis"),),
        unit="short",
        kind="stat",
        width=6,
        height=5,
        states=UP,
    ),
    Panel(
        "Uptime",
        "Time since Redis was started. A short one explains a gap in the job queue.",
        (Query('min(redis_uptime_in_seconds{namespace="$namespace"})', "uptime"),),
        unit="s",
        kind="stat",
        width=6,
        height=5,
    ),
    Panel(
        "Persistence",
        "Whether the last write of the log, its last rewrite and the last snapshot succeeded.",
        tuple(
            Query(f'min(redis_{name}_status{{namespace="$namespace"}})', legend)
            for name, legend in (
                ("aof_last_write", "log write"),
                ("aof_last_bgrewrite", "log rewrite"),
                ("rdb_last_bgsave", "snapshot"),
            )
        ),
        unit="short",
        kind="stat",
        width=12,
        height=5,
        states=WORKS,
    ),
    Panel(
        "Memory used",
        "Share of maxmemory in use. RedisMemoryHigh and RedisMemoryFull fire above the lines; at 100 % Redis refuses"
        " writes.",
        (
            Query(
                'max(redis_memory_used_bytes{namespace="$namespace"})'
                ' / (max(redis_memory_max_bytes{namespace="$namespace"}) > 0)',
                "used",
            ),
        ),
        unit="percentunit",
        maximum=1,
        limits=Limits(threshold("redis_memory_ratio"), threshold("redis_memory_critical_ratio")),
    ),
    Panel(
        "Memory",
        "Bytes of the data, of the process as the node sees it, and the limit.",
        (
            Query('max(redis_memory_used_bytes{namespace="$namespace"})', "data"),
            Query('max(redis_memory_used_rss_bytes{namespace="$namespace"})', "process"),
            Query('max(redis_memory_max_bytes{namespace="$namespace"})', "maxmemory"),
        ),
        unit="bytes",
    ),
    Panel(
        "Clients",
        "Connected clients, those that wait for an entry of a list or stream, and the limit on the right axis.",
        (
            Query('max(redis_connected_clients{namespace="$namespace"})', "connected"),
            Query('max(redis_blocked_clients{namespace="$namespace"})', "waiting"),
            Query('max(redis_max_clients{namespace="$namespace"})', "maxclients", unit="short"),
        ),
        unit="short",
    ),
    Panel(
        "Commands per second",
        "The ten most frequent commands.",
        (
            Query(
                'topk(10, sum by (cmd) (rate(redis_commands_total{namespace="$namespace"}[$__rate_interval])))',
                "{{cmd}}",
            ),
        ),
        unit="ops",
        stack=True,
    ),
    Panel(
        "Time per command",
        "Average time that Redis itself takes for a command; the ten slowest. Waiting commands are not among them.",
        (
            Query(
                "topk(10, sum by (cmd)"
                ' (rate(redis_commands_duration_seconds_total{namespace="$namespace"}[$__rate_interval]))'
                ' / (sum by (cmd) (rate(redis_commands_total{namespace="$namespace"}[$__rate_interval])) > 0))',
                "{{cmd}}",
            ),
        ),
        unit="s",
    ),
    Panel(
        "Slow commands",
        "Commands that entered the slow log.",
        (Query('sum(increase(redis_slowlog_last_id{namespace="$namespace"}[$__rate_interval]))', "slow commands"),),
        unit="short",
    ),
    Panel(
        "Network",
        "Bytes per second that Redis received and sent.",
        (
            Query('sum(rate(redis_net_input_bytes_total{namespace="$namespace"}[$__rate_interval]))', "received"),
            Query('sum(rate(redis_net_output_bytes_total{namespace="$namespace"}[$__rate_interval]))', "sent"),
        ),
        unit="Bps",
    ),
    Panel(
        "Keys",
        "Keys of all databases, and those with an end.",
        (
            Query('sum(redis_db_keys{namespace="$namespace"})', "keys"),
            Query('sum(redis_db_keys_expiring{namespace="$namespace"})', "with an end"),
        ),
        unit="short",
        decimals=0,
    ),
    Panel(
        "Keys lost",
        "Keys per second that reached their end, and that were evicted for lack of memory. Evicted ones may be jobs.",
        (
            Query('sum(rate(redis_expired_keys_total{namespace="$namespace"}[$__rate_interval]))', "reached their end"),
            Query('sum(rate(redis_evicted_keys_total{namespace="$namespace"}[$__rate_interval]))', "evicted"),
        ),
        unit="ops",
    ),
)

DASHBOARD = Dashboard(
    file="redis",
    uid="hustlex-redis",
    title="Redis",
    description="Memory, commands, persistence and the job queue.",
    page="monitoring.md",
    hours=6,
    rows=(
        Row(PANELS),
        jobs.ROW,
    ),
)
