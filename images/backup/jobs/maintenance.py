# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One at a time: base backups and retention must not meet, whichever pod they run in."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from backup.errors import BackupError, LockedError
from backup.storage import Lease, Store

from .progress import say

NAME = "maintenance"
# Short, as a killed pod leaves its lock behind; renewed as long as the work goes on.
LEASE_SECONDS = 90.0
WAIT_SECONDS = 900.0
_PAUSE_SECONDS = 10.0


@contextlib.contextmanager
def held(store: Store, what: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Lease]:
    """Hold the lock until the work is done, after waiting for who holds it; LockedError when that takes too long."""
    deadline = time.monotonic() + wait_seconds
    said = ""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                lease = stack.enter_context(store.lock(NAME, f"{what} in {socket.gethostname()}", LEASE_SECONDS))
                break
            except LockedError as error:
                if time.monotonic() > deadline:
                    raise
                if str(error) != said:
                    said = str(error)
                    say(said)
                time.sleep(_PAUSE_SECONDS)
        stack.enter_context(_renewed(lease))
        yield lease


@contextlib.contextmanager
def _renewed(lease: Lease) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE_SECONDS / 4):
            # A store that is away for a moment: the next try, or else the check before the next step, tells.
            with contextlib.suppress(BackupError):
                lease.renew(LEASE_SECONDS)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
