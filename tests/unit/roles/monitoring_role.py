"""Role monitoring with its own defaults and variables, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles" / "monitoring"
GIVEN = {
    "hustlex_environment": "production",
    "hustlex_namespace": "shop",
    "hustlex_url": "https://api.example.com",
    "ansible_search_path": [str(ROLE)],
    "role_path": str(ROLE),
}
ELSEWHERE = {"monitoring_loki": False, "monitoring_log_collector_endpoint": "http://logs.tools.svc:4318/otlp"}


@cache
def own() -> dict[str, Any]:
    """Defaults and vars of the role; vars win, as in a play."""
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        found.update(DataLoader().load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True))
    return found


def value(expression: str, **given: Any) -> Any:
    variables = {**own(), **GIVEN, **given}
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(f"{{{{ {expression} }}}}"))


def config(name: str, **given: Any) -> dict[str, Any]:
    text = value(f"__monitoring_config.{name}", **given)
    found: dict[str, Any] = yaml.safe_load(str(text).encode().decode())
    return found


Manifests = dict[tuple[str, str], dict[str, Any]]


@cache
def manifests(**given: str | bool) -> Manifests:
    """What the role applies, by kind and name."""
    found: Manifests = {}
    for path in sorted((ROLE / "templates").rglob("*.yaml.j2")):
        name = str(path.relative_to(ROLE / "templates"))
        text = value(f"lookup('ansible.builtin.template', '{name}')", **given)
        for item in yaml.load_all(str(text or "").encode().decode(), yaml.CSafeLoader):
            if item:
                found[item["kind"], item["metadata"]["name"]] = item
    return found
