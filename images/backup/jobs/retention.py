# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete what the policy no longer keeps, exactly as planned.

python3 -m jobs retention [--check] [--expect DIGEST] [--confirm]
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from backup.catalogue import Catalogue, read_catalogue
from backup.errors import RefusedError
from backup.policy import Policy
from backup.removal import apply_plan
from backup.retention import RetentionPlan, plan
from backup.storage import Store

from . import maintenance
from .pgbackrest import PgBackRestError, last_words
from .progress import say
from .settings import Settings

RECORDED_AS = "retention"
_STEP_SECONDS = 3600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="only show the plan")
    parser.add_argument("--expect", default="", help="digest of the plan that was agreed on; another one is refused")
    parser.add_argument("--confirm", action="store_true", help="also delete what only a person may let go")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    store = settings.store()
    policy = Policy.from_mapping(settings.policy)
    if arguments.check:
        made = plan(catalogue(settings, store), policy, datetime.now(UTC))
        show(made)
        return {"plan": made.to_dict()}
    with maintenance.held(store, "Retention") as lease:
        made = plan(catalogue(settings, store), policy, datetime.now(UTC))
        show(made)
        if arguments.expect and arguments.expect != made.digest():
            raise RefusedError("The store changed since the plan was made, so it is another plan now: run this again.")
        result = apply_plan(
            store,
            made,
            lambda options: pgbackrest(settings, options),
            lambda: catalogue(settings, store),
            confirm=arguments.confirm,
            before_step=lease.check,
            say=say,
        )
    for problem in result.problems:
        say(problem)
    return {"plan": made.to_dict(), "result": result.to_dict()}


def catalogue(settings: Settings, store: Store) -> Catalogue:
    return read_catalogue(store, datetime.now(UTC), stanza=settings.stanza, segment_bytes=settings.wal_segment_bytes)


def show(made: RetentionPlan) -> None:
    for kind in ("base", "dump", "redis"):
        say(f"{kind}: {len(made.keeps(kind))} stay, {len(made.deletes(kind))} go")
        for decision in made.deletes(kind):
            say(f"  {decision.id}: {decision.reason}")
    for part in made.wal_deletes:
        say(f"WAL: {part.objects} segments {part.first} to {part.last} go")
    for sentence in (*made.refusals, *made.confirmations, *made.warnings):
        say(sentence)


def pgbackrest(settings: Settings, options: Sequence[str]) -> str:
    """What one command printed."""
    argv = ["pgbackrest", f"--stanza={settings.stanza}", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_STEP_SECONDS, check=False)
    if done.returncode:
        raise PgBackRestError(options[0], done.returncode, last_words(done.stderr or done.stdout))
    return done.stdout
