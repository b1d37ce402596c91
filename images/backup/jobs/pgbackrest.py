# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest as this pod runs it: beside the store, reaching the database pods over TLS."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from backup.errors import BackupError, StoreError

from .progress import say
from .settings import Settings

PORT = 8432
DATA = "/var/lib/postgresql/data/pgdata"
SOCKET = "/var/run/postgresql"
TLS = "/etc/pgbackrest/tls"
WATCH_SECONDS = 10.0

# Source: pgBackRest's src/build/error/error.yaml; seen on the cluster unless it is about configuration.
REASONS = {
    27: "its configuration is wrong or the database pods do not know its certificate: deploy roles backup and postgres again",
    28: "the store holds the backups of another database: recover that one, or give this one another bucket (backup_bucket)",
    37: "its configuration lacks an option: deploy role backup again",
    50: "another pgBackRest works on the same pod: try again when it has ended",
    56: "there is no primary that answers, or more than one, or another backup runs",
    68: "PostgreSQL archives with another command: deploy role postgres again",
    75: "no backup reaches the target",
    82: "the WAL did not arrive in the store in time: look at the log of the primary",
    103: "the store does not answer as it should: check its address, the bucket and the credentials",
}
_LOG_LINE = re.compile(r"^[-0-9]{10} [0-9:.]+ P\d+ +(\w+): (.*)")


class PgBackRestError(BackupError):
    """C(code) is pgBackRest's own exit code."""

    def __init__(self, command: str, code: int, words: str) -> None:
        reason = REASONS.get(code)
        super().__init__(
            f"pgbackrest {command} ended with code {code}: {reason} ({words})."
            if reason
            else f"pgbackrest {command} ended with code {code}: {words}."
        )
        self.code = code


def database_options(settings: Settings) -> list[str]:
    """How the database pods are reached: each by the Service of its name."""
    options = []
    for number, member in enumerate(settings.members(), start=1):
        pg = f"--pg{number}"
        options += [
            f"{pg}-host={member}.{settings.namespace}.svc.cluster.local",
            f"{pg}-host-type=tls",
            f"{pg}-host-port={PORT}",
            f"{pg}-host-ca-file={TLS}/ca.crt",
            f"{pg}-host-cert-file={TLS}/client.crt",
            f"{pg}-host-key-file={TLS}/client.key",
            f"{pg}-path={DATA}",
            f"{pg}-socket-path={SOCKET}",
            f"{pg}-user=postgres",
        ]
    return options


def run(
    settings: Settings,
    command: str,
    options: Sequence[str],
    seconds: float,
    on_line: Callable[[str], None] = say,
    still: Callable[[], None] = lambda: None,
) -> None:
    """Run a command; what it logs goes to `on_line`. Raises PgBackRestError, also when the time is over.

    still: asked meanwhile; what it raises stops the command and is raised.
    """
    argv = ["pgbackrest", f"--stanza={settings.stanza}", "--log-level-console=info", *options, command]
    last: deque[str] = deque(maxlen=1)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    alarm = threading.Timer(seconds, process.kill)
    alarm.start()
    try:
        with _stopped_unless(still, process):
            for line in process.stdout:
                match = _LOG_LINE.match(line)
                level, text = match.groups() if match else ("", line.strip())
                # What is wrong with an option is told before there is a log.
                if level in ("ERROR", "WARN") or text.startswith("ERROR: "):
                    last.append(text.removeprefix("ERROR: "))
                if text and not text.startswith(("HINT", f"{command} command")):
                    on_line(f"{level + ': ' if level in ('ERROR', 'WARN') else ''}{text}")
            code = process.wait()
    finally:
        alarm.cancel()
        process.terminate()
    if code == -9:
        raise BackupError(f"pgbackrest {command} did not end within {seconds:.0f} s.")
    if code:
        raise PgBackRestError(command, code, last_words("".join(last)))


@contextlib.contextmanager
def _stopped_unless(still: Callable[[], None], process: subprocess.Popen[str]) -> Iterator[None]:
    """Ask every few seconds; a refusal ends the process, and is what is raised."""
    done, refusal = threading.Event(), deque[BackupError](maxlen=1)

    def watch() -> None:
        while not done.wait(WATCH_SECONDS):
            try:
                still()
            except StoreError:
                continue  # Away for a moment; a lease runs out by the clock alone.
            except BackupError as error:
                refusal.append(error)
                process.terminate()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if refusal:
        raise refusal[0]


def info(settings: Settings) -> dict[str, Any]:
    """What pgBackRest itself knows of the stanza."""
    argv = ["pgbackrest", f"--stanza={settings.stanza}", "--output=json", "info"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise PgBackRestError("info", done.returncode, last_words(done.stderr or done.stdout))
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0] if found else {}


def last_words(text: str) -> str:
    """The last error in a log, without the time and the code before it."""
    lines = [line for line in text.strip().splitlines() if "HINT" not in line] or ["it said nothing"]
    errors = [line for line in lines if "ERROR" in line] or lines
    return re.sub(r"^.*?\[\d+\]: ", "", errors[-1]).strip().rstrip(".")
