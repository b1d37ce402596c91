# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What two databases have besides rows: owners, privileges, extensions; and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .databases import Server

Facts = Mapping[str, str]

_FACTS = Path(__file__).with_suffix(".sql")


def facts(server: Server, database: str) -> dict[str, str]:
    """Owner, privileges and version by the name of each object."""
    return {row[0]: row[1] for row in server.rows(database, _FACTS.read_text())}


def differences(live: Facts, restored: Facts) -> list[str]:
    """Sentences about what is not alike; the backup may be older than the last migration, so none of them is an error."""
    lines = [
        f"{name} is {restored[name]} in the restored database, but {live[name]} in the live one"
        for name in sorted(live.keys() & restored.keys())
        if live[name] != restored[name]
    ]
    return [*lines, *_only("live", live.keys() - restored.keys()), *_only("restored", restored.keys() - live.keys())]


def _only(where: str, names: Iterable[str]) -> list[str]:
    return [f"{name} is in the {where} database alone" for name in sorted(names)]
