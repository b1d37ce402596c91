# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exchange the live database by renaming, in one transaction: a run that is killed has done all of it or nothing.

PostgreSQL holds new connections back from the first rename to the commit, so that the old ones can be ended meanwhile.
"""

from __future__ import annotations

import subprocess
import time

from backup.errors import BackupError, RefusedError

from .databases import Server, first_error

TRIES = 3
# PostgreSQL waits five seconds for sessions to end, after at most as long for its lock.
RENAME_SECONDS = 30
SUPERUSER_SECONDS = 10.0

_RENAME = """BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT format('ALTER DATABASE %I RENAME TO %I', datname, :'aside') FROM pg_database WHERE datname = :'live' \\gexec
ALTER DATABASE :"successor" RENAME TO :"live";
COMMIT;
"""
_END_SESSIONS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE datname IN (:'live', :'successor') AND NOT rolsuper AND pid <> pg_backend_pid()
\\watch 0.05
"""
_IN_THE_WAY = """SELECT 'process ' || pid || ' of ' || usename || ' (' || application_name || ')'
FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE datname IN (:'live', :'successor') AND rolsuper
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database IN (:'live', :'successor')"""


def exchange(server: Server, live: str, aside: str, successor: str) -> float:
    """`live`, where it is there, becomes `aside`, and `successor` `live`; seconds for which nobody could connect."""
    for _attempt in range(TRIES):
        wait_for_superusers(server, live, successor)
        began = time.monotonic()
        fault = _rename(server, live, aside, successor)
        # The answer to the commit can be lost: whether it happened is seen by the name that is gone.
        if not fault or successor not in server.databases():
            return time.monotonic() - began
        if "being accessed by other users" not in fault:
            break
    raise BackupError(f"The databases could not be exchanged, and nothing was changed: {fault}.")


def wait_for_superusers(server: Server, live: str, successor: str) -> None:
    """A superuser's session cannot be ended by role `restore`: the short ones of our own pass, for others a person is asked."""
    deadline = time.monotonic() + SUPERUSER_SECONDS
    while found := server.rows("postgres", _IN_THE_WAY, live=live, successor=successor):
        if time.monotonic() > deadline:
            names = ", ".join(row[0] for row in found)
            raise RefusedError(f"Still at work in the databases: {names}. End that first; nothing was changed.")
        time.sleep(0.2)


def _rename(server: Server, live: str, aside: str, successor: str) -> str:
    renaming = server.session("postgres", _RENAME, live=live, aside=aside, successor=successor)
    ending = server.session("postgres", _END_SESSIONS, live=live, successor=successor)
    try:
        out, _err = renaming.communicate(timeout=RENAME_SECONDS)
    except subprocess.TimeoutExpired:
        raise BackupError(
            "PostgreSQL did not answer to the renaming: look whether it happened, then run again."
        ) from None
    finally:
        for process in (renaming, ending):
            process.kill()
            process.communicate()
    return first_error(out) if renaming.returncode else ""
