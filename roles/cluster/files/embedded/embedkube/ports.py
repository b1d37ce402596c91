"""Who listens on a port of this machine."""

from __future__ import annotations

import socket
from pathlib import Path

from .run import Failure

LISTEN = "0A"


def check_free(port: int, purpose: str, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            holder = listener(port)
            by = f" by {holder}" if holder else ""
            raise Failure(
                f"Port {port} on 127.0.0.1, which {purpose} needs, is taken{by} ({error.strerror}): "
                f"end that program or choose another port with {variable}."
            ) from error


def listening_inodes(table: str, port: int) -> set[str]:
    """Socket numbers that listen on `port`, from the text of /proc/net/tcp or tcp6."""
    inodes = set()
    for line in table.splitlines()[1:]:
        columns = line.split()
        if columns[3] == LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
            inodes.add(columns[9])
    return inodes


def listener(port: int) -> str:
    """Name and number of the program that listens on `port`, empty when that cannot be seen."""
    wanted: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            wanted |= listening_inodes(table.read_text(), port)
    targets = {f"socket:[{inode}]" for inode in wanted}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) in targets for entry in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue
    return ""
