"""Every role's defaults and argument spec say the same, and no list of roles leaves one out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
NAMES = {role.name for role in ROLES}
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


def play(name: str) -> dict[str, Any]:
    (found,) = load(ROOT / "playbooks" / f"{name}.yml")
    assert isinstance(found, dict)
    return found


def names(roles: list[Any]) -> set[str]:
    return {(each if isinstance(each, str) else each["role"]).rpartition(".")[2] for each in roles}


@pytest.mark.parametrize("name", ["deploy", "destroy", "render"])
def test_the_variables_of_every_role_are_known(name: str) -> None:
    tasks = play(name)["pre_tasks"]
    (known,) = (
        task["hustlex.platform.known_variables"] for task in tasks if "hustlex.platform.known_variables" in task
    )
    assert set(known["roles"]) == NAMES


def test_every_role_is_rendered_and_recorded() -> None:
    on_the_cluster = NAMES - {"cluster"}
    assert names(play("render")["roles"]) == on_the_cluster
    assert set(load(ROOT / "roles/backup/vars/main.yml")["__backup_recorded_roles"]) == on_the_cluster


def test_every_role_is_deployed_and_sized() -> None:
    deploy = play("deploy")
    imported = [
        task["ansible.builtin.import_role"]["name"] for task in deploy["tasks"] if "ansible.builtin.import_role" in task
    ]
    assert names(deploy["roles"] + imported) == NAMES
    (cluster,) = (each for each in deploy["roles"] if each["role"].endswith(".cluster"))
    assert set(cluster["vars"]["cluster_sized_roles"]) == NAMES - {"cluster", "namespace"}


def test_every_role_is_on_the_first_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {name for name in NAMES if f"(roles/{name}/README.md)" not in text} == set()
    (tags,) = (line for line in text.splitlines() if "`--tags postgres`" in line)
    assert {name for name in NAMES - {"postgres"} if f"`{name}`" not in tags} == set()
