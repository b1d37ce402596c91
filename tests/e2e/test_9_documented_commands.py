"""Every command of the pages for the person at 3 a.m. was run by a test before this one, or is by a drill, and succeeded."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import test_8_disasters as drill
from .documented import RAN, commands, normalised

# Those whose tests run them; the others know nothing of these pages.
FILES = {path.name for path in Path(__file__).parent.glob("test_[567]_*.py")}
DRILLED = (drill.STANDBY, drill.VOLUMES, drill.CERTIFICATES)


@pytest.mark.parametrize("page", ["backup.md", "recovery.md"])
def test_every_command_was_run(request: pytest.FixtureRequest, page: str) -> None:
    if not {item.path.name for item in request.session.items} >= FILES:
        pytest.skip("tells something after those tests alone")
    wanted = {normalised(command): command for command in commands(page)}
    assert len(wanted) > 10
    run = RAN | {normalised(command) for place in DRILLED if place[0] == page for command in commands(*place)}
    assert not [command for form, command in wanted.items() if form not in run]
