# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One at a time: base backups and retention must not meet, whichever pod they run in."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from backup.errors import LockedError, MissingError, StoreError
from backup.storage import Lease, Store

from .progress import say

NAME = "maintenance"
# Short, as a killed pod leaves its lock behind; renewed as long as the work goes on.
LEASE_SECONDS = 90.0
WAIT_SECONDS = 900.0
_PAUSE_SECONDS = 10.0


@contextlib.contextmanager
def held(store: Store, what: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Lease]:
    """Hold the lock until the work is done, after waiting for who holds it; LockedError when that takes too long.

    The work has to ask the lease's C(check) before and after what cannot be taken back.
    """
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
        said = ""
        while not done.wait(LEASE_SECONDS / 4):
            try:
                lease.renew(LEASE_SECONDS)
                said = ""
            except (LockedError, MissingError):
                # Lost for good: the check that the work makes meanwhile stops it.
                return
            except StoreError as error:
                # A store that is away for a moment: the next try, or else the lease's end, tells.
                if str(error) != said:
                    said = str(error)
                    say(f"The lock is not renewed yet: {error}")

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
