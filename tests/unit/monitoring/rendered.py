"""Renders templates of role monitoring with its defaults and vars, by the lookup that the role uses."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles/monitoring"
RULES = sorted((ROLE / "templates/rules").glob("*.yml.j2"))
PRODUCTION = {
    "hustlex_environment": "production",
    "hustlex_namespace": "hustlex",
    "hustlex_url": "https://api.hustlex.app",
    "monitoring_runbook_url": "https://docs.example/monitoring.md",
    "ansible_search_path": [str(ROLE)],
    "role_path": str(ROLE),
}


@cache
def settings() -> dict[str, Any]:
    """Defaults and vars of the role; vars win, as in a play."""
    loader = DataLoader()
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        found.update(loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True))
    return found


def templar(**given: Any) -> Templar:
    return Templar(loader=DataLoader(), variables={**settings(), **PRODUCTION, **given})


def value(name: str, **given: Any) -> Any:
    """A variable of the role."""
    return templar(**given).template(trust_as_template(f"{{{{ {name} }}}}"))


def render(path: Path, **given: Any) -> str:
    """A rule file, empty where it has no rule, or a configuration."""
    if path in RULES:
        return _rules(json.dumps(given, sort_keys=True)).get(path.stem, "")
    return plain(value(f"lookup('ansible.builtin.template', '{path.relative_to(ROLE / 'templates')}')", **given))


@cache
def _rules(given: str) -> dict[str, str]:
    made: dict[str, str] = value("__monitoring_rules", **json.loads(given))
    return {plain(name): plain(text) for name, text in made.items()}


def plain(text: Any) -> str:
    """Without the tags that Ansible keeps on its strings."""
    return str(text).encode().decode()


def groups(path: Path, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(render(path, **given))["groups"]
    return found


def rules(**given: Any) -> list[dict[str, Any]]:
    return [rule for path in RULES for group in groups(path, **given) for rule in group["rules"]]


def alerts(**given: Any) -> list[dict[str, Any]]:
    return [rule for rule in rules(**given) if "alert" in rule]
