"""The production inventory renders to the numbers of the guide (chapters 1.3, 2.4, 2.5, 3.3, 5.1 and 5.3)."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Every object of production by its kind and name."""
    folder = tmp_path_factory.mktemp("rendered")
    done = subprocess.run(
        ["ansible-playbook", "playbooks/render.yml", "-i", "inventories/production", "-e", f"render_dir={folder}"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    objects = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.rglob("*.yaml")]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def containers(workload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of each container that stays, with those of sidecars."""
    spec = workload["spec"]["template"]["spec"]
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    return {each["name"]: each["resources"] for each in [*spec["containers"], *sidecars]}


@pytest.mark.parametrize("name", ["hustlex-api", "hustlex-worker"])
def test_the_application(rendered: dict[tuple[str, str], Any], name: str) -> None:
    deployment = rendered["Deployment", name]
    (resources,) = containers(deployment).values()
    assert resources["limits"] == {"cpu": "2", "memory": "4Gi"}
    assert deployment["spec"].get("replicas") == {"hustlex-api": None, "hustlex-worker": 2}[name]
    assert deployment["spec"]["minReadySeconds"] == 30
    assert deployment["spec"]["progressDeadlineSeconds"] == 600
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_autoscaler(rendered: dict[tuple[str, str], Any]) -> None:
    spec = rendered["HorizontalPodAutoscaler", "hustlex-api-hpa"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 20)
    metrics = {item["resource"]["name"]: item["resource"]["target"]["averageUtilization"] for item in spec["metrics"]}
    assert metrics == {"cpu": 70, "memory": 80}


@pytest.mark.parametrize("name", ["postgres", "postgres-replica"])
def test_postgres(rendered: dict[tuple[str, str], Any], name: str) -> None:
    spec = rendered["StatefulSet", name]["spec"]
    assert spec["replicas"] == 1
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "100Gi"}
    resources = containers(rendered["StatefulSet", name])
    # Beside the guide's own, the container has what archiving needs, and two small sidecars: docs/decisions.md.
    assert resources["postgres"] == {
        "requests": {"cpu": "1", "memory": f"{4 * 1024 + 128}Mi"},
        "limits": {"cpu": "2", "memory": f"{8 * 1024 + 128}Mi"},
    }
    assert set(resources) == {"postgres", "keeper", "pgbackrest"}


def test_redis(rendered: dict[tuple[str, str], Any]) -> None:
    resources = containers(rendered["StatefulSet", "redis"])
    assert resources["redis"]["limits"] == {"cpu": "2", "memory": "4Gi"}


def test_pgbouncer(rendered: dict[tuple[str, str], Any]) -> None:
    assert rendered["Deployment", "pgbouncer"]["spec"]["replicas"] == 2
    settings = configparser.ConfigParser()
    settings.read_string(rendered["ConfigMap", "pgbouncer-config"]["data"]["pgbouncer.ini"])
    assert settings["pgbouncer"]["pool_mode"] == "transaction"
    assert settings["pgbouncer"]["max_client_conn"] == "1000"
    assert settings["pgbouncer"]["default_pool_size"] == "20"


def test_configuration_and_secrets_have_the_keys_of_the_guide(rendered: dict[tuple[str, str], Any]) -> None:
    assert set(rendered["ConfigMap", "hustlex-config"]["data"]) == {
        "ENV", "PORT", "DB_HOST", "DB_PORT", "DB_NAME", "REDIS_HOST", "REDIS_PORT", "LOG_LEVEL",
    }  # fmt: skip
    assert set(rendered["Secret", "hustlex-secrets"]["stringData"]) == {
        "JWT_SECRET", "DB_PASSWORD", "REDIS_PASSWORD", "PAYSTACK_SECRET_KEY", "TERMII_API_KEY",
    }  # fmt: skip
