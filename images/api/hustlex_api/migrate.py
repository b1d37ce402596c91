"""Runs migrations, giving way to traffic."""

import time
from collections.abc import Callable

import psycopg
from psycopg import sql

from hustlex_api.errors import CommandError, Exit
from hustlex_api.owner import Say, alone, connect
from hustlex_api.schema import Applied, Migration, contradictions, pending, shipped, statements, version_of
from hustlex_api.settings import Base

LOCK_TIMEOUT = "3s"
STATEMENT_TIMEOUT = "15min"
ATTEMPTS = 5

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    min_compatible integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT current_user
)"""


class Runner:
    def __init__(self, settings: Base, say: Say, wait_seconds: float = 30) -> None:
        self.settings = settings
        self.say = say
        self.wait_seconds = wait_seconds
        self.migrations = shipped()
        if settings.faults.migration_fails:
            self.migrations.append(_failing(self.migrations))
        self.connection = connect(settings.database, say, wait_seconds)

    def close(self) -> None:
        self.connection.close()

    def applied(self) -> list[Applied]:
        exists = self.connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
        if not exists or not exists[0]:
            return []
        rows = self.connection.execute(
            "SELECT version, name, checksum, min_compatible FROM schema_migrations ORDER BY version"
        )
        return [Applied(*row) for row in rows]

    def up(self) -> None:
        if not pending(self.migrations, self._checked()):
            self.say(f"nothing to do, the schema is at version {version_of(self.applied())}")
            return
        with alone(self.connection, self.settings.database, self.say, self.wait_seconds):
            self.connection.execute(_TABLE)
            for migration in pending(self.migrations, self._checked()):
                self._run(migration, migration.up, self._record, migration.in_transaction)

    def down(self, steps: int) -> None:
        with alone(self.connection, self.settings.database, self.say, self.wait_seconds):
            known = {migration.version: migration for migration in self.migrations}
            newest = sorted(self._checked(), key=lambda row: row.version, reverse=True)[:steps]
            if not newest:
                self.say("nothing to take back, no migration is applied")
            for row in newest:
                migration = known.get(row.version)
                if migration is None:
                    raise CommandError(
                        Exit.HISTORY,
                        f"migration {row.version:04d} {row.name} came with a newer version: "
                        "take it back with that version's image",
                    )
                if migration.down is None:
                    raise CommandError(Exit.HISTORY, f"migration {migration} cannot be taken back")
                self._run(migration, migration.down, self._forget, migration.in_transaction)

    def _checked(self) -> list[Applied]:
        applied = self.applied()
        if found := contradictions(self.migrations, applied):
            raise CommandError(Exit.HISTORY, "; ".join(found))
        return applied

    def _run(
        self,
        migration: Migration,
        code: str,
        book: Callable[[Migration], None],
        in_transaction: bool,
    ) -> None:
        direction = "up" if book == self._record else "down"
        self.say(f"{migration}: {direction} begins")
        started = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._execute(migration, code, book, in_transaction)
                break
            except psycopg.errors.LockNotAvailable as error:
                if attempt == ATTEMPTS:
                    raise CommandError(
                        Exit.FAILED,
                        f"migration {migration} got no table lock in {ATTEMPTS} tries of {LOCK_TIMEOUT}: {error}",
                    ) from error
                self.say(f"{migration}: a table is locked by others, trying again")
                time.sleep(2**attempt / 4)
            except psycopg.Error as error:
                raise CommandError(Exit.FAILED, f"migration {migration} failed: {str(error).strip()}") from error
        verb = "applied" if direction == "up" else "taken back"
        self.say(f"{migration}: {verb} in {time.monotonic() - started:.2f} s")

    def _execute(
        self, migration: Migration, code: str, book: Callable[[Migration], None], in_transaction: bool
    ) -> None:
        settings = sql.SQL("SELECT set_config('lock_timeout', {}, {}), set_config('statement_timeout', {}, {})")
        limits = settings.format(LOCK_TIMEOUT, in_transaction, STATEMENT_TIMEOUT, in_transaction)
        if not in_transaction:
            self.connection.execute(limits)
            self._faults()
            for statement in statements(code):
                self.connection.execute(statement.encode())
            book(migration)
            return
        with self.connection.transaction():
            self.connection.execute(limits)
            self.connection.execute(code.encode())
            self._faults()
            book(migration)

    def _faults(self) -> None:
        if seconds := self.settings.faults.migration_seconds:
            self.connection.execute("SELECT pg_sleep(%s)", [seconds])
        if self.settings.faults.migration_fails:
            self.connection.execute("DO $$ BEGIN RAISE 'FAULT_MIGRATION_FAILS'; END $$")

    def _record(self, migration: Migration) -> None:
        self.connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, min_compatible) VALUES (%s, %s, %s, %s)",
            [migration.version, migration.name, migration.checksum, migration.min_compatible],
        )

    def _forget(self, migration: Migration) -> None:
        self.connection.execute("DELETE FROM schema_migrations WHERE version = %s", [migration.version])


def _failing(shipped: list[Migration]) -> Migration:
    """FAULT_MIGRATION_FAILS makes the first pending migration fail; this one is pending where all others are applied."""
    return Migration(len(shipped) + 1, "fault", "CREATE TABLE fault_migration_fails (id integer)", None)
