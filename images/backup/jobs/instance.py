# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL server of our own over a data directory: reached by a socket alone, never by the network."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backup.errors import BackupError

STOP_SECONDS = 600
ARCHIVE_LATER = {"archive_mode": "on", "archive_command": ""}


def programs() -> dict[str, str]:
    """The environment with the server's programs in PATH, which Debian keeps outside of it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    path = [str(each) for each in reversed(found)]
    return {**os.environ, "PATH": ":".join([*path, os.environ.get("PATH", "")]), "LC_ALL": "C", "TZ": "UTC"}


def shared_buffers(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> str:
    """A quarter of this container's memory: the configuration is made for that of the database."""
    try:
        megabytes = int(limit.read_text()) // 4 // 2**20
    except (OSError, ValueError):  # no such file, or "max"
        megabytes = 128
    return f"{max(16, min(megabytes, 8192))}MB"


def run(*command: str, seconds: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program; its last words become the error."""
    try:
        done = subprocess.run(command, env=programs(), capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise BackupError(f"{Path(command[0]).name} did not end within {seconds:.0f} s.") from None
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise BackupError(f"{Path(command[0]).name} failed with exit code {done.returncode}: {words}")
    return done


def control_data(data: Path) -> dict[str, str]:
    """What pg_controldata says, by its own labels."""
    lines = run("pg_controldata", "-D", str(data)).stdout.splitlines()
    return {name.strip(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


@dataclass
class Instance:
    """One server.

    config: folder with postgresql.conf and pg_hba.conf of role postgres; inherit: descriptors that the server keeps open.
    """

    data: Path
    config: Path
    socket: Path
    log: Path
    settings: dict[str, str] = field(default_factory=dict)
    inherit: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def command(self, **settings: str) -> list[str]:
        """How the server is started; settings overrule those of the configuration file."""
        merged = {
            "config_file": str(self.config / "postgresql.conf"),
            "hba_file": str(self.config / "pg_hba.conf"),
            "cluster_name": "postgres-recovery",
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "synchronous_standby_names": "",
            "ssl": "off",
            "shared_buffers": shared_buffers(),
            "logging_collector": "off",
            "log_destination": "stderr",
            "log_line_prefix": "%m [%p] ",
            **ARCHIVE_LATER,
            **self.settings,
            **settings,
        }
        options = [part for name, value in merged.items() for part in ("-c", f"{name}={value}")]
        return ["postgres", "-D", str(self.data), *options]

    def start(self, **settings: str) -> None:
        """Start it; its log is written anew."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(**settings), env=programs(), stdout=log, stderr=log, pass_fds=tuple(self.inherit)
            )

    def wait(self, seconds: float, silence: float, on_log: Callable[[str], None]) -> None:
        """Wait until it takes connections; each new line of its log goes to `on_log`.

        silence: longest time without a new line, in seconds.
        """
        began = heard = time.monotonic()
        with self.log.open(errors="replace") as log:
            while True:
                for line in log:
                    heard = time.monotonic()
                    on_log(line.rstrip("\n"))
                    if "database system is ready to accept connections" in line:
                        return
                assert self.process is not None
                if self.process.poll() is not None:
                    raise BackupError(f"PostgreSQL stopped: {last_failure(self.log.read_text(errors='replace'))}")
                now = time.monotonic()
                if now - began > seconds:
                    raise BackupError(f"PostgreSQL was not ready after {seconds:.0f} s: give the recovery more time.")
                if now - heard > silence:
                    raise BackupError(f"PostgreSQL said nothing for {silence:.0f} s: see {self.log} on the volume.")
                time.sleep(0.2)

    def sql(self, statement: str, database: str = "postgres", seconds: float = 3600) -> list[list[str]]:
        """Rows of a statement as text, as superuser over the socket."""
        done = run(
            *("psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket), "-U", "postgres"),
            *("-d", database, "-c", statement),
            seconds=seconds,
        )
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self) -> None:
        """Stop it cleanly, and prove that it is."""
        if self.process is None:
            return
        run(
            "pg_ctl",
            "stop",
            "-D",
            str(self.data),
            "-m",
            "fast",
            "-w",
            "-t",
            str(STOP_SECONDS),
            seconds=STOP_SECONDS + 10,
        )
        self.process.wait(30)
        self.process = None
        state = control_data(self.data)["Database cluster state"]
        if state != "shut down":
            raise BackupError(f'The recovered server did not stop cleanly; its control file says "{state}".')

    def kill(self) -> None:
        """End it at once, after a failure."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None


def last_failure(log: str) -> str:
    """The sentence that tells why a server stopped: its last FATAL or PANIC, and what its helper said before."""
    lines = [line for line in log.splitlines() if re.search(r"(FATAL|PANIC|ERROR|pgbackrest-archive-get): ", line)]
    helper = [line for line in lines if line.startswith("pgbackrest-archive-get: ") and "recovery stops" not in line]
    fatal = [line for line in lines if "FATAL: " in line or "PANIC: " in line]
    words = [text.partition(":  ")[2] or text for text in fatal[:1]]
    words += [line.partition(": ")[2] for line in helper[-1:]]
    return "; ".join(words) if words else "see its log on the volume"
