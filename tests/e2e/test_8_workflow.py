"""Every playbook that deploy.yml calls, run here with the same words; what only says where comes in before them.

The steps run in the order of the file, as one story: v2 to staging, 1.0.0 to production, back, and to a release.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..workflow import Step, playbook_steps
from .conftest import HTTP, NAMESPACE, ROOT

pytestmark = pytest.mark.usefixtures("environment")

VERSIONS = {"staging": "v2", "production": "1.0.0"}
SIZES = sorted((ROOT / "inventories" / "development" / "group_vars" / "all").glob("*.yml"))
# The cluster of the tests instead of EKS; the environment stays what the inventory says it is.
HERE = [
    *(f"@{path.relative_to(ROOT)}" for path in SIZES if path.name != "hustlex.yml"),
    "@tests/variables.yml",
    "cluster_context=hustlex-test",
    "backup_store_region=us-east-1",
    f"hustlex_namespace={NAMESPACE}",
    f"hustlex_url={HTTP}",
    "app_watch_seconds=0",
    "app_hpa_min_replicas=1",
    "app_hpa_max_replicas=1",
    # Digests come from a registry, and no hourly dump is due yet.
    "app_pin_required=false",
    "app_backup_max_age_hours=0",
]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The variables that name the files of secrets: the environment's own, with what production takes live only."""
    file = Path(os.environ["KUBECONFIG"]).parent / "test.env"
    folder = tmp_path_factory.mktemp("secrets")
    live, pager = folder / ".env", folder / ".pagerduty-key"
    live.write_text(file.read_text().replace("sk_test_", "sk_live_"))
    pager.write_text("0" * 32)
    for each in (live, pager):
        each.chmod(0o600)
    return [f"namespace_env_file={live}", f"monitoring_pagerduty_key_file={pager}"]


@pytest.fixture
def releases(kubectl: Callable[..., str]) -> Callable[[], list[int]]:
    """Reads the numbers of the recorded releases, the newest last."""

    def numbers() -> list[int]:
        names = kubectl("get", "configmaps", "--output", "name").split()
        return sorted(int(name.rpartition("-")[2]) for name in names if "/hustlex-release-" in name)

    return numbers


@pytest.mark.parametrize("step", playbook_steps(), ids=lambda step: f"{step.job}-{step.name}")
def test_step_of_the_workflow(step: Step, releases: Callable[[], list[int]], secrets: list[str]) -> None:
    known = releases()
    variables = {
        "ENVIRONMENT": "staging",
        "IMAGE": "localhost/hustlex/api",
        "APP_VERSION": VERSIONS.get(step.job, ""),
        "RELEASE": str(known[-2] if known[1:] else ""),
    }
    program, *arguments = step.command(variables)
    # Before the workflow's own, which win.
    elsewhere = [word for value in (*HERE, *secrets) for word in ("-e", value)]
    done = subprocess.run(
        [program, *elsewhere, *os.environ.get("E2E_ARGUMENTS", "").split(), *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_VAULT_PASSWORD_FILE": "scripts/vault-password", "VAULT_PASSWORD": "unused"},
        timeout=600,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
