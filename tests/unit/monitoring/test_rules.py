"""Every alert fires when it must and stays silent when it must not, says what to do, and keeps the guide's numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from programs import Tool
from proofs import CASES, proofs, reads
from rendered import ROLE, ROOT, RULES, groups, plain, render, rules, value

EVERYTHING = rules()
ALERTS = {rule["alert"]: rule for rule in EVERYTHING if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for rule in EVERYTHING if "record" in rule}
PROOFS = proofs(list(ALERTS))
PAGE = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
ENVIRONMENTS = {
    "development": {
        "hustlex_environment": "development",
        "hustlex_url": "http://localhost:8080",
        "monitoring_loki": False,
    },
    "staging": {"hustlex_environment": "staging", "hustlex_namespace": "hustlex-staging"},
    "nowhere": {"hustlex_url": ""},
}


@pytest.fixture(params=ALERTS.values(), ids=list(ALERTS))
def alert(request: pytest.FixtureRequest) -> dict[str, Any]:
    rule: dict[str, Any] = request.param
    return rule


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name.split(".")[0])
def test_prometheus_takes_the_rules(path: Path, folder: Path, promtool: Tool) -> None:
    promtool("check", "rules", folder / "rules" / path.stem)


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=list(ENVIRONMENTS))
def test_prometheus_takes_the_rules_of_other_environments(
    environment: dict[str, Any], tmp_path: Path, promtool: Tool
) -> None:
    for path in RULES:
        if text := render(path, **environment):
            (tmp_path / path.stem).write_text(text)
    promtool("check", "rules", *tmp_path.iterdir())


def test_a_rule_that_is_broken_is_refused(folder: Path, tmp_path: Path, promtool: Tool) -> None:
    text = (folder / "rules" / "redis.yml").read_text()
    (tmp_path / "broken.yml").write_text(text.replace("max by (namespace)", "max by namespace"))
    assert "could not parse expression" in promtool("check", "rules", tmp_path / "broken.yml", ok=False).stderr


def test_rules_of_one_s_own_are_a_file_beside_the_others(tmp_path: Path, promtool: Tool) -> None:
    assert "extra.yml" not in value("__monitoring_rules")
    # The example of the page, as an inventory has it.
    (example,) = re.findall(r"<!-- extra rules -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "inventory.yml").write_text(example)
    made = value(
        "__monitoring_rules", **DataLoader().load_from_file(str(tmp_path / "inventory.yml"), trusted_as_template=True)
    )
    assert made.keys() == value("__monitoring_rules").keys() | {"extra.yml"}
    (tmp_path / "extra.yml").write_text(plain(made["extra.yml"]))
    promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "extra.yml")
    (group,) = yaml.safe_load(plain(made["extra.yml"]))["groups"]
    (rule,) = group["rules"]
    assert rule["annotations"]["description"] == "{{ $value }} gigs were completed within an hour."


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"expr": "sum by namespace (up)"}, "could not parse expression"),
        ({"fro": "5m"}, "field fro not found"),
        ({"for": "soon"}, "not a valid duration string"),
    ],
)
def test_a_rule_of_one_s_own_that_is_broken_is_refused(
    broken: dict[str, str], words: str, tmp_path: Path, promtool: Tool
) -> None:
    groups = [{"name": "own", "rules": [{"alert": "Own", "expr": "up == 0", **broken}]}]
    (tmp_path / "extra.yml").write_text(plain(value("__monitoring_rules", monitoring_extra_rules=groups)["extra.yml"]))
    assert words in promtool("check", "rules", tmp_path / "extra.yml", ok=False).stderr


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_alerts_behave(path: Path, folder: Path, promtool: Tool) -> None:
    promtool("test", "rules", folder / "cases" / path.name)


def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    fire = {proof.alert for proof in PROOFS if proof.fires}
    # Silence proves something beside the series that could end it, or at a time before the alert fires.
    silent = {
        proof.alert
        for proof in PROOFS
        if not proof.fires and reads(ALERTS[proof.alert]["expr"], RECORDED, proof.series)
    }
    assert {proof.alert for proof in PROOFS} <= ALERTS.keys()
    assert sorted(ALERTS.keys() - fire) == []
    assert sorted(ALERTS.keys() - silent) == ["Watchdog"]


def test_names_are_used_once() -> None:
    names = [rule.get("alert") or rule["record"] for rule in EVERYTHING]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_groups_are_named_after_their_files() -> None:
    first = {path.name.split(".")[0]: groups(path)[0]["name"] for path in RULES}
    assert {name: group for name, group in first.items() if name != group} == {"application": "hustlex"}


def test_an_alert_has_all_that_it_needs(alert: dict[str, Any]) -> None:
    labels, annotations = alert["labels"], alert["annotations"]
    assert labels["severity"] in ("critical", "warning", "info", "none")
    assert labels["component"]
    assert set(annotations) == {"summary", "description", "runbook_url", "command"}
    assert all(annotations.values())
    assert "{{" not in annotations["summary"]
    assert not annotations["summary"].endswith(".")
    # A sentence, or the command that shows more.
    assert re.search(r"[.?]$|: kubectl [^:]+$", annotations["description"])
    assert annotations["runbook_url"] == f"https://docs.example/monitoring.md#{alert['alert'].lower()}"
    assert f'<a id="{alert["alert"].lower()}"></a>' in PAGE


def test_a_command_can_be_run(alert: dict[str, Any]) -> None:
    command = alert["annotations"]["command"]
    parts = re.fullmatch(r"ansible-playbook playbooks/(\w+)\.yml -i inventories/production((?: .+)?)", command)
    assert parts, command
    playbook, options = parts.groups()
    head = (ROOT / f"playbooks/{playbook}.yml").read_text(encoding="utf-8").split("\n- ")[0]
    for option, argument in re.findall(r"(-e|--tags) (\{\{.*?\}\}|\S+)", options):
        if option == "--tags":
            assert "--tags" in head
            assert all((ROOT / "roles" / tag).is_dir() for tag in argument.split(","))
        else:
            assert f"-e {argument.split('=')[0]}=" in head
    assert re.sub(r" (-e|--tags) (\S+=\{\{.*?\}\}|\S+)", "", options) == ""


def test_a_text_mentions_no_label_that_the_alert_lacks(alert: dict[str, Any]) -> None:
    texts = " ".join(alert["annotations"].values())
    tested = " ".join(re.findall(r"\{\{ (?:if|or) [^}]*\}\}", texts))
    mentioned = set(re.findall(r"\$labels\.(\w+)", texts)) - set(re.findall(r"\$labels\.(\w+)", tested))
    for proof in PROOFS:
        if proof.alert == alert["alert"] and proof.labels:
            assert mentioned <= proof.labels


def test_alerts_follow_the_guide() -> None:
    """Chapter 4.3: name, duration and severity."""
    guide = {
        "HighErrorRate": ("5m", "critical", "High error rate detected"),
        "HighLatency": ("5m", "warning", "High latency detected"),
        "DatabaseDown": ("1m", "critical", "PostgreSQL is down"),
        "RedisDown": ("1m", "critical", "Redis is down"),
    }
    for name, (duration, severity, summary) in guide.items():
        rule = ALERTS[name]
        assert (rule["for"], rule["labels"]["severity"], rule["annotations"]["summary"]) == (
            duration,
            severity,
            summary,
        )


# Chapter 4.2. The thresholds of the business are drops.
GUIDE = {
    "http_requests_total": None,
    "http_request_duration_seconds": 0.5,
    "http_requests_failed_total": 0.01,
    "active_connections": 1000,
    "transactions_total": 0.5,
    "transaction_volume_ngn": 0.5,
    "registrations_total": 0.8,
    "active_users": 0.3,
    "cpu_usage": 0.8,
    "memory_usage": 0.85,
    "disk_usage": 0.8,
    "postgres_connections": 0.8,
}


def test_the_table_of_metrics_is_the_guide_s() -> None:
    thresholds = value("__monitoring_thresholds")
    table = {row["metric"]: thresholds.get(row["threshold"]) for row in value("__monitoring_guide_metrics")}
    assert table == GUIDE


@pytest.mark.parametrize("row", value("__monitoring_guide_metrics"), ids=lambda row: row["metric"])
def test_a_metric_of_the_guide_is_watched(row: dict[str, str]) -> None:
    expression = ALERTS[row["alert"]]["expr"]
    named = {row["metric"], f"{row['metric']}_bucket", f"{row['metric']}_count"}
    if row["metric"] == "http_requests_total":
        named.add("http_requests_failed_total")
    assert reads(expression, RECORDED, frozenset(named))
    if row["threshold"]:
        changed = {"monitoring_thresholds": {row["threshold"]: 0.123}}
        (other,) = (rule for rule in rules(**changed) if rule.get("alert") == row["alert"])
        assert "0.123" in other["expr"]
        assert "0.123" not in expression


def test_every_threshold_is_used() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in (ROLE / "templates").rglob("*.yml.j2"))
    unused = [name for name in value("__monitoring_threshold_defaults") if f"threshold.{name}" not in used]
    assert unused == []


def test_a_threshold_that_nobody_knows_is_named() -> None:
    given = {"http_error_ratio": 0.02, "http_eror_ratio": 0.02}
    assert value("__monitoring_unknown_thresholds", monitoring_thresholds=given) == ["http_eror_ratio"]


def test_what_cannot_be_asked_from_here_is_not_missed() -> None:
    outside = {"HealthFailingOutside", "CertificateNotSeen"}
    assert outside <= ALERTS.keys()
    (path,) = (path for path in RULES if path.name.startswith("probes."))
    for environment in (ENVIRONMENTS["development"], ENVIRONMENTS["nowhere"]):
        (group,) = groups(path, **environment)
        assert not outside & {rule["alert"] for rule in group["rules"]}
