# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which entries of a dump are restored into a copy of the template: all that the template does not bring. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

# 4217; 0 16435 TABLE DATA public users hustlex_owner
_ENTRY = re.compile(r"^\d+; \d+ \d+ (?P<kind>[A-Z]+(?: [A-Z]+)*) (?P<schema>\S+) (?P<tag>.*)$")


@dataclass(frozen=True)
class Template:
    """What a copy of the template has already, and only a superuser may touch.

    extensions: names; members: functions and relations of extensions, as schema.name; owner: who owns all the rest.
    """

    owner: str
    extensions: Collection[str] = ()
    members: Collection[str] = ()
    schemas: Collection[str] = ("pgbouncer",)

    def brings(self, kind: str, schema: str, tag: str) -> bool:
        words = tag.split()
        if schema in self.schemas:
            return True
        if kind == "SCHEMA":
            return words[0] == "public" or words[0] in self.schemas
        if kind == "EXTENSION":
            return words[0] in self.extensions
        if kind == "DEFAULT ACL":
            return words[-1] != self.owner
        if kind in ("ACL", "COMMENT") and len(words) > 1:
            name = words[1].partition("(")[0]
            return (
                (words[0] == "SCHEMA" and name in self.schemas)
                or (words[0] == "EXTENSION" and name in self.extensions)
                or f"{schema}.{name}" in self.members
            )
        return False


def wanted(lines: Iterable[str], template: Template) -> list[str]:
    """Lines of `pg_restore --list` to restore."""
    return [line for line, *entry in _entries(lines) if not template.brings(*entry)]


def unknown_extensions(lines: Iterable[str], available: Collection[str]) -> list[str]:
    """Extensions of the dump that the server has no files for."""
    names = (tag.split()[0] for _line, kind, _schema, tag in _entries(lines) if kind == "EXTENSION")
    return sorted(set(names) - set(available))


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    for line in lines:
        if match := _ENTRY.match(line):
            yield line, match["kind"], match["schema"], match["tag"]
