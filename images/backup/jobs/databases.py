# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database server as role `restore` sees it: through psql, which the image has anyway."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backup.errors import BackupError, LockedError, RefusedError

from .settings import DATABASE_PORT, Settings

STATEMENT_SECONDS = 24 * 3600
# The network lets a new pod through only after some seconds, and a database may be restarting.
CONNECT_SECONDS = 60.0
_LOCK = 4_851_213_001
_FIELD, _ROW = "\x1f", "\x1e"
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_KINDS = ("restoring", "restored", "before")


@dataclass(frozen=True)
class Names:
    """Databases around one backup: unfinished, restored beside the live one, and the live one of before its swap."""

    live: str
    backup: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.backup):
            raise RefusedError(f'"{self.backup}" is no backup ID: give one such as 20261124T030000Z, or latest.')

    @property
    def restoring(self) -> str:
        return f"{self.live}_restoring_{self.backup.lower()}"

    @property
    def restored(self) -> str:
        return f"{self.live}_restored_{self.backup.lower()}"

    @property
    def before(self) -> str:
        return f"{self.live}_before_{self.backup.lower()}"


def backups_of(databases: Mapping[str, int], live: str, kind: str) -> list[str]:
    """IDs of the backups of which a database of that kind is there, oldest first."""
    prefix = f"{live}_{kind}_"
    found = (name.removeprefix(prefix).upper() for name in databases if name.startswith(prefix))
    return sorted(each for each in found if _ID.fullmatch(each))


def leftovers(databases: Mapping[str, int], live: str) -> list[str]:
    """Every database that restores have left beside the live one."""
    found = (f"{live}_{kind}_{backup.lower()}" for kind in _KINDS for backup in backups_of(databases, live, kind))
    return sorted(name for name in found if name in databases)


@dataclass(frozen=True)
class Server:
    """Where the database is; `environment` is libpq's (PGHOST, PGPORT, PGUSER, PGPASSFILE)."""

    environment: Mapping[str, str]

    def rows(self, database: str, statement: str, **values: str) -> list[list[str]]:
        """Rows of a statement; each of `values` is a psql variable, to be quoted in it as :'name' or :"name"."""
        options = [f"--set={name}={value}" for name, value in {"ON_ERROR_STOP": "1", **values}.items()]
        done = subprocess.run(
            [*_PSQL, *options, f"--dbname={database}"],
            input=statement,
            env=dict(self.environment),
            text=True,
            capture_output=True,
            timeout=STATEMENT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise BackupError(f"PostgreSQL refused: {first_error(done.stderr)}.")
        return [row.split(_FIELD) for row in done.stdout.removesuffix("\n").split(_ROW) if row]

    def wait(self, seconds: float) -> None:
        """Until the server takes connections; one that refuses the role is not waited for."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.rows("postgres", "")
            except BackupError as error:
                if not _AWAY.search(str(error)) or time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    def value(self, database: str, statement: str, **values: str) -> str:
        rows = self.rows(database, statement, **values)
        return rows[0][0] if rows else ""

    def databases(self) -> dict[str, int]:
        """Name and size in bytes; 0 where the size may not be asked."""
        statement = """SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END
            FROM pg_database"""
        return {name: int(size) for name, size in self.rows("postgres", statement)}

    def session(self, database: str, script: str, **values: str) -> subprocess.Popen[str]:
        """A psql of its own that has begun the script and reads on from its standard input."""
        options = [f"--set={name}={value}" for name, value in {"ON_ERROR_STOP": "1", **values}.items()]
        process = subprocess.Popen(
            [*_PSQL, *options, f"--dbname={database}"],
            env=dict(self.environment),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdin
        process.stdin.write(script)
        process.stdin.flush()
        return process

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one restore at a time: a lock of a session, so that a killed run leaves none."""
        process = self.session("postgres", f"SELECT pg_try_advisory_lock({_LOCK});\n\\echo\n")
        assert process.stdout
        try:
            answer = process.stdout.readline().strip(f"{_ROW}\n")
            if answer == "f":
                raise LockedError("Another restore runs against this database: wait until it has ended.")
            if answer != "t":
                raise BackupError(f"PostgreSQL refused: {first_error(answer)}.")
            yield
        finally:
            process.kill()
            process.communicate()


_AWAY = re.compile(
    "Connection refused|timeout|timed out|starting up|shutting down|could not translate|No route|closed the connection"
)
_PSQL = ("psql", "-XAtq", f"--field-separator={_FIELD}", f"--record-separator={_ROW}")


def first_error(text: str) -> str:
    """The first line that says what is wrong, without what psql and pg_restore put before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if re.search(r"ERROR|FATAL|error:", line)), lines[-1] if lines else "no answer")
    return re.sub(r"^.*(ERROR|FATAL|error): +", "", line).rstrip(".")


@contextlib.contextmanager
def login(settings: Settings, role: str) -> Iterator[Server]:
    """The server for a role; its password is in a private file, never in an argument."""
    password = settings.password(role).replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.NamedTemporaryFile("w", prefix="pgpass") as file:
        file.write(f"*:*:*:*:{password}\n")
        file.flush()
        own = {"PGHOST": settings.database_host, "PGUSER": role, "PGPASSFILE": file.name, "PGCONNECT_TIMEOUT": "10"}
        server = Server({"PGPORT": DATABASE_PORT, **os.environ, **own, "PGAPPNAME": f"hustlex-{role}"})
        server.wait(CONNECT_SECONDS)
        yield server
