# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs one job: python3 -m jobs COMMAND. Progress on stdout, at the end one line `RESULT {json}`; a failure is one sentence."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from backup.errors import BackupError

from .failures import recorded
from .settings import FOLDER, Settings

TERMINATION_LOG = Path("/dev/termination-log")
COMMANDS = (
    "init",
    "base",
    "dump",
    "redis-upload",
    "retention",
    "exporter",
    "restore",
    "verify",
    "restore-dump",
    "restore-redis",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m jobs", allow_abbrev=False)
    parser.add_argument("--settings", type=Path, default=FOLDER, help="folder with backup.json")
    commands = parser.add_subparsers(dest="command", required=True)
    # Only the module that runs is loaded: a job starts faster, and needs no library of another.
    chosen = next((word for word in sys.argv[1:] if word in COMMANDS), "")
    for command in COMMANDS:
        added = commands.add_parser(command, allow_abbrev=False)
        if command == chosen:
            _module(command).add_arguments(added)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    try:
        module = _module(arguments.command)
        settings = Settings.read(arguments.settings)
        with recorded(settings, getattr(module, "RECORDED_AS", "")):
            result = module.main(arguments, settings)
    except BackupError as error:
        print(error, file=sys.stderr)  # noqa: T201
        # Kubernetes keeps it as the container's message: the order of lines of two streams in a log is not sure.
        with contextlib.suppress(OSError):
            TERMINATION_LOG.write_text(str(error), encoding="utf-8")
        return 1
    print(f"RESULT {json.dumps(result)}", flush=True)  # noqa: T201
    return 0


def _module(command: str) -> Any:
    return importlib.import_module(f".{command.replace('-', '_')}", __package__)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """Kubernetes ends the pod: unwind, so that an upload is aborted and a lock is let go."""
    raise BackupError("The job was stopped before it was done; the next run does it again.")


if __name__ == "__main__":
    sys.exit(main())
