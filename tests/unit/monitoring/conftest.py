"""Rules as role monitoring renders them, and the programs that judge them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
sys.path.insert(0, str(Path(__file__).parent))

from programs import Tool, tool
from rendered import RULES, render


@pytest.fixture(scope="session")
def promtool() -> Tool:
    return tool("promtool", "prometheus")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    return tool("amtool", "prometheus-alertmanager")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules in `rules`, and beside them the cases in `cases`, which name them by their path."""
    root = tmp_path_factory.mktemp("monitoring")
    (root / "rules").mkdir()
    for path in RULES:
        (root / "rules" / path.stem).write_text(render(path))
    shutil.copytree(Path(__file__).parent / "rules", root / "cases")
    return root
