"""Every role's defaults and argument spec say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
SHARED = "hustlex_"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def spec(role: Path) -> dict[str, Any]:
    options: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return options


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_those_of_the_argument_spec(role: Path) -> None:
    declared = {name: option.get("default") for name, option in spec(role).items() if "default" in option}
    assert load(role / "defaults" / "main.yml") == declared


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_name_of_their_role(role: Path) -> None:
    assert [name for name in spec(role) if not name.startswith((f"{role.name}_", SHARED))] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_is_described(role: Path) -> None:
    assert [name for name, option in spec(role).items() if not option.get("description")] == []
