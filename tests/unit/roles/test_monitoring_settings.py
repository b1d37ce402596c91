"""What role monitoring makes of its settings: configurations, keys, and the sentences about what cannot work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from .monitoring_role import ELSEWHERE, ROLE, config, value

LOKI_SCHEMA = Path(__file__).parents[1] / "monitoring" / "loki_schema.yml"
KEY = "0123456789abcdef0123456789ABCDEF"
BUCKET = {
    "monitoring_loki_store": "s3",
    "monitoring_loki_bucket": "logs",
    "monitoring_loki_store_endpoint": "http://store.example:7070",
    "monitoring_loki_store_ca_file": "/etc/ssl/store.crt",
    "monitoring_loki_retention_days": 3,
}


def used() -> set[str]:
    """Names in rules and dashboards that may be those of metrics."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROLE / "templates/rules").glob("*.j2"))]
    texts += [path.read_text(encoding="utf-8") for path in sorted((ROLE / "files/dashboards").glob("*.json"))]
    return set(re.findall(r"\b[a-z]+_[a-z0-9_]+", " ".join(texts)))


@pytest.mark.parametrize("given", [{}, {"monitoring_loki": False}, ELSEWHERE])
def test_what_can_work_is_let_through(given: dict[str, Any]) -> None:
    assert value("__monitoring_objections", **given) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"monitoring_thresholds": {"http_latency": 1, "x": 2}}, "has http_latency, x, but there is no such threshold"),
        ({"monitoring_prometheus_retention_days": 7}, "retention_days is 7: the alerts of the business"),
        ({"monitoring_prometheus_retention_size": "18Gi"}, r"retention_size \(18Gi\) is more than 85 % of .* \(20Gi\)"),
        ({"monitoring_loki_retention_days": 0}, "Loki keeps logs for a day at least"),
        ({"monitoring_scrape_interval_seconds": 90}, "a sample each 5 to 60 seconds"),
        ({"monitoring_loki_store": "s3"}, "name its bucket in monitoring_loki_bucket"),
        ({"monitoring_log_collector_endpoint": "http://logs:4318"}, "set monitoring_loki to false"),
        (ELSEWHERE | {"monitoring_log_collector_endpoint": "logs:4318"}, "must be an address such as"),
        (ELSEWHERE | {"monitoring_log_collector_endpoint": "http://me:word@logs:4318"}, "must be an address such as"),
        ({"monitoring_pagerduty_required": True}, "^Production needs a PagerDuty key"),
    ],
)
def test_what_cannot_work_is_said(given: dict[str, Any], words: str) -> None:
    assert re.search(words, value("__monitoring_objections", **given))


def test_rendering_needs_no_key() -> None:
    given = {"monitoring_pagerduty_required": True, "monitoring_slack_url_file": "/nowhere", "hustlex_rendering": True}
    assert value("__monitoring_objections", **given) == ""
    assert value("__monitoring_keys", **given) == {"slack-url": "not set yet"}


def test_keys_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert value("__monitoring_keys", monitoring_pagerduty_key_file=str(tmp_path / "key")) == {"pagerduty-key": KEY}


@pytest.mark.parametrize(
    ("variable", "content", "words"),
    [
        ("monitoring_pagerduty_key_file", None, "which monitoring_pagerduty_key_file names, is not there."),
        ("monitoring_loki_store_ca_file", None, "which monitoring_loki_store_ca_file names, is not there."),
        ("monitoring_loki_store_ca_file", "-----BEGIN CERTIFICATE-----\nMII\n", ""),
        ("monitoring_pagerduty_key_file", KEY, ""),
        ("monitoring_pagerduty_key_file", f"{KEY} {KEY}", "must hold the 32 letters and digits of an integration key"),
        ("monitoring_slack_url_file", KEY, "must hold the address of an incoming webhook alone."),
    ],
)
def test_a_file_that_cannot_serve_is_named_without_what_is_in_it(
    variable: str, content: str | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    found = value("__monitoring_objections", **{variable: str(path)})
    assert words in found
    assert bool(found) == bool(words)
    assert KEY not in found


def test_git_ignores_the_keys_that_the_inventories_name() -> None:
    root = ROLE.parents[1]
    texts = [path.read_text(encoding="utf-8") for path in root.glob("inventories/*/group_vars/all/monitoring.yml")]
    named = set(re.findall(r"inventory_dir ~ '/(\.[a-z-]+)'", "".join(texts)))
    assert named == {f".{name}" for name in value("__monitoring_key_files")}
    assert named <= set((root / ".gitignore").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("pagerduty-key", [KEY], ["", KEY[1:], f"{KEY}0", f"key: {KEY}", f"{KEY}\n{KEY}"]),
        ("heartbeat-url", ["https://heartbeat.example.com/1"], ["", "heartbeat.example.com/1", "https://x/y z"]),
        (
            "slack-url",
            ["https://hooks.example.com/services/T0/B0/x"],
            ["", "xoxb-1-2", "https://", "https://hooks.example.com", "hooks.example.com/services/x", "https://x/y z"],
        ),
    ],
)
def test_the_forms_of_keys(name: str, good: list[str], bad: list[str]) -> None:
    form = value("__monitoring_key_files")[name]["form"]
    assert all(re.match(f"^{form}$", each) for each in good)
    assert not [each for each in bad if re.match(f"^{form}$", each)]


def test_prometheus_scrapes_the_jobs_that_the_rules_expect() -> None:
    jobs = [each["job_name"] for each in config("prometheus")["scrape_configs"]]
    assert sorted(jobs) == sorted(value("__monitoring_scrape_jobs"))


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_release_asks_the_prometheus_of_this_role(environment: str) -> None:
    inventory = ROLE.parents[1] / "inventories" / environment / "group_vars" / "all" / "app.yml"
    found = yaml.safe_load(inventory.read_text(encoding="utf-8"))
    name, _colon, port = found["app_prometheus_service"].partition(":")
    assert f"pod.service('{name}', {port}, " in (ROLE / "templates/prometheus.yaml.j2").read_text(encoding="utf-8")
    # Whereabouts refuses both.
    assert "app_prometheus_url" not in found


def test_targets_of_probes() -> None:
    def probes(**given: Any) -> dict[str, str]:
        job = next(each for each in config("prometheus", **given)["scrape_configs"] if each["job_name"] == "blackbox")
        return {each["labels"]["probe"]: each["targets"][0] for each in job["static_configs"]}

    assert probes() == {
        "inside": "http://hustlex-api.shop.svc/api/v1/health",
        "outside": "https://api.example.com/api/v1/health",
        "postgres": "postgres.shop.svc:5432",
        "redis": "redis.shop.svc:6379",
    }
    assert "outside" not in probes(hustlex_url="http://localhost:8080")
    assert value("__monitoring_probe_port") == 443
    assert value("__monitoring_probe_port", hustlex_url="http://api.example.com:8080") == 8080


@pytest.mark.parametrize(("prefix", "job"), [("kubelet_", "kubelet"), ("container_|machine_", "cadvisor")])
def test_what_rules_and_dashboards_use_is_kept(prefix: str, job: str) -> None:
    kept = "|".join(value(f"__monitoring_{job}_metrics"))
    # Thresholds are named alike.
    thresholds = value("__monitoring_threshold_defaults").keys()
    wanted = [name for name in used() if re.match(prefix, name) and name not in thresholds]
    assert wanted
    assert [name for name in wanted if not re.fullmatch(kept, name)] == []


def test_kube_state_metrics_watches_what_is_used() -> None:
    short = {"horizontalpodautoscaler", "cronjob", "configmap", "persistentvolumeclaim", "persistentvolume"}
    watched = {each.removesuffix("s") for each in value("__monitoring_state_resources")}
    named = {match[1] for name in used() if (match := re.match(r"kube_([a-z]+)_", name))}
    assert named - watched == set()
    assert short <= watched
    rights = value("__monitoring_rights")
    allowed = {each for rule in (*rights["state"], *rights["cluster_state"]) for each in rule["resources"]}
    assert allowed == set(value("__monitoring_state_resources"))


def test_loki_keeps_logs_on_its_volume_or_in_a_bucket() -> None:
    assert config("loki")["storage_config"] == {"filesystem": {"directory": "/var/lib/loki/chunks"}}
    found = config("loki", **BUCKET)
    assert found["storage_config"]["aws"] == {
        "bucketnames": "logs",
        "region": "us-east-1",
        "endpoint": "http://store.example:7070",
        "insecure": True,
        "s3forcepathstyle": False,
        "http_config": {"ca_file": "/etc/loki-store/ca.crt"},
    }
    assert found["schema_config"]["configs"][0]["object_store"] == found["compactor"]["delete_request_store"] == "s3"
    assert found["limits_config"]["retention_period"] == "72h"
    assert value("__monitoring_loki_store_port", **BUCKET) == 7070


@pytest.mark.parametrize("given", [{}, BUCKET], ids=["volume", "bucket"])
def test_loki_knows_every_setting_that_it_is_given(given: dict[str, Any]) -> None:
    schema = yaml.safe_load(LOKI_SCHEMA.read_text(encoding="utf-8"))
    found = config("loki", **given)
    jsonschema.validate(found, schema)
    for broken in (
        {"limits": {}},
        {"compactor": {"retention_enabled": True}},
        {"limits_config": {"retention_period": 72}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(found | broken, schema)


@pytest.mark.parametrize(
    ("given", "absent", "alerts"),
    [
        ({}, set(), {"Loki", "Log"}),
        (ELSEWHERE, {"loki"}, {"Log"}),
        ({"monitoring_loki": False}, {"loki", "log-collector"}, set()),
    ],
    ids=["own", "elsewhere", "nowhere"],
)
def test_nothing_expects_what_is_left_out(given: dict[str, Any], absent: set[str], alerts: set[str]) -> None:
    jobs = {each["job_name"] for each in config("prometheus", **given)["scrape_configs"]}
    assert {"loki", "log-collector"} - jobs == absent
    order = [job for job in value("__monitoring_all_jobs") if job not in absent]
    assert value("__monitoring_scrape_jobs", **given) == order
    assert jobs == set(order)
    assert value("__monitoring_node_jobs", **given) == [job for job in ("node", "log-collector") if job not in absent]
    rules = value("__monitoring_rules", **given)
    assert set(re.findall(r"- alert: (Loki|Log)[A-Z]", "".join(rules.values()))) == alerts
    assert ("logs.yml" in rules) == bool(alerts)
    missing = "".join(rules.values())
    assert {job for job in ("loki", "log-collector") if f'job="{job}"' not in missing} == absent


def test_logs_go_to_the_loki_of_the_role_or_elsewhere() -> None:
    def where(**given: Any) -> tuple[str, int]:
        endpoint = config("log_collector", **given)["exporters"]["otlp_http"]["endpoint"]
        return endpoint, value("__monitoring_logs_port", **given)

    assert where() == ("http://loki.shop.svc:3100/otlp", 3100)
    assert where(**ELSEWHERE) == ("http://logs.tools.svc:4318/otlp", 4318)


def test_the_labels_of_logs_are_those_that_the_collector_gives() -> None:
    attributes = config("loki")["limits_config"]["otlp_config"]["resource_attributes"]["attributes_config"]
    indexed = next(each["attributes"] for each in attributes if each["action"] == "index_label")
    collector = config("log_collector")
    operators = collector["receivers"]["file_log"]["operators"]
    moved = [each["to"].removeprefix("resource.") for each in operators if each["type"] == "move"]
    labels = [each["tag_name"] for each in collector["processors"]["k8s_attributes"]["extract"]["labels"]]
    assert sorted(indexed) == sorted(moved + labels) == ["app", "container", "namespace", "pod"]
