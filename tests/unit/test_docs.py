"""What the pages about backups name is there: playbooks, tests, variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [path for path in (ROOT / "docs" / name for name in ("backup.md", "recovery.md", "store.md")) if path.exists()]


@pytest.fixture(params=PAGES, ids=[page.name for page in PAGES])
def text(request: pytest.FixtureRequest) -> str:
    page: Path = request.param
    return page.read_text(encoding="utf-8")


def test_playbooks_are_there(text: str) -> None:
    for name in set(re.findall(r"playbooks/\w+\.yml", text)):
        assert (ROOT / name).exists(), name


def test_tests_are_there(text: str) -> None:
    for file, names in re.findall(r"`(tests/[\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", text):
        source = (ROOT / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert f"def {name}(" in source, f"{file} has no {name}"


def test_variables_are_there(text: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / "backup" / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    known = set(specs["argument_specs"]["main"]["options"])
    for name in set(re.findall(r"`(backup_\w+)(?![\w*])", text)):
        assert name in known or any(each.startswith(name) for each in known), name
