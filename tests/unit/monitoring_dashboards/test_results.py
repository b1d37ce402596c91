"""Queries that join or divide series give what they promise, with the labels that exporters really set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from dashboards import catalogue
from servers import program

POD = 'namespace="hustlex", pod="api-1", node="n1"'
STATE = 'namespace="hustlex", instance="kube-state-metrics:8080"'
SERIES = {
    'http_requests_total{namespace="hustlex", pod="api-1", method="GET", route="/gigs", status="200"}': "0+3x90",
    'http_requests_total{namespace="hustlex", pod="api-1", method="GET", route="/gigs", status="500"}': "0+1x90",
    'http_requests_total{namespace="hustlex", pod="api-1", method="POST", route="/unused", status="200"}': "0x90",
    'http_requests_failed_total{namespace="hustlex", pod="api-1", method="GET", route="/gigs"}': "0+1x90",
    'http_requests_failed_total{namespace="hustlex", pod="api-1", method="POST", route="/unused"}': "0x90",
    'pg_replication_lag_seconds{namespace="hustlex", pod="postgres-0"}': "0x90",
    'pg_replication_lag_seconds{namespace="hustlex", pod="postgres-replica-0"}': "7x90",
    'pg_replication_is_replica{namespace="hustlex", pod="postgres-0"}': "0x90",
    'pg_replication_is_replica{namespace="hustlex", pod="postgres-replica-0"}': "1x90",
    f'kube_pod_container_resource_requests{{{POD}, container="api", resource="cpu", unit="core"}}': "0.5x90",
    f'kube_pod_container_resource_requests{{{POD}, container="sidecar", resource="cpu", unit="core"}}': "0.1x90",
    'kube_pod_container_resource_requests{namespace="hustlex", pod="job-1", node="n1", resource="cpu"}': "9x90",
    f'kube_pod_status_phase{{{STATE}, pod="api-1", uid="u", phase="Running"}}': "1x90",
    f'kube_pod_status_phase{{{STATE}, pod="api-1", uid="u", phase="Failed"}}': "0x90",
    f'kube_pod_status_phase{{{STATE}, pod="job-1", uid="v", phase="Running"}}': "0x90",
    'kube_node_status_allocatable{node="n1", resource="cpu", unit="core"}': "2x90",
    f'kube_deployment_spec_replicas{{{STATE}, deployment="hustlex-api"}}': "3x90",
    f'kube_deployment_status_replicas_available{{{STATE}, deployment="hustlex-api"}}': "1x90",
    'container_memory_working_set_bytes{namespace="hustlex", pod="api-1", container="api", node="n1"}': "50x90",
    'container_memory_working_set_bytes{namespace="hustlex", pod="api-1", container="", node="n1"}': "70x90",
    f'kube_pod_container_resource_limits{{{POD}, container="api", resource="memory", unit="byte"}}': "200x90",
    'kubelet_volume_stats_available_bytes{namespace="hustlex", persistentvolumeclaim="data", node="n1"}': "36000-60x90",
    'kubelet_volume_stats_available_bytes{namespace="hustlex", persistentvolumeclaim="idle", node="n1"}': "36000x90",
    'node_load5{node="n1", instance="10.0.0.1:9100"}': "3x90",
    'node_cpu_seconds_total{node="n1", instance="10.0.0.1:9100", cpu="0", mode="idle"}': "0x90",
    'node_cpu_seconds_total{node="n1", instance="10.0.0.1:9100", cpu="1", mode="idle"}': "0x90",
    'up{job="loki", namespace="hustlex", pod="loki-0", instance="a"}': "1x90",
    'up{job="node", namespace="hustlex-nodes", pod="x", instance="b"}': "0x90",
    'up{job="node", namespace="hustlex-nodes", pod="y", instance="c"}': "1x90",
    'kube_configmap_created{namespace="hustlex", configmap="hustlex-release-7"}': "1700000000x90",
    'kube_configmap_created{namespace="hustlex", configmap="hustlex-config"}': "1600000000x90",
}
# At 90 minutes.
EXPECTED: dict[tuple[str, str], dict[str, float]] = {
    ("Deploys", ""): {'{namespace="hustlex", configmap="hustlex-release-7"}': 1700000000 * 1000},
    ("Error rate", "A"): {"{}": 0.25},
    ("Top endpoints by request count", "A"): {
        '{method="GET", route="/gigs"}': 240,
        '{method="POST", route="/unused"}': 0,
    },
    ("Top endpoints by error rate", "A"): {'{method="GET", route="/gigs"}': 0.25},
    ("Replication lag (time)", "A"): {'{pod="postgres-replica-0"}': 7},
    ("CPU requested", "A"): {'{node="n1"}': 0.3},
    ("Missing pods", "A"): {'{deployment="hustlex-api"}': 2},
    ("Memory of pods", "A"): {'{pod="api-1", container="api"}': 0.25},
    ("Volumes full in", "A"): {'{persistentvolumeclaim="data"}': 30600},
    ("Load", "A"): {'{node="n1"}': 1.5},
    ("Scrape targets that are down", "A"): {'{job="loki"}': 0, '{job="node"}': 1},
    ("Firing alerts", "A"): {"{}": 0},
}


def test_queries_give_what_they_promise(tmp_path: Path) -> None:
    expressions = {(query.panel, query.reference): query.expression for query in catalogue.queries()}
    cases = [
        {
            "expr": expressions[panel],
            "eval_time": "90m",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
        }
        for panel, samples in EXPECTED.items()
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    test = {"rule_files": [], "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": cases}]}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    promtool, environ = program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", file], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
