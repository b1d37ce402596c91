"""Who was called for an outage is not called for what follows from it, and is when that lasts longer or comes alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import Tool
from rendered import alerts

STEP, BEGIN, END = 30, 10 * 60, 30 * 60
Values = Callable[[range], list[float]]
NS = 'namespace="hustlex"'


def between(good: float, bad: float) -> Values:
    """A gauge with one value while all is well, and another from the beginning of the trouble to its end."""
    return lambda trouble: [bad if second in trouble else good for second in seconds()]


def rate(good: float, bad: float) -> Values:
    """A counter that grows so much in a second."""

    def counted(trouble: range) -> list[float]:
        total, found = 0.0, []
        for second in seconds():
            total += STEP * (bad if second in trouble else good)
            found.append(total)
        return found

    return counted


def age(trouble: range) -> list[float]:
    """Seconds since what happened last before the trouble."""
    return [second - trouble.start if second in trouble else 0 for second in seconds()]


def seconds() -> range:
    return range(0, 110 * 60, STEP)


DOWN = between(1, 0)
REQUESTS = f"http_requests_total{{{NS}}}"
FAILED = f"http_requests_failed_total{{{NS}}}"
WAITING = f'pgbouncer_pools_client_waiting_connections{{{NS}, database="hustlex"}}'
LONGEST_WAIT = f'pgbouncer_pools_client_maxwait_seconds{{{NS}, database="hustlex"}}'
PROBE = f'probe_success{{{NS}, job="blackbox", probe="%s", instance="x"}}'


def budget(objective: str, **ratios: float) -> dict[str, Values]:
    """Recorded by others before: here they are given."""
    share = 0.001 if objective == "availability" else 0.01
    found = {f"slo:{objective}:ratio{name}{{{NS}}}": between(0, rate * share) for name, rate in ratios.items()}
    return found | {f"slo:requests:rate{window}{{{NS}}}": between(1, 1) for window in ("1h", "1d")}


def drop(figure: str) -> dict[str, Values]:
    return {
        f"business:{figure}:usual{{{NS}}}": between(1000000, 1000000),
        f"business:{figure}:now{{{NS}}}": between(1000000, 0),
    }


# What makes an alert fire.
TROUBLE: dict[str, dict[str, Values]] = {
    "DatabaseDown": {f'pg_up{{{NS}, pod="postgres-0"}}': DOWN},
    "PgBouncerDown": {f"pgbouncer_up{{{NS}}}": DOWN},
    "RedisDown": {f"redis_up{{{NS}}}": DOWN},
    "ApiDown": {f'up{{{NS}, job="hustlex-api"}}': DOWN},
    "NodeDown": {'kube_node_status_condition{node="n1", condition="Ready", status="true"}': DOWN},
    "HighErrorRate": {REQUESTS: rate(10, 10), FAILED: rate(0, 5)},
    "HighLatency": {
        f'http_request_duration_seconds_bucket{{{NS}, le="0.5"}}': rate(10, 0),
        f'http_request_duration_seconds_bucket{{{NS}, le="1.0"}}': rate(10, 10),
        f'http_request_duration_seconds_bucket{{{NS}, le="+Inf"}}': rate(10, 10),
        f"http_request_duration_seconds_count{{{NS}}}": rate(10, 10),
    },
    "RequestMetricsMissing": {},
    "ApiWaitsForConnections": {f'db_pool_connections{{{NS}, state="awaited"}}': between(0, 3)},
    "JobsQueueGrowing": {f"jobs_queued{{{NS}}}": rate(0, 1)},
    "JobsFailing": {f'jobs_processed_total{{{NS}, kind="settle", result="failed"}}': rate(0, 1)},
    "AvailabilityBudgetBurnsFast": budget("availability", **{"6h": 7, "30m": 7}),
    "AvailabilityBudgetBurns": budget("availability", **{"1d": 4, "2h": 4}),
    "LatencyBudgetBurnsFast": budget("latency", **{"6h": 7, "30m": 7}),
    "LatencyBudgetBurns": budget("latency", **{"1d": 4, "2h": 4}),
    "HealthFailingInside": {PROBE % "inside": DOWN},
    "HealthFailingOutside": {PROBE % "outside": DOWN},
    "ProbeSlow": {f'probe_duration_seconds{{{NS}, job="blackbox", probe="inside"}}': between(0.1, 9)},
    "TransactionsDropped": drop("transactions"),
    "TransactionVolumeDropped": drop("transaction_volume_ngn"),
    "RegistrationsDropped": drop("registrations"),
    "ActiveUsersDropped": drop("active_users"),
    "DatabaseUnreachable": {f'dependency_up{{{NS}, dependency="database"}}': DOWN},
    "ReplicationLag": {f'pg_replication_lag_seconds{{{NS}, pod="postgres-replica-0"}}': age},
    "ReplicationSlotInactive": {f'pg_replication_slot_slot_is_active{{{NS}, slot_name="a"}}': DOWN},
    "PgBouncerClientsWaiting": {WAITING: between(0, 9)},
    "PgBouncerClientsWaitLong": {LONGEST_WAIT: between(0, 20)},
    "RedisUnreachable": {f'dependency_up{{{NS}, dependency="redis"}}': DOWN},
    "BackupStoreUnreachable": {f"hustlex_backup_store_up{{{NS}}}": DOWN},
    "WalArchiveFailing": {f"hustlex_backup_wal_archived_age_seconds{{{NS}}}": age},
    "RecoveryPointTooOld": {f"hustlex_backup_window_end_age_seconds{{{NS}}}": age},
    "WalWaiting": {f"hustlex_backup_wal_waiting_segments{{{NS}}}": between(0, 99)},
    "BackupJobFailed": {f'hustlex_backup_failed{{{NS}, kind="dump"}}': between(0, 1)},
    "TargetDown": {f'up{{{NS}, job="redis", node="n1", instance="x"}}': DOWN},
    "PodNotReady": {
        f'kube_pod_status_ready{{{NS}, pod="a", condition="true"}}': DOWN,
        f'kube_pod_status_phase{{{NS}, pod="a", phase="Running"}}': between(1, 1),
        f'kube_pod_info{{{NS}, pod="a", node="n1"}}': between(1, 1),
    },
    "NodeAgentMissing": {
        'kube_node_info{node="n1"}': between(1, 1),
        'up{job="log-collector", node="n1"}': between(1, 1),
    },
}
# By a series that goes while it lasts.
GONE = {
    "RequestMetricsMissing": f"http_requests_failed_total{{{NS}}}",
    "NodeAgentMissing": 'up{job="node", node="n1"}',
}
ALERTS = {rule["alert"]: rule for rule in alerts()}
SUPPRESSED = re.compile(r'max_over_time\(ALERTS\{alertname=~"([^"]+)", alertstate="firing"\}\[(\d+)([mh])\]\)')
# By alert: how long each cause keeps it silent.
CAUSES = {
    name: {
        cause: int(number) * {"m": 60, "h": 3600}[unit]
        for causes, number, unit in SUPPRESSED.findall(rule["expr"])
        for cause in causes.split("|")
    }
    for name, rule in ALERTS.items()
    if "ALERTS" in rule["expr"]
}


def series(alert: str, trouble: range) -> dict[str, str]:
    found = {name: " ".join(map(str, values(trouble))) for name, values in TROUBLE[alert].items()}
    if gone := GONE.get(alert):
        found[gone] = " ".join("_" if second in trouble else "1" for second in seconds())
    return found


def case(name: str, given: dict[str, str], *fires: tuple[int, str, bool]) -> dict[str, Any]:
    """Which alert fires at which second, or never did until then."""
    return {
        "name": name,
        "interval": f"{STEP}s",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "promql_expr_test": [
            {
                "expr": f'count(max_over_time(ALERTS{{alertname="{alert}", alertstate="firing"}}[{1 if fired else second}s]))',
                "eval_time": f"{second}s",
                "exp_samples": [{"labels": "{}", "value": 1}] if fired else [],
            }
            for second, alert, fired in fires
        ],
    }


def cases(alert: str) -> Iterator[dict[str, Any]]:
    last = seconds()[-1]
    well = {name: values for cause in CAUSES[alert] for name, values in series(cause, range(0)).items()}
    lasting = series(alert, range(BEGIN, last + STEP))
    yield case("alone", {**well, **lasting}, (BEGIN, alert, False), (END, alert, True))
    for cause, window in CAUSES[alert].items():
        # It is seen later than what follows from it, which also ends later.
        outage = {**well, **series(cause, range(BEGIN + STEP, END))}
        told = (END - STEP, cause, True)
        after = series(alert, range(BEGIN, END + 2 * STEP))
        yield case(f"during {cause}", {**outage, **after}, told, (last, alert, False))
        yield case(
            f"beyond {cause}", {**outage, **lasting}, told, (END + window - STEP, alert, False), (last, alert, True)
        )


@pytest.mark.parametrize("alert", CAUSES)
def test_what_follows_from_an_outage_is_told_where_it_is_alone_or_lasts(
    alert: str, tmp_path: Path, promtool: Tool
) -> None:
    # What follows is evaluated first, which makes it harder.
    rules = [ALERTS[name] for name in (alert, *CAUSES[alert])]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "outage", "rules": rules}]}))
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP}s", "tests": list(cases(alert))}
    (tmp_path / "cases.yml").write_text(json.dumps(tests))
    promtool("test", "rules", tmp_path / "cases.yml")


def test_causes_are_alerts_and_remembered_as_long_as_rates_are() -> None:
    causes = {cause for each in CAUSES.values() for cause in each}
    assert causes <= ALERTS.keys()
    assert TROUBLE.keys() == CAUSES.keys() | causes
    assert min(window for each in CAUSES.values() for window in each.values()) == 360
