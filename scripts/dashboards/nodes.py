"""Nodes, what runs on them, and whether more would fit."""

from __future__ import annotations

from . import capacity, pods, probing
from .limits import threshold
from .model import GREEN, RED, Dashboard, Limits, Panel, Query, Row, State

READY = (State(0, "not ready", RED), State(1, "ready", GREEN))

NODES = Row(
    title="Nodes",
    panels=(
        Panel(
            "Node readiness",
            "Whether each node is ready to run pods.",
            (Query('max by (node) (kube_node_status_condition{condition="Ready", status="true"})', "{{node}}"),),
            unit="short",
            kind="stat",
            width=24,
            height=5,
            states=READY,
        ),
        Panel(
            "CPU",
            "cpu_usage: share of the processors in use. HighCpuUsage fires above the line.",
            (Query("max by (node) (cpu_usage)", "{{node}}"),),
            unit="percentunit",
            width=8,
            maximum=1,
            limits=Limits(critical=threshold("cpu_usage_ratio")),
        ),
        Panel(
            "Memory",
            "memory_usage: share of the memory in use. HighMemoryUsage fires above the line.",
            (Query("max by (node) (memory_usage)", "{{node}}"),),
            unit="percentunit",
            width=8,
            maximum=1,
            limits=Limits(critical=threshold("memory_usage_ratio")),
        ),
        Panel(
            "Disk",
            "disk_usage: share of the fullest file system in use. HighDiskUsage and DiskAlmostFull fire above the"
            " lines.",
            (Query("max by (node) (disk_usage)", "{{node}}"),),
            unit="percentunit",
            width=8,
            maximum=1,
            limits=Limits(threshold("disk_usage_ratio"), threshold("disk_usage_critical_ratio")),
        ),
        Panel(
            "Disk busy",
            "Share of the time in which the busiest disk of a node had something to do. Near 100 % everything waits"
            " for it.",
            (Query("max by (node) (rate(node_disk_io_time_seconds_total[$__rate_interval]))", "{{node}}"),),
            unit="percentunit",
            width=8,
        ),
        Panel(
            "Network",
            "Bytes per second that the pods of this environment received and sent, by node.",
            tuple(
                Query(
                    f'sum by (node) (rate(container_network_{way}_bytes_total{{namespace="$namespace"}}[$__rate_interval]))',
                    f"{{{{node}}}} {verb}",
                )
                for way, verb in (("receive", "received"), ("transmit", "sent"))
            ),
            unit="Bps",
            width=8,
        ),
        Panel(
            "Load",
            "Processes that run or wait, for each processor, averaged over five minutes. Above 1 some wait.",
            (
                Query(
                    'max by (node) (node_load5) / on (node) count by (node) (node_cpu_seconds_total{mode="idle"})',
                    "{{node}}",
                ),
            ),
            unit="short",
            width=8,
            decimals=2,
        ),
    ),
)

DASHBOARD = Dashboard(
    file="nodes",
    uid="hustlex-nodes",
    title="Nodes & capacity",
    description="Nodes, what runs on them, whether more would fit, and whether monitoring itself works.",
    page="monitoring.md",
    hours=24,
    rows=(NODES, capacity.ROW, pods.ROW, probing.ROW),
)
