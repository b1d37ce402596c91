# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump the database into the store: streamed, hashed, its table of contents read back; the manifest comes last."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

from backup import times
from backup.catalogue import DUMPS
from backup.copies import MANIFEST
from backup.errors import BackupError

from .databases import login
from .progress import patiently, say
from .settings import Settings

RECORDED_AS = "dump"
OBJECT = "hustlex.dump"
ROLE = "backup"
CHUNK_BYTES = 1 << 20
FACTS = """SELECT current_setting('server_version'), pg_current_wal_lsn(), pg_database_size(current_database())"""
TABLES = """SELECT schemaname || '.' || relname, n_live_tup FROM pg_stat_user_tables
    WHERE schemaname NOT LIKE 'pg\\_%' AND schemaname NOT IN ('information_schema', 'pgbouncer') ORDER BY 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compress", default="zstd:1", help="as pg_dump takes it")


def main(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    store = settings.store()
    started = datetime.now(UTC)
    name = times.backup_id(started)
    with login(settings, ROLE) as server:
        version, lsn, size = patiently(lambda: server.rows(settings.database, FACTS))[0]
        tables = {table: int(rows) for table, rows in server.rows(settings.database, TABLES)}
        say(f"dumping {settings.database} ({int(size) / 1e6:.0f} MB) as {name}")
        with Dump(settings.database, arguments.compress, server.environment) as dump:
            uploaded = store.upload(f"{DUMPS}{name}/{OBJECT}", dump.chunks(), dump.check)
    manifest = {
        "id": name,
        "kind": "dump",
        "started": times.iso(started.replace(microsecond=0)),
        "finished": times.iso(datetime.now(UTC).replace(microsecond=0)),
        **uploaded.to_dict(),
        "object": OBJECT,
        "pinned": False,
        "database": settings.database,
        "database_bytes": int(size),
        "server_version": version,
        "lsn": lsn,
        "entries": dump.entries,
        "tables": tables,
    }
    store.write(f"{DUMPS}{name}/{MANIFEST}", json.dumps(manifest).encode())
    say(f"stored {uploaded.size / 1e6:.1f} MB, {len(tables)} tables")
    return manifest


class Dump:
    """pg_dump, with pg_restore reading along: it understands the table of contents, which comes first."""

    def __init__(self, database: str, compress: str, environment: Mapping[str, str]) -> None:
        # A writer that holds a lock for longer than this makes the dump fail instead of wait, and the next one tries.
        options = ["--format=custom", f"--compress={compress}", "--lock-wait-timeout=300000", "--no-password"]
        self._complaints, self._contents, self._doubts = (tempfile.TemporaryFile() for _each in range(3))  # noqa: SIM115
        self._dump = subprocess.Popen(
            ["pg_dump", *options, f"--dbname={database}"],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        self._reader = subprocess.Popen(
            ["pg_restore", "--list"], stdin=subprocess.PIPE, stdout=self._contents, stderr=self._doubts
        )
        self.entries = 0

    def __enter__(self) -> Dump:
        return self

    def __exit__(self, *_error: object) -> None:
        for process in (self._dump, self._reader):
            if process.poll() is None:
                process.kill()
            process.wait()

    def chunks(self) -> Iterator[bytes]:
        assert self._dump.stdout is not None
        while chunk := self._dump.stdout.read(CHUNK_BYTES):
            self._show(chunk)
            yield chunk

    def check(self) -> None:
        """Raises BackupError unless pg_dump ended well and the archive can be read."""
        if self._dump.wait() != 0:
            raise BackupError(f"pg_dump failed: {_last_line(self._complaints)}.")
        if self._reader.stdin is not None and not self._reader.stdin.closed:
            self._close()
        if self._reader.wait() != 0:
            raise BackupError(f"The dump cannot be read back: {_last_line(self._doubts)}.")
        self._contents.seek(0)
        self.entries = sum(1 for line in self._contents if line.strip() and not line.startswith(b";"))

    def _show(self, chunk: bytes) -> None:
        stdin = self._reader.stdin
        if stdin is None or stdin.closed:
            return
        try:
            stdin.write(chunk)
        except BrokenPipeError:
            self._close()

    def _close(self) -> None:
        assert self._reader.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._reader.stdin.close()


def _last_line(stream: IO[bytes]) -> str:
    stream.seek(0)
    lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "it said nothing"
