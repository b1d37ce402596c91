"""The migrations that ship with this version, and what a database says of itself.

A migration is a pair NNNN_name.up.sql and NNNN_name.down.sql. Header lines of the up file:
  -- min-compatible-schema: N   code whose own head is below N cannot run any more once this is applied
  -- transaction: off           run statement by statement outside a transaction (CREATE INDEX CONCURRENTLY)
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

_HEADER = re.compile(r"^-- ([a-z-]+): (\S+)$", re.MULTILINE)
_NAME = re.compile(r"^(\d{4})_(\w+)\.up\.sql$")


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    up: str
    down: str | None

    @cached_property
    def header(self) -> dict[str, str]:
        return dict(_HEADER.findall(self.up))

    @property
    def min_compatible(self) -> int:
        return int(self.header.get("min-compatible-schema", "0"))

    @property
    def in_transaction(self) -> bool:
        return self.header.get("transaction") != "off"

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04d} {self.name}"


@dataclass(frozen=True)
class Applied:
    """A row of schema_migrations."""

    version: int
    name: str
    checksum: str
    min_compatible: int


def shipped() -> list[Migration]:
    folder = {entry.name: entry for entry in files("hustlex_api").joinpath("migrations").iterdir()}
    found = []
    for name in sorted(folder):
        if match := _NAME.match(name):
            down = folder.get(name.replace(".up.", ".down."))
            found.append(
                Migration(int(match[1]), match[2], folder[name].read_text(), down.read_text() if down else None)
            )
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migration files must be numbered 0001, 0002, ... without gaps")
    return found


def head() -> int:
    """The newest schema version this code knows, which is also the oldest it can work with."""
    return len(shipped())


def min_compatible_shipped() -> int:
    return max((migration.min_compatible for migration in shipped()), default=0)


def version_of(applied: list[Applied]) -> int:
    return max((row.version for row in applied), default=0)


def min_compatible_of(applied: list[Applied]) -> int:
    """The oldest head a version may have to run on this database: what a rollback must respect."""
    return max((row.min_compatible for row in applied), default=0)


def pending(migrations: list[Migration], applied: list[Applied]) -> list[Migration]:
    done = {row.version for row in applied}
    return [migration for migration in migrations if migration.version not in done]


def contradictions(migrations: list[Migration], applied: list[Applied]) -> list[str]:
    """What in the database cannot come from these files. Newer migrations are no contradiction."""
    ours = {migration.version: migration for migration in migrations}
    found = []
    for row in applied:
        migration = ours.get(row.version)
        if migration and migration.checksum != row.checksum:
            found.append(f"migration {migration} was applied with another content than this version ships")
    gaps = sorted(set(range(1, version_of(applied))) - {row.version for row in applied})
    return found + [f"migration {gap:04d} is missing in the database below newer ones" for gap in gaps]


def statements(sql: str) -> list[str]:
    """Split at semicolons that end a line: enough for files outside a transaction, which hold no functions."""
    code = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", code) if part.strip()]
