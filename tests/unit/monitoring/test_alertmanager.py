"""Who hears of which alert, and which alert speaks for others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import Tool
from proofs import proofs
from rendered import ROLE, alerts, render

TEMPLATE = ROLE / "templates/config/alertmanager.yml.j2"
KEYS = {"monitoring_pagerduty_key_file": "/keys/pagerduty", "monitoring_slack_url_file": "/keys/slack"}
HEARTBEAT = {"monitoring_heartbeat_url_file": "/keys/heartbeat"}
SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "keys": KEYS,
    "heartbeat": HEARTBEAT,
    "everything": {
        **KEYS,
        **HEARTBEAT,
        "monitoring_pagerduty_url": "http://receiver:8000/pagerduty",
        "monitoring_slack_channel": "#alerts",
    },
}
ALERTS = {rule["alert"]: rule for rule in alerts()}
Labels = dict[str, str]


def config(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(render(TEMPLATE, **given))
    return found


def receiver(name: str, **given: Any) -> dict[str, Any]:
    (found,) = (each for each in config(**given)["receivers"] if each["name"] == name)
    return dict(found)


@pytest.fixture(params=SETTINGS.values(), ids=list(SETTINGS))
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    given: dict[str, Any] = request.param
    return given


def written(folder: Path, **given: Any) -> Path:
    path = folder / "alertmanager.yml"
    # Alertmanager has read the address of a webhook from a file since 0.26, and Debian 12 has 0.25.
    path.write_text(re.sub("- url_file: .+", "- url: https://heartbeat.example/1", render(TEMPLATE, **given)))
    return path


def test_alertmanager_takes_the_configuration(settings: dict[str, Any], tmp_path: Path, amtool: Tool) -> None:
    amtool("check-config", written(tmp_path, **settings))


def test_a_route_to_nobody_is_refused(tmp_path: Path, amtool: Tool) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("receiver: call\n", "receiver: nobody\n"))
    assert 'undefined receiver "nobody"' in amtool("check-config", path, ok=False).stdout


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["severity=critical", "alertname=DatabaseDown"], "call"),
        (["severity=warning", "alertname=HighLatency"], "channel"),
        (["severity=info", "alertname=Something"], "channel"),
        (["severity=none", "alertname=DeployInProgress"], "nowhere"),
        (["alertname=WithoutSeverity"], "channel"),
    ],
)
def test_the_severity_decides_who_hears(
    labels: list[str], expected: str, settings: dict[str, Any], tmp_path: Path, amtool: Tool
) -> None:
    path = written(tmp_path, **settings)
    amtool("config", "routes", "test", f"--config.file={path}", f"--verify.receivers={expected}", *labels)


def test_what_is_secret_is_read_from_files(settings: dict[str, Any]) -> None:
    text = render(TEMPLATE, **settings)
    assert set(re.findall(r"\w+_file: (\S+)", text)) == {
        f"/etc/alertmanager/keys/{name}"
        for name, variable in {
            "pagerduty-key": "monitoring_pagerduty_key_file",
            "slack-url": "monitoring_slack_url_file",
            "heartbeat-url": "monitoring_heartbeat_url_file",
        }.items()
        if variable in settings
    }


@pytest.mark.parametrize(("settings", "expected"), [({}, "nowhere"), (HEARTBEAT, "heartbeat")])
def test_the_watchdog_is_heard_by_its_heartbeat_alone(
    settings: dict[str, Any], expected: str, tmp_path: Path, amtool: Tool
) -> None:
    labels = [f"{name}={value}" for name, value in {"alertname": "Watchdog", **ALERTS["Watchdog"]["labels"]}.items()]
    path = written(tmp_path, **settings)
    amtool("config", "routes", "test", f"--config.file={path}", f"--verify.receivers={expected}", *labels)


def test_critical_calls_and_is_written() -> None:
    call = receiver("call", **KEYS)
    (pagerduty,), (slack,) = call["pagerduty_configs"], call["slack_configs"]
    assert pagerduty["routing_key_file"] == "/etc/alertmanager/keys/pagerduty-key"
    assert "url" not in pagerduty
    assert slack["api_url_file"] == "/etc/alertmanager/keys/slack-url"
    assert set(receiver("channel", **KEYS)) == {"name", "slack_configs"}
    assert ".Annotations.command" in pagerduty["details"]["command"]
    assert ".Annotations.command" in slack["text"]
    assert pagerduty["send_resolved"] is slack["send_resolved"] is True


def test_without_keys_nothing_is_sent() -> None:
    assert receiver("call") == {"name": "call"}
    assert receiver("channel") == {"name": "channel"}
    assert [each["name"] for each in config()["receivers"]] == ["nowhere", "call", "channel"]


def test_another_address_stands_for_pagerduty() -> None:
    (pagerduty,) = receiver("call", **SETTINGS["everything"])["pagerduty_configs"]
    assert pagerduty["url"] == "http://receiver:8000/pagerduty"


def matches(matcher: str, labels: Labels) -> bool:
    parts = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher)
    assert parts, matcher
    name, operator, pattern = parts.groups()
    found = labels.get(name, "")
    return {"=": found == pattern, "!=": found != pattern, "=~": bool(re.fullmatch(pattern, found))}[operator]


def heard(*firing: Labels) -> list[str]:
    """Names of the alerts that no other one silences, by Alertmanager's rules: a label that is missing is an empty one."""
    rules = config()["inhibit_rules"]
    return [
        alert["alertname"]
        for alert in firing
        if not any(
            other is not alert
            and all(matches(each, other) for each in rule["source_matchers"])
            and all(matches(each, alert) for each in rule["target_matchers"])
            and all(other.get(name, "") == alert.get(name, "") for name in rule["equal"])
            for rule in rules
            for other in firing
        )
    ]


def firing(name: str, **labels: str) -> Labels:
    fixed = {key: value for key, value in ALERTS[name]["labels"].items() if "{{" not in value}
    return {"alertname": name, "namespace": "hustlex", **fixed, **labels}


DEPLOY = firing("DeployInProgress")


def test_a_release_silences_its_own_noise_and_nothing_else() -> None:
    noise = firing("PodNotReady", pod="hustlex-api-1", deploy_noise="true")
    others = [
        firing("PodNotReady", pod="redis-0", deploy_noise="false"),
        firing("HighErrorRate"),
        firing("DatabaseDown"),
    ]
    assert heard(DEPLOY, noise, *others[:2]) == ["DeployInProgress", "PodNotReady", "HighErrorRate"]
    assert heard(DEPLOY, others[2]) == ["DeployInProgress", "DatabaseDown"]
    assert heard(noise) == ["PodNotReady"]


def test_a_release_elsewhere_silences_nothing_here() -> None:
    noise = firing("PodNotReady", pod="hustlex-api-1", deploy_noise="true")
    assert heard({**DEPLOY, "namespace": "other"}, noise) == ["DeployInProgress", "PodNotReady"]


def test_the_worse_silences_the_bad() -> None:
    disk = {"node": "n1", "device": "/dev/vda"}
    assert heard(firing("HighDiskUsage", **disk), firing("DiskAlmostFull", **disk)) == ["DiskAlmostFull"]
    other = {"node": "n1", "device": "/dev/vdb"}
    assert len(heard(firing("HighDiskUsage", **other), firing("DiskAlmostFull", **disk))) == 2


def test_nothing_silences_what_calls() -> None:
    """Alertmanager tells nobody of an end that comes while another alert speaks: an incident would stay open."""
    critical = {name for name, rule in ALERTS.items() if rule["labels"]["severity"] == "critical"}
    everything = [firing(name) for name in ALERTS]
    assert critical | {"Watchdog", "DeployInProgress"} <= set(heard(*everything))


def test_inhibitions_name_alerts_and_labels_that_there_are() -> None:
    """A label that an alert lacks would be equal to one that its cause lacks."""
    seen: dict[str, list[frozenset[str]]] = {}
    for proof in proofs(list(ALERTS)):
        if proof.fires and proof.labels:
            seen.setdefault(proof.alert, []).append(proof.labels)
    for rule in config()["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            if named := re.fullmatch(r'alertname=~?"(.*)"', matcher):
                for name in named[1].split("|"):
                    assert all(set(rule["equal"]) <= labels for labels in seen[name]), (name, rule)
