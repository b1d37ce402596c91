"""What verifies a release gets all that its modules can be told."""

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.hustlex.platform.plugins.action.promql import ARGUMENTS

ROLE = Path(__file__).parents[3] / "roles/app"


def promql() -> dict[str, Any]:
    tasks = yaml.safe_load((ROLE / "tasks/verify.yml").read_text(encoding="utf-8"))
    (options,) = (task["hustlex.platform.promql"] for task in tasks if "hustlex.platform.promql" in task)
    assert set(options) <= set(ARGUMENTS)
    return dict(options)


def test_a_prometheus_behind_a_token_and_an_own_authority_can_be_watched() -> None:
    options = promql()
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    for name in ("bearer_token_file", "ca_file"):
        assert options[name] == f"{{{{ app_prometheus_{name} }}}}"
        assert defaults[f"app_prometheus_{name}"] == ""
