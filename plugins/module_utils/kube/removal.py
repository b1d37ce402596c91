# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removes an object and waits until it is gone, as long as that may take and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

from .client import Client
from .errors import KubeError
from .kinds import Kind

REMOVAL_SECONDS = 60


def remove(
    client: Client,
    kind: Kind,
    namespace: str,
    name: str,
    seconds: float = REMOVAL_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises KubeError when something, such as a finalizer, still holds the object after so many seconds."""
    client.delete(kind, namespace, name)
    deadline = clock() + seconds
    while client.find(kind, namespace, name) is not None:
        if clock() > deadline:
            raise KubeError(
                f"{kind.name} {name} is not gone {seconds:.0f} s after its removal:"
                f" see `kubectl describe {kind.name.lower()} {name} -n {namespace}`."
            )
        sleep(0.2)
