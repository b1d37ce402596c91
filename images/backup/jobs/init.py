# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the archive ready: wait for the primary, create the stanza, prove that WAL arrives, make the first base backup."""

from __future__ import annotations

import argparse
import time
from typing import Any

from . import base, maintenance, pgbackrest
from .pgbackrest import PgBackRestError
from .progress import say
from .settings import Settings

RECORDED_AS = "init"
_PAUSE_SECONDS = 2.0
_STEP_SECONDS = 600.0
# Waiting changes nothing about these: another database's backups, a wrong archive_command.
_FINAL = frozenset({28, 68})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=900, help="seconds that the primary and the store get to appear")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    deadline = time.monotonic() + arguments.wait
    for command in ("stanza-create", "check"):
        insist(settings, command, deadline)
    with maintenance.held(settings.store(), "The first base backup") as lease:
        found = pgbackrest.info(settings)
        current = max((entry["id"] for entry in found["db"]), default=0)
        backups = [each for each in found["backup"] if each["database"]["id"] == current]
        if backups:
            say(f"the newest base backup is {backups[-1]['label']}")
            return {"stanza": settings.stanza, "base": backups[-1]["label"], "created": False}
        done = base.backup(settings, lease)
    return {"stanza": settings.stanza, "base": done["label"], "created": True, "seconds": done["seconds"]}


def insist(settings: Settings, command: str, deadline: float) -> None:
    """Run a command until it succeeds; the primary, its Service and its first archived segment take their time."""
    said = ""
    while True:
        try:
            pgbackrest.run(settings, command, pgbackrest.database_options(settings), _STEP_SECONDS, lambda _line: None)
        except PgBackRestError as error:
            if error.code in _FINAL or time.monotonic() > deadline:
                raise
            if str(error) != said:
                said = str(error)
                say(f"waiting: {said}")
            time.sleep(_PAUSE_SECONDS)
        else:
            say(f"{command}: ok")
            return
