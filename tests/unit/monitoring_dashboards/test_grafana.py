"""Grafana's manifests."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.plugin_utils.templates import find_templates, render
from dashboards import build, catalogue

ROLE = Path(__file__).parents[3] / "roles/monitoring"
VARIABLES: dict[str, Any] = {
    "ansible_search_path": [str(ROLE)],
    "hustlex_namespace": "hustlex",
    "monitoring_grafana": True,
    "monitoring_grafana_image": "grafana:test",
    "monitoring_grafana_ingress_from": [],
    "monitoring_grafana_resources": {"requests": {"memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    "monitoring_grafana_storage_size": "",
    "monitoring_grafana_uid": 472,
    "monitoring_grafana_url": "",
    "monitoring_image_pull_policy": "IfNotPresent",
    "monitoring_loki": True,
    "monitoring_node_selector": {},
    "monitoring_scrape_interval_seconds": 15,
    "monitoring_storage_class": "",
    "monitoring_tolerations": [],
    "monitoring_uid": 65534,
}
Objects = dict[tuple[str, str], dict[str, Any]]


def rendered(**changes: Any) -> Objects:
    variables = {**VARIABLES, **changes}
    templar = Templar(loader=DataLoader(), variables=variables)
    paths = find_templates(["grafana.yaml.j2"], [str(ROLE)])
    ((_name, text),) = render(templar, paths, [str(ROLE)], variables)
    found = [item for item in yaml.safe_load_all(text) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered()


def settings(objects: Objects) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(objects["ConfigMap", "grafana-config"]["data"]["grafana.ini"])
    return parser


def pod(objects: Objects) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment", "grafana"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_kubernetes_takes_them(version: str) -> None:
    for item in rendered(monitoring_grafana_storage_size="1Gi", hustlex_pull_secret="registry").values():
        kubernetes_validate.validate(item, version, strict=True)


def test_without_grafana_there_is_nothing() -> None:
    assert rendered(monitoring_grafana=False) == {}


def test_every_dashboard_arrives_as_it_is_committed(objects: Objects) -> None:
    names = {f"grafana-dashboard-{spec.file}" for spec in catalogue.DASHBOARDS}
    held = {name: item["data"] for (kind, name), item in objects.items() if kind == "ConfigMap"} | {}
    del held["grafana-config"]
    assert set(held) == names
    texts = {name: text for data in held.values() for name, text in data.items()}
    assert texts == {path.name: text for path, text in catalogue.files().items()}
    assert all(sum(len(text.encode()) for text in data.values()) < 2**20 for data in held.values())
    (volume,) = (volume for volume in pod(objects)["volumes"] if volume["name"] == "dashboards")
    assert {source["configMap"]["name"] for source in volume["projected"]["sources"]} == names


def test_data_sources_are_those_that_dashboards_begin_with(objects: Objects) -> None:
    provisioned = yaml.safe_load(objects["ConfigMap", "grafana-config"]["data"]["datasources.yaml"])["datasources"]
    assert [(source["name"], source["type"]) for source in provisioned] == list(build.DEFAULT_SOURCES.values())
    assert all(source["uid"] == source["type"] for source in provisioned)
    assert provisioned[0]["jsonData"]["timeInterval"] == "15s"
    assert not any(source["editable"] for source in provisioned)


def test_without_loki_nothing_asks_it() -> None:
    objects = rendered(monitoring_loki=False)
    provisioned = yaml.safe_load(objects["ConfigMap", "grafana-config"]["data"]["datasources.yaml"])["datasources"]
    assert [source["name"] for source in provisioned] == ["Prometheus"]
    assert ("ConfigMap", "grafana-dashboard-logs") not in objects
    assert "logs" not in str(pod(objects)["volumes"])
    (rule,) = objects["NetworkPolicy", "grafana"]["spec"]["egress"]
    assert rule["to"] == [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]


def test_dashboards_are_read_from_where_they_are_mounted(objects: Objects) -> None:
    data = objects["ConfigMap", "grafana-config"]["data"]
    (provider,) = yaml.safe_load(data["dashboards.yaml"])["providers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(objects)["containers"][0]["volumeMounts"]}
    assert provider["options"]["path"] == mounts["dashboards"]
    home = settings(objects)["dashboards"]["default_home_dashboard_path"]
    assert home == f"{mounts['dashboards']}/{catalogue.DASHBOARDS[0].file}.json"


def test_nobody_gets_in_without_a_password(objects: Objects) -> None:
    found = settings(objects)
    assert not found["auth.anonymous"].getboolean("enabled")
    assert not found["users"].getboolean("allow_sign_up")
    assert not found["public_dashboards"].getboolean("enabled")
    secret = objects["Secret", "grafana-credentials"]
    assert secret["metadata"]["annotations"] == {"hustlex.app/keep-data": "true"}
    values = list(secret["stringData"].values())
    assert len(set(values)) == 2
    assert all(len(value) == 40 for value in values)
    for key in ("admin_password", "secret_key"):
        assert found["security"][key] == f"$__file{{/etc/grafana-secrets/{key.upper()}}}"
    assert not any(value in str(item) for item in objects.values() if item is not secret for value in values)


def test_it_tells_nobody_anything_and_fetches_nothing(objects: Objects) -> None:
    found = settings(objects)
    off = {
        "analytics": ["reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"],
        "plugins": ["plugin_admin_enabled", "preinstall_auto_update"],
        "news": ["news_feed_enabled"],
        "snapshots": ["external_enabled"],
        "cloud_migration": ["enabled"],
    }
    assert [key for section, keys in off.items() for key in keys if found[section].getboolean(key)] == []
    on = {"plugins": ["preinstall_disabled", "public_key_retrieval_disabled"], "security": ["disable_gravatar"]}
    assert [key for section, keys in on.items() for key in keys if not found[section].getboolean(key)] == []


def test_it_reaches_its_data_sources_alone(objects: Objects) -> None:
    policy = objects["NetworkPolicy", "grafana"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    reached = {
        (rule["to"][0]["podSelector"]["matchLabels"]["app"], rule["ports"][0]["port"]) for rule in policy["egress"]
    }
    assert reached == {("prometheus", 9090), ("loki", 3100)}


def test_those_that_are_named_may_open_it() -> None:
    gateway = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}}
    policy = rendered(monitoring_grafana_ingress_from=[gateway])["NetworkPolicy", "grafana"]["spec"]
    assert policy["ingress"] == [{"from": [gateway], "ports": [{"protocol": "TCP", "port": "http"}]}]


def test_the_pod_is_restricted(objects: Objects) -> None:
    spec = pod(objects)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 472
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    written = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"data", "tmp"}


@pytest.mark.parametrize(("size", "kind"), [("", "emptyDir"), ("1Gi", "persistentVolumeClaim")])
def test_what_people_store_is_kept_if_there_is_a_volume(size: str, kind: str) -> None:
    objects = rendered(monitoring_grafana_storage_size=size, monitoring_storage_class="fast")
    (volume,) = (volume for volume in pod(objects)["volumes"] if volume["name"] == "data")
    assert kind in volume
    claims = [
        item["spec"]["storageClassName"] for (name, _key), item in objects.items() if name == "PersistentVolumeClaim"
    ]
    assert claims == (["fast"] if size else [])


@pytest.mark.parametrize(
    ("url", "root", "secure"),
    [("", "http://localhost:3000/", "false"), ("https://grafana.test/", "https://grafana.test/", "true")],
)
def test_cookies_travel_encrypted_where_the_address_is(url: str, root: str, secure: str) -> None:
    found = settings(rendered(monitoring_grafana_url=url))
    assert (found["server"]["root_url"], found["security"]["cookie_secure"]) == (root, secure)
