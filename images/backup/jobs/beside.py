# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One dump into a new database beside the live one: made, filled, looked through, and only then given its name."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from backup.errors import BackupError, RefusedError
from backup.storage import Store

from . import archive_list, dump_stream
from .databases import Names, Server
from .likeness import differences, facts
from .progress import say

OWNER = "hustlex_owner"
# The copy is as large as the original, its WAL comes on top.
SPACE_FACTOR = 1.1


@dataclass(frozen=True)
class Restored:
    """A restored database that was looked through.

    differences: to the live database; notes: what a person should know before the swap; indexes: looked through by amcheck.
    """

    database: str
    changed: bool
    rows: dict[str, int] = field(default_factory=dict)
    indexes: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def restore(
    server: Server, store: Store, prefix: str, manifest: Mapping[str, Any], live: str, capacity: int
) -> Restored:
    names = Names(live, str(manifest["id"]))
    databases = server.databases()
    if names.restored in databases:
        say(f"{names.restored} is there already")
        return examine(server, names.restored, live if live in databases else "", manifest, changed=False)
    server.rows("postgres", 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=names.restoring)
    databases = server.databases()
    refuse_newer_dump(server, manifest)
    refuse_too_little_space(server, databases, live, manifest, capacity)
    say(f"restore {manifest['id']} into {names.restored}")
    create(server, names.restoring)
    try:
        fill(server, store, f"{prefix}{manifest['id']}/{manifest['object']}", manifest, names.restoring)
        keep_settings(server, live if live in databases else "", names.restoring)
        found = examine(server, names.restoring, live if live in databases else "", manifest, changed=True)
        server.rows("postgres", 'ALTER DATABASE :"old" RENAME TO :"new"', old=names.restoring, new=names.restored)
    except BackupError:
        # Where even this fails, the next run does it.
        with contextlib.suppress(BackupError):
            server.rows("postgres", 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=names.restoring)
        raise
    return Restored(**{**found.to_dict(), "database": names.restored})


def create(server: Server, name: str) -> None:
    """From the template, which has what only a superuser may create: extensions, and the function of PgBouncer."""
    statement = 'CREATE DATABASE :"name" OWNER :"owner" TEMPLATE :"template"'
    server.rows("postgres", statement, name=name, owner=OWNER, template="hustlex_template")
    server.rows("postgres", 'REVOKE ALL ON DATABASE :"name" FROM PUBLIC', name=name)
    # They would be added to the privileges of each table that is restored; the dump brings them as its last entries.
    for (statement,) in server.rows(name, _NO_DEFAULT_PRIVILEGES, owner=OWNER):
        server.rows(name, statement)


_NO_DEFAULT_PRIVILEGES = """SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE ALL ON %s FROM %s', :'owner',
         CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
                            WHEN 'n' THEN 'SCHEMAS' END,
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_default_acl, aclexplode(defaclacl)
WHERE defaclrole = :'owner'::regrole AND defaclnamespace = 0 AND grantee <> defaclrole GROUP BY defaclobjtype, grantee"""


def fill(server: Server, store: Store, key: str, manifest: Mapping[str, Any], database: str) -> None:
    """Stream the object into pg_restore; raises when the object or the restore is not whole."""

    def whole() -> dump_stream.Checked:
        return dump_stream.Checked(store.download(key), int(manifest["size"]), str(manifest["sha256"]), say)

    say("read the list of contents")
    lines, fault = dump_stream.contents(store.download(key), server.environment)
    if fault:
        refuse_damaged(key, whole())
        raise BackupError(f"pg_restore cannot read {key}: {fault}.")
    available = [row[0] for row in server.rows(database, "SELECT name FROM pg_available_extensions")]
    if missing := archive_list.unknown_extensions(lines, available):
        raise RefusedError(
            f"The server lacks extensions of the dump: {', '.join(missing)}. Use an image that has them."
        )
    chunks = whole()
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        chosen.write("\n".join(archive_list.wanted(lines, template_of(server, database))) + "\n")
        chosen.flush()
        command = ["pg_restore", f"--dbname={database}", f"--use-list={chosen.name}", "--exit-on-error"]
        fault = dump_stream.pg_restore([*command, "--no-owner", f"--role={OWNER}"], chunks, server.environment)
    refuse_damaged(key, chunks)
    if fault:
        raise BackupError(f"pg_restore failed, and what it had restored is removed: {fault}.")
    say("gather statistics")
    server.rows(database, 'SET client_min_messages = error; SET ROLE :"owner"; ANALYZE', owner=OWNER)


def refuse_damaged(key: str, chunks: dump_stream.Checked) -> None:
    if damage := chunks.fault():
        raise BackupError(f"{key} cannot be restored, {damage}. Choose another backup, see playbooks/backups.yml.")


def template_of(server: Server, database: str) -> archive_list.Template:
    extensions = server.rows(database, "SELECT extname FROM pg_extension")
    members = server.rows(
        database,
        """SELECT n.nspname || '.' || o.name FROM pg_depend d JOIN (
             SELECT 'pg_proc'::regclass AS class, oid, pronamespace AS schema, proname AS name FROM pg_proc UNION ALL
             SELECT 'pg_class'::regclass, oid, relnamespace, relname FROM pg_class) AS o ON o.class = d.classid AND o.oid = d.objid
           JOIN pg_namespace n ON n.oid = o.schema WHERE d.deptype = 'e'""",
    )
    return archive_list.Template(OWNER, {row[0] for row in extensions}, {row[0] for row in members})


def keep_settings(server: Server, live: str, name: str) -> None:
    """What belongs to the database itself and is in no dump: who may connect, its settings, its limit of connections."""
    if not live:
        live = "hustlex_template"
    grants = server.rows(
        "postgres",
        """SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, :'name',
                         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                         CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
           FROM pg_database, aclexplode(datacl) AS a WHERE datname = :'live' AND a.grantee <> datdba
           UNION ALL
           SELECT format('ALTER DATABASE %I SET %s TO %s', :'name', split_part(setting, '=', 1),
                         CASE WHEN split_part(setting, '=', 1) IN ('search_path', 'session_preload_libraries')
                              THEN substr(setting, strpos(setting, '=') + 1)
                              ELSE quote_literal(substr(setting, strpos(setting, '=') + 1)) END)
           FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) AS setting
           WHERE datname = :'live' AND setrole = 0
           UNION ALL
           SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', :'name', datconnlimit) FROM pg_database
           WHERE datname = :'live' AND datconnlimit <> -1""",
        live=live,
        name=name,
    )
    for (statement,) in grants:
        server.rows("postgres", statement)


def examine(server: Server, database: str, live: str, manifest: Mapping[str, Any], changed: bool) -> Restored:
    """Count all rows, look through all indexes, compare with the manifest and with the live database."""
    say(f"look through {database}")
    rows = count_rows(server, database)
    expected = manifest.get("tables") or {}
    if missing := sorted(set(expected) - set(rows)):
        raise BackupError(f"The restored database lacks tables of the manifest: {', '.join(missing)}.")
    indexes = int(server.value(database, _CHECK_INDEXES))
    notes = [
        f"{table} has no rows; when the backup was made it had about {count}"
        for table, count in sorted(expected.items())
        if count and not rows[table]
    ]
    unlike = differences(facts(server, live), facts(server, database)) if live else []
    return Restored(database, changed, rows, indexes, unlike, notes)


_CHECK_INDEXES = """SELECT count(public.bt_index_check(c.oid, false)::text)
FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid
WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisready AND i.indisvalid"""


def count_rows(server: Server, database: str) -> dict[str, int]:
    """Exact counts of all tables, by schema.table."""
    statement = """SET ROLE :"owner";
SELECT nspname || '.' || relname,
       (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', nspname, relname), true, true, '')))[1]
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"""
    return {table: int(count) for table, count in server.rows(database, statement, owner=OWNER)}


def refuse_newer_dump(server: Server, manifest: Mapping[str, Any]) -> None:
    running = int(server.value("postgres", "SHOW server_version_num")) // 10000
    written = str(manifest.get("server_version", "0")).split(" ", maxsplit=1)[0].split(".", maxsplit=1)[0]
    if written.isdigit() and int(written) > running:
        raise RefusedError(
            f"The dump comes from PostgreSQL {written}, but the server is {running}: a dump goes only forward."
        )


def refuse_too_little_space(
    server: Server, databases: Mapping[str, int], live: str, manifest: Mapping[str, Any], capacity: int
) -> None:
    """A second copy must fit on the volume beside all databases and the WAL; 0 means that its size is not known."""
    if not capacity:
        return
    wal = int(server.value("postgres", "SELECT pg_size_bytes(current_setting('max_wal_size'))"))
    needed = int(manifest.get("database_bytes") or databases.get(live) or 2 * int(manifest["size"])) * SPACE_FACTOR
    free = capacity - sum(databases.values()) - wal
    if needed > free:
        raise RefusedError(
            f"The volume has about {max(0, free) >> 20} MiB left, a second copy needs {int(needed) >> 20} MiB: enlarge it"
            " (postgres_storage_size), or remove what earlier restores left (remove=true)."
        )
