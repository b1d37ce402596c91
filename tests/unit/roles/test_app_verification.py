"""What verifies a release gets all that its modules can be told."""

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.hustlex.platform.plugins.action.logs import ARGUMENTS as LOGS
from ansible_collections.hustlex.platform.plugins.action.promql import ARGUMENTS as PROMQL

ROLE = Path(__file__).parents[3] / "roles/app"


def options_of(module: str) -> dict[str, Any]:
    tasks = yaml.safe_load((ROLE / "tasks/verify.yml").read_text(encoding="utf-8"))
    (options,) = (task[module] for task in tasks if module in task)
    return dict(options)


def test_a_prometheus_behind_a_token_and_an_own_authority_can_be_watched() -> None:
    options = options_of("hustlex.platform.promql")
    assert set(options) <= set(PROMQL)
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    for name in ("bearer_token_file", "ca_file"):
        assert options[name] == f"{{{{ app_prometheus_{name} }}}}"
        assert defaults[f"app_prometheus_{name}"] == ""


def test_logs_of_the_containers_of_our_templates_are_read() -> None:
    options = options_of("hustlex.platform.logs")
    assert set(options) <= set(LOGS)
    templates = [(ROLE / f"templates/{name}.yaml.j2").read_text(encoding="utf-8") for name in ("api", "worker")]
    names = [re.findall(r"^      containers:\n        - name: (\w+)", text, re.MULTILINE) for text in templates]
    assert [options["containers"]] == [[name for found in names for name in found]]
