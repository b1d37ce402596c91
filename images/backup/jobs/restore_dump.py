# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a dump into a database beside the live one; exchange the two; go back; remove what is left.

python3 -m jobs restore-dump --backup latest|ID [--action restore|swap|revert|remove] [--confirm ENVIRONMENT]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from backup.errors import RefusedError

from .beside import restore
from .chosen import choose
from .databases import Names, Server, backups_of, leftovers, login
from .progress import say
from .settings import Settings
from .swap import exchange

PREFIX = "postgres/dumps/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backup", default="latest", help="ID of a dump, or latest")
    parser.add_argument("--action", choices=["restore", "swap", "revert", "remove"], default="restore")
    parser.add_argument(
        "--confirm", default="", help="name of the environment; what changes or drops live data needs it"
    )
    parser.add_argument(
        "--volume-bytes", type=int, default=0, help="size of the database's volume; 0 when it is not known"
    )


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    with login(settings, "restore") as server, server.locked():
        if arguments.action == "restore":
            return restored(server, settings, arguments.backup, arguments.volume_bytes)
        if arguments.confirm != settings.environment and needs_confirmation(server, settings.database, arguments):
            raise RefusedError(
                f"This changes the database of {settings.environment}: confirm it with confirm={settings.environment}."
            )
        return ACTIONS[arguments.action](server, settings.database, arguments.backup)


def needs_confirmation(server: Server, live: str, arguments: argparse.Namespace) -> bool:
    """A copy that nobody uses yet goes without; the database of before a swap is the way back."""
    return arguments.action != "remove" or bool(backups_of(server.databases(), live, "before"))


def restored(server: Server, settings: Settings, backup: str, capacity: int) -> dict[str, Any]:
    store = settings.store()
    manifest = choose(store, PREFIX, backup)
    began = time.monotonic()
    done = restore(server, store, PREFIX, manifest, settings.database, capacity)
    return {
        "action": "restore",
        "backup": manifest["id"],
        **done.to_dict(),
        "seconds": round(time.monotonic() - began, 1),
    }


def swapped(server: Server, live: str, backup: str) -> dict[str, Any]:
    names = Names(live, _only(server, live, backup, "restored", "restore it first (without swap)"))
    return _exchanged(server, "swap", names, names.before, names.restored)


def reverted(server: Server, live: str, backup: str) -> dict[str, Any]:
    names = Names(live, _only(server, live, backup, "before", "there is nothing to go back to"))
    return _exchanged(server, "revert", names, names.restored, names.before)


def _exchanged(server: Server, action: str, names: Names, aside: str, successor: str) -> dict[str, Any]:
    if aside in server.databases():
        raise RefusedError(f"{aside} is there from an earlier restore: remove what is left first (remove=true).")
    seconds = exchange(server, names.live, aside, successor)
    return {
        "action": action,
        "changed": True,
        "backup": names.backup,
        "database": names.live,
        "aside": aside,
        "seconds": round(seconds, 2),
    }


def removed(server: Server, live: str, backup: str) -> dict[str, Any]:
    """Drop what restores left: of one backup, or of all of them."""
    found = leftovers(server.databases(), live)
    if backup != "latest":
        found = [name for name in found if name.endswith(f"_{Names(live, backup).backup.lower()}")]
    for name in found:
        server.rows("postgres", 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=name)
        say(f"{name} dropped")
    return {"action": "remove", "changed": bool(found), "backup": backup, "removed": found}


ACTIONS: dict[str, Callable[[Server, str, str], dict[str, Any]]] = {
    "swap": swapped,
    "revert": reverted,
    "remove": removed,
}


def _only(server: Server, live: str, backup: str, kind: str, advice: str) -> str:
    """The ID that is meant: `latest` is the one that is there, never one that was taken meanwhile."""
    found = backups_of(server.databases(), live, kind)
    if backup != "latest":
        Names(live, backup)
        found = [each for each in found if each == backup]
    if not found:
        raise RefusedError(
            f"There is no database {live}_{kind}_{backup.lower() if backup != 'latest' else '...'}: {advice}."
        )
    if len(found) > 1:
        raise RefusedError(f"Several are there ({', '.join(found)}): say which one with backup=ID.")
    return found[0]
