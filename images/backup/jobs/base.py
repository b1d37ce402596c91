# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a base backup: pgBackRest reads a database pod over TLS and hashes every file.

python3 -m jobs base [--type full|diff|incr]
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from backup import times
from backup.storage import Lease

from . import maintenance, pgbackrest
from .settings import Settings

RECORDED_AS = "base"
SECONDS = 24 * 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", choices=["full", "diff", "incr"], default="full", help="how much of it is copied")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    with maintenance.held(settings.store(), "A base backup") as lease:
        return backup(settings, lease, arguments.type)


def backup(settings: Settings, lease: Lease, kind: str = "full") -> dict[str, Any]:
    """The backup's label, times and sizes. Stops when the lock is lost, as retention may then delete what it builds on."""
    began = time.monotonic()
    options = [f"--type={kind}", *pgbackrest.database_options(settings)]
    pgbackrest.run(settings, "backup", options, SECONDS, still=lease.check)
    lease.check()
    newest = pgbackrest.info(settings)["backup"][-1]
    return {
        "label": newest["label"],
        "kind": "base",
        "type": newest["type"],
        "started": times.iso(datetime.fromtimestamp(newest["timestamp"]["start"], UTC)),
        "finished": times.iso(datetime.fromtimestamp(newest["timestamp"]["stop"], UTC)),
        "size": newest["info"]["size"],
        "stored": newest["info"]["repository"]["delta"],
        "first_segment": newest["archive"]["start"],
        "last_segment": newest["archive"]["stop"],
        "seconds": round(time.monotonic() - began, 1),
    }
