"""What the pages name is there: playbooks, tests, variables, other pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "roles/cluster/files/embedded/README.md"]
EXPECTED = {
    "README.md",
    "application.md",
    "architecture.md",
    "backup.md",
    "decisions.md",
    "deploying.md",
    "monitoring.md",
    "recovery.md",
    "store.md",
}


@pytest.fixture(params=PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_all_pages_are_read() -> None:
    assert {page.name for page in PAGES} >= EXPECTED


def test_links_lead_somewhere(page: Path, text: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def test_tools_of_the_checkout_are_there(text: str) -> None:
    for name in set(re.findall(r"`((?:benchmarks|scripts|tests)/[\w/.-]+)", text)):
        assert (ROOT / name).exists(), name


def test_targets_of_make_are_there(text: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in set(re.findall(r"`make (\w+)`", text)):
        assert re.search(rf"^(?:[\w ]+ )?{name}(?: [\w ]+)?:", makefile, re.MULTILINE), name


def test_playbooks_are_there(text: str) -> None:
    for name in set(re.findall(r"playbooks/[\w/]+\.yml", text)):
        assert (ROOT / name).exists(), name


def test_tests_are_there(text: str) -> None:
    for file, names in re.findall(r"`(tests/[\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", text):
        source = (ROOT / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert f"def {name}(" in source, f"{file} has no {name}"


def test_variables_are_there(text: str) -> None:
    roles = [path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")]
    for role in roles:
        specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        known = {name for entry in specs["argument_specs"].values() for name in entry.get("options", {})}
        for name in set(re.findall(rf"`({role}_\w+)(?![\w*])", text)):
            assert name in known or any(each.startswith(name) for each in known), name
