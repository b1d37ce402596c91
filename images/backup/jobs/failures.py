# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last failure of each kind of job, kept in the store until a run of that kind succeeds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from backup import times
from backup.errors import BackupError, StoreError

from .progress import say
from .settings import Settings


@contextlib.contextmanager
def recorded(settings: Settings, kind: str) -> Iterator[None]:
    """Write the failure of a job of that kind, or remove that of an earlier one; without a kind do nothing."""
    started = datetime.now(UTC)
    try:
        yield
    except Exception as error:
        if kind:
            record = {
                "id": times.backup_id(started),
                "kind": kind,
                "time": times.iso(datetime.now(UTC)),
                "message": str(error) if isinstance(error, BackupError) else f"{type(error).__name__}: {error}",
            }
            # The failure itself is what people must read, also where it is the store that fails.
            with contextlib.suppress(StoreError):
                settings.store().write(_key(kind), json.dumps(record).encode())
        raise
    if kind:
        _forget(settings, kind)


def _forget(settings: Settings, kind: str) -> None:
    """A job that did its work has succeeded, also where the record of an earlier failure cannot be removed."""
    try:
        left = settings.store().delete([_key(kind)]).errors
    except StoreError as error:
        left = ((_key(kind), str(error)),)
    for key, reason in left:
        say(f"{key} of an earlier run stays, although this one succeeded: {reason}")


def _key(kind: str) -> str:
    return f"failures/{kind}.json"
