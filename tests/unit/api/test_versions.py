"""The versions of the reference application in the table of images, and what a faulty one still does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hustlex_api import migrate, schema
from hustlex_api.faults import Faults
from hustlex_api.settings import read_base

IMAGES = Path(__file__).parents[3] / "images"
TABLE = yaml.safe_load((IMAGES / "embedded/images.yml").read_text())
ROWS = [row for row in TABLE if row["name"] == "localhost/hustlex/api"]
DATABASE = {"ENV": "test", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": "x"}


def api(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(IMAGES / "api"), **environ}
    command = [sys.executable, "-m", "hustlex_api", *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["tag"]))
def test_a_version_says_its_tag_and_knows_its_switches(row: dict[str, Any]) -> None:
    arguments, problems = row.get("arguments") or row["environment"], list[str]()
    faults = Faults.from_environ({"FAULTS": arguments.get("FAULTS", "")}, "test", problems)
    assert arguments["APP_VERSION"] == row["tag"]
    assert problems == []
    assert any(vars(faults).values()) == ("FAULTS" in arguments)
    assert int(arguments.get("SCHEMA", schema.head())) <= schema.head()


def test_an_image_that_crashes_at_start_still_tells_its_version_and_migrates() -> None:
    told = api("version", "--json", APP_VERSION="v2", FAULTS="FAULT_CRASH_AT_START=1")
    assert json.loads(told.stdout) == {"version": "v2", "schema": 6, "min_compatible_schema": 5}
    # The database is looked for: nothing crashed before.
    asked = api("migrate", "--wait", "0", "up", **DATABASE, FAULTS="FAULT_CRASH_AT_START=1")
    assert asked.returncode == 3
    assert asked.stderr.startswith("error: the database cannot be reached")


@pytest.mark.parametrize("fails", ["0", "1"])
def test_a_failing_migration_is_pending_where_all_others_are_applied(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr(migrate, "connect", lambda *_: None)
    runner = migrate.Runner(read_base({**DATABASE, "FAULTS": f"FAULT_MIGRATION_FAILS={fails}"}), print)
    applied = [schema.Applied(m.version, m.name, m.checksum, m.min_compatible) for m in schema.shipped()]
    waiting = schema.pending(runner.migrations, applied)
    assert [str(migration) for migration in waiting] == (["0007 fault"] if fails == "1" else [])
