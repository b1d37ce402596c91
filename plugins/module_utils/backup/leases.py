# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks for one run at a time, kept as objects of the store."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import times
from .errors import LockedError, MissingError, StoreError

if TYPE_CHECKING:
    from .storage import Store


class Lease:
    """A lock that is held; ask C(check) before each step that cannot be taken back."""

    def __init__(self, store: Store, key: str, body: bytes, expires: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._key = key
        self._body = body
        self._expires = expires
        self._clock = clock
        self._changing = threading.Lock()

    def check(self) -> None:
        """Raises LockedError when the time is up or another run has taken the lock."""
        if self._clock() >= self._expires:
            raise LockedError("The lock ran out before the work was done; run it again.")
        if not self.still_ours():
            raise LockedError("Another run took the lock; this one stops.")

    def renew(self, seconds: float) -> None:
        """Hold the lock for C(seconds) from now; LockedError when another run has taken it."""
        expires = self._clock() + seconds
        with self._changing:
            body = json.dumps({**json.loads(self._body), "seconds": seconds, "expires": _iso(expires)}).encode()
            held = self._store.inspect(self._key)
            if held.content != self._body or not self._store.overwrite(self._key, body, held.etag):
                raise LockedError("Another run took the lock; this one stops.")
            self._body, self._expires = body, expires

    def still_ours(self) -> bool:
        try:
            with self._changing:
                return self._store.read(self._key) == self._body
        except MissingError:
            return False


@contextlib.contextmanager
def hold(store: Store, name: str, holder: str, seconds: float, clock: Callable[[], float]) -> Iterator[Lease]:
    """Hold C(locks/NAME.json) for at most C(seconds); LockedError says who holds it since when.

    What others wait for is told by the store's clock alone: ours and theirs may differ.
    """
    key, now = f"locks/{name}.json", clock()
    facts = {"holder": holder, "since": _iso(now), "seconds": seconds, "expires": _iso(now + seconds)}
    body = json.dumps({**facts, "token": secrets.token_hex(8)}).encode()
    _take(store, key, body)
    lease = Lease(store, key, body, now + seconds, clock)
    if not lease.still_ours():
        raise LockedError(f"Another run took the lock {name} at the same moment. Try again later.")
    try:
        yield lease
    finally:
        # A lock that cannot be given back runs out; what went wrong before is what counts.
        with contextlib.suppress(StoreError):
            if lease.still_ours():
                store.delete([key])


def _take(store: Store, key: str, body: bytes) -> None:
    if store.write(key, body, if_absent=True):
        return
    version = store.inspect(key)
    held = json.loads(version.content)
    if version.age <= held["seconds"]:
        raise LockedError(f"{held['holder']} holds the lock since {held['since']}. Wait for it to end.")
    if not store.overwrite(key, body, version.etag):
        raise LockedError("Another run took the lock at the same moment. Try again later.")


def _iso(seconds: float) -> str:
    return times.iso(times.from_epoch(int(seconds)))
