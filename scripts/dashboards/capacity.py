"""Whether more would fit: a row of the dashboard of nodes."""

from __future__ import annotations

from .limits import DAY, threshold
from .model import Limits, Panel, Query, Row

NO_VOLUME_NUMBERS = "needs a storage class that tells how full its volumes are; local-path does not"
RUNNING = 'max by (namespace, pod) (kube_pod_status_phase{namespace="$namespace", phase="Running"} == 1)'


def requested(resource: str) -> Query:
    requests = f'kube_pod_container_resource_requests{{namespace="$namespace", resource="{resource}"}}'
    return Query(
        f"sum by (node) ({requests} * on (namespace, pod) group_left () {RUNNING})"
        f' / on (node) max by (node) (kube_node_status_allocatable{{resource="{resource}"}})',
        "{{node}}",
    )


ROW = Row(
    title="Capacity",
    panels=(
        Panel(
            "CPU requested",
            "Share of each node's processors that pods of this environment have set aside. Pods of others are not in"
            " it.",
            (requested("cpu"),),
            unit="percentunit",
            width=8,
            maximum=1,
        ),
        Panel(
            "Memory requested",
            "Share of each node's memory that pods of this environment have set aside. Pods of others are not in it.",
            (requested("memory"),),
            unit="percentunit",
            width=8,
            maximum=1,
        ),
        Panel(
            "Autoscaler",
            "Pods of the autoscaler's workload between its bounds. At the upper one it cannot follow the load any"
            " more.",
            tuple(
                Query(
                    f'max by (horizontalpodautoscaler) (kube_horizontalpodautoscaler_{metric}{{namespace="$namespace"}})',
                    f"{{{{horizontalpodautoscaler}}}} {legend}",
                )
                for metric, legend in (
                    ("status_current_replicas", "now"),
                    ("status_desired_replicas", "wanted"),
                    ("spec_min_replicas", "least"),
                    ("spec_max_replicas", "most"),
                )
            ),
            unit="short",
            width=8,
            decimals=0,
        ),
        Panel(
            "Volumes",
            "volume_usage: share of each volume in use. VolumeFilling and VolumeAlmostFull fire above the lines.",
            (
                Query(
                    'max by (persistentvolumeclaim) (volume_usage{namespace="$namespace"})',
                    "{{persistentvolumeclaim}}",
                    sparse=NO_VOLUME_NUMBERS,
                ),
            ),
            unit="percentunit",
            maximum=1,
            limits=Limits(threshold("volume_usage_ratio"), threshold("volume_usage_critical_ratio")),
        ),
        Panel(
            "Volumes full in",
            "Time until each volume is full, if it goes on filling as within the last day. VolumeFillsSoon fires"
            " below the line.",
            (
                Query(
                    'max by (persistentvolumeclaim) (kubelet_volume_stats_available_bytes{namespace="$namespace"})'
                    " / (max by (persistentvolumeclaim)"
                    ' (-deriv(kubelet_volume_stats_available_bytes{namespace="$namespace"}[1d])) > 0)',
                    "{{persistentvolumeclaim}}",
                    sparse=NO_VOLUME_NUMBERS,
                ),
            ),
            unit="s",
            limits=Limits(threshold("volume_forecast_seconds"), DAY, falling=True),
        ),
    ),
)
