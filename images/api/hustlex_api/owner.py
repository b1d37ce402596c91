"""The connection that migrations run on: the owner's, direct to PostgreSQL, one runner at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from hustlex_api.errors import CommandError, Exit
from hustlex_api.settings import Database

ADVISORY_LOCK = 4_857_583_911
Say = Callable[[str], None]


def connect(database: Database, say: Say, wait_seconds: float) -> psycopg.Connection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return psycopg.connect(**database.connection("hustlex-migrate"), autocommit=True)
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            if time.monotonic() > deadline:
                raise CommandError(Exit.UNREACHABLE, f"the database cannot be reached: {reason}") from error
            say(f"waiting for the database: {reason}")
            time.sleep(min(2, max(0.1, deadline - time.monotonic())))


@contextmanager
def alone(connection: psycopg.Connection, database: Database, say: Say, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of all migrations. It is polled: a waiting statement would block CREATE INDEX CONCURRENTLY."""
    _must_be_direct(connection, database)
    _must_own_schema(connection, database)
    # So that the lock of a runner that was killed ends with its connection, not with its statement.
    connection.execute("SET client_connection_check_interval = '2s'")
    deadline = time.monotonic() + wait_seconds
    told = False
    while not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", ADVISORY_LOCK):
        if time.monotonic() > deadline:
            raise CommandError(
                Exit.LOCKED, f"another migration is still running after {wait_seconds:g} s: try again later"
            )
        if not told:
            say("waiting for another migration to finish")
            told = True
        time.sleep(0.2)
    try:
        yield
    finally:
        if not connection.closed:
            _scalar(connection, "SELECT pg_advisory_unlock(%s)", ADVISORY_LOCK)


def _must_be_direct(connection: psycopg.Connection, database: Database) -> None:
    # A pooler hands out its own key for cancel requests, so that the numbers differ.
    if _scalar(connection, "SELECT pg_backend_pid()") != connection.info.backend_pid:
        raise CommandError(
            Exit.FORBIDDEN,
            f"{database.host} is a connection pooler: migrations need DB_HOST of PostgreSQL itself",
        )


def _must_own_schema(connection: psycopg.Connection, database: Database) -> None:
    if not _scalar(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        raise CommandError(
            Exit.FORBIDDEN,
            f"{database.user} may not change the schema: run migrations as its owner (DB_USER)",
        )


def _scalar(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    return row[0] if row else None
