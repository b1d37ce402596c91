"""Pods of the environment: a row of the dashboard of nodes."""

from __future__ import annotations

from .limits import threshold
from .model import Limits, Panel, Query, Row


def missing(kind: str, wanted: str, there: str) -> Query:
    return Query(
        f'max by ({kind}) (kube_{kind}_{wanted}{{namespace="$namespace"}})'
        f' - max by ({kind}) (kube_{kind}_status_replicas_{there}{{namespace="$namespace"}})',
        f"{{{{{kind}}}}}",
    )


ROW = Row(
    title="Pods",
    panels=(
        Panel(
            "Pods by phase",
            "Pods of this environment. Pending ones find no node or no image.",
            (Query('sum by (phase) (kube_pod_status_phase{namespace="$namespace"})', "{{phase}}"),),
            unit="short",
            width=8,
            decimals=0,
            stack=True,
        ),
        Panel(
            "Missing pods",
            "Wanted pods of each workload that are not ready.",
            (
                missing("deployment", "spec_replicas", "available"),
                missing("statefulset", "replicas", "ready"),
            ),
            unit="short",
            width=8,
            decimals=0,
            limits=Limits(critical=1),
        ),
        Panel(
            "Restarts",
            "Containers that were restarted most often within the time range.",
            (
                Query(
                    "sort_desc(topk(10, sum by (pod, container)"
                    ' (increase(kube_pod_container_status_restarts_total{namespace="$namespace"}[$__range]))))',
                    "{{pod}} {{container}}",
                ),
            ),
            unit="short",
            kind="ranking",
            width=8,
            decimals=0,
            limits=Limits(critical=threshold("restarts")),
        ),
        Panel(
            "CPU of pods",
            "Processors in use by the ten busiest pods.",
            (
                Query(
                    "topk(10, sum by (pod) (rate(container_cpu_usage_seconds_total"
                    '{namespace="$namespace", container!=""}[$__rate_interval])))',
                    "{{pod}}",
                ),
            ),
            unit="short",
            width=8,
            decimals=2,
        ),
        Panel(
            "Memory of pods",
            "Share of its limit that each container uses, the ten highest. At 100 % it is killed.",
            (
                Query(
                    "topk(10, max by (pod, container)"
                    ' (container_memory_working_set_bytes{namespace="$namespace", container!=""})'
                    " / on (pod, container) max by (pod, container)"
                    ' (kube_pod_container_resource_limits{namespace="$namespace", resource="memory"}))',
                    "{{pod}} {{container}}",
                ),
            ),
            unit="percentunit",
            width=8,
            limits=Limits(critical=threshold("container_memory_ratio")),
        ),
        Panel(
            "CPU throttled",
            "Share of the time slices in which a container was stopped because its limit was used up; the ten highest.",
            (
                Query(
                    "topk(10, sum by (pod, container) (rate(container_cpu_cfs_throttled_periods_total"
                    '{namespace="$namespace", container!=""}[$__rate_interval]))'
                    " / (sum by (pod, container) (rate(container_cpu_cfs_periods_total"
                    '{namespace="$namespace", container!=""}[$__rate_interval])) > 0))',
                    "{{pod}} {{container}}",
                ),
            ),
            unit="percentunit",
            width=8,
            limits=Limits(warning=0.25),
        ),
    ),
)
