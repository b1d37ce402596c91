# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One operation on an environment at a time: a Lease with holder, reason and expiry.

Every time in it is the API server's, so that the clocks of those who compete need not agree.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import getpass
import hashlib
import json
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from .client import Client
from .connection import Connection
from .errors import ApiError, KubeError
from .kinds import WELL_KNOWN

LEASES = WELL_KNOWN["coordination.k8s.io/v1", "Lease"]
OPERATION = "hustlex-operation"
RUN = "hustlex.app/lease-run"
REASON = "hustlex.app/lease-reason"
ORPHANED = "The run of ansible-playbook that this task belongs to is no more: the task ends."
_ATTEMPTS = 5


class LeaseHeldError(KubeError):
    """Another run holds the lease."""


class LeaseLostError(KubeError):
    """The lease is no longer ours: stop before anything else is changed."""


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook. `machine` is empty where processes cannot be told apart for sure."""

    who: str
    pid: int
    machine: str = ""
    started: str = ""

    @classmethod
    def current(cls, who: str = "") -> Run:
        """The run that this worker process belongs to. Raises LeaseLostError when that is no more."""
        stop_orphan()
        pid = os.getppid()
        return cls(who or f"{_user()}@{socket.gethostname()}", pid, _machine(), _start_time(pid))

    @property
    def identity(self) -> str:
        """For people, and the same for no other run."""
        unique = hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:6]
        return f"{self.who} (process {self.pid}, {unique})"

    def is_over(self) -> bool:
        """Whether it ran on this machine and does so no more; False when nobody can tell."""
        return bool(self.machine) and self.machine == _machine() and _start_time(self.pid) != self.started


def is_orphan() -> bool:
    """Whether who started this worker process is no more; it was given another parent then, which may well live on."""
    parent = multiprocessing.parent_process()
    return parent is not None and parent.pid != os.getppid()


def stop_orphan(orphaned: Callable[[], bool] = is_orphan) -> None:
    """Raise LeaseLostError in a worker process whose run is no more: the next run must find its work undisturbed."""
    if orphaned():
        raise LeaseLostError(ORPHANED)


@dataclass(frozen=True)
class Held:
    """The lease as this run holds it; taken_from: who let it run out or died with it."""

    holder: str
    taken_from: str = ""


def acquire(client: Client, namespace: str, name: str, run: Run, reason: str, seconds: int) -> Held:
    """Take the lease for so many seconds; LeaseHeldError says who has it since when."""
    for _attempt in range(_ATTEMPTS):
        live = client.find(LEASES, namespace, name)
        try:
            if live is None:
                client.create(LEASES, _manifest(namespace, name, run, reason, seconds, client.now()))
                return Held(run.identity)
            holder = holder_of(live)
            if holder not in ("", run.identity) and not is_free(live, client.now()):
                raise LeaseHeldError(held_sentence(live, client.now()))
            change = _manifest(namespace, name, run, reason, seconds, client.now())
            change["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            client.merge(LEASES, namespace, name, change)
            return Held(run.identity, holder if holder != run.identity else "")
        except ApiError as error:
            if error.status != 409:
                raise
    raise LeaseHeldError(f"Others took the lock {name} at the same moment again and again: run it again.")


def release(client: Client, namespace: str, name: str, identity: str) -> bool:
    """Give the lease back; False when it is not ours any more."""
    live = client.find(LEASES, namespace, name)
    if live is None or holder_of(live) != identity:
        return False
    change = {
        "metadata": {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "annotations": {RUN: None, REASON: None},
        },
        "spec": {"holderIdentity": None, "acquireTime": None, "renewTime": None},
    }
    try:
        client.merge(LEASES, namespace, name, change)
    except ApiError as error:
        if error.status != 409:
            raise
        return False
    return True


def holder_of(lease: Mapping[str, Any]) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def is_free(lease: Mapping[str, Any], now: datetime) -> bool:
    """Nobody holds it, it ran out, or who held it is no more."""
    run = _run_of(lease)
    return not holder_of(lease) or now >= _expiry(lease) or (run is not None and run.is_over())


def held_sentence(lease: Mapping[str, Any], now: datetime) -> str:
    spec, reason = lease["spec"], (lease["metadata"].get("annotations") or {}).get(REASON)
    purpose = f' for "{reason}"' if reason else ""
    left = max(0, int((_expiry(lease) - now).total_seconds()))
    return (
        f"{holder_of(lease)} holds the lock of this environment since {str(spec.get('acquireTime'))[:19]}Z{purpose}:"
        f" wait until it has ended; if it died, the lock is free in {left} s."
    )


class Keeper:
    """Keeps a lease while something is waited for: ask `beat` at every look."""

    def __init__(
        self,
        namespace: str,
        lease: Mapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
        orphaned: Callable[[], bool] = is_orphan,
    ) -> None:
        self._namespace = namespace
        self._name, self._holder, self._seconds = lease["name"], lease["holder"], int(lease["seconds"])
        self._clock, self._orphaned, self._renewed = clock, orphaned, float("-inf")

    def beat(self, client: Client) -> None:
        """Renew the lease when a third of its time is over. Raises LeaseLostError.

        An API server that is away is no reason to stop: nobody else can take the lease from it either.
        """
        self._beat(lambda renew: renew(client))

    def beat_on(self, connection: Connection) -> None:
        """The same, with new credentials where the old ones have run out."""
        self._beat(connection.use)

    def _beat(self, use: Callable[[Callable[[Client], None]], None]) -> None:
        stop_orphan(self._orphaned)
        if self._clock() - self._renewed < self._seconds / 3:
            return
        try:
            use(lambda client: _renew(client, self._namespace, self._name, self._holder))
        except LeaseLostError:
            raise
        except KubeError:
            return
        self._renewed = self._clock()


def without_lease(_client: Client) -> None:
    """What a wait that keeps no lease calls at every look: it ends with its run."""
    stop_orphan()


def keeper(namespace: str, lease: Mapping[str, Any] | None) -> Callable[[Client], None]:
    """What a wait that logs in again by itself calls at every look."""
    return Keeper(namespace, lease).beat if lease else without_lease


def keeper_on(connection: Connection, namespace: str, lease: Mapping[str, Any] | None) -> Callable[[], None]:
    """The same for a wait on something else than the API server. Raises KubeError when there is no way to log in."""
    if not lease:
        return stop_orphan
    connection.client()
    return partial(Keeper(namespace, lease).beat_on, connection)


def _renew(client: Client, namespace: str, name: str, holder: str) -> None:
    for _attempt in range(_ATTEMPTS):
        live = client.find(LEASES, namespace, name)
        if live is None or holder_of(live) != holder:
            now = holder_of(live) if live else ""
            raise LeaseLostError(f"The lock of this environment was lost{f' to {now}' if now else ''}: run it again.")
        change = {
            "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
            "spec": {"renewTime": _micro(client.now())},
        }
        try:
            client.merge(LEASES, namespace, name, change)
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return


def _manifest(namespace: str, name: str, run: Run, reason: str, seconds: int, now: datetime) -> dict[str, Any]:
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.name,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "hustlex"},
            "annotations": {RUN: json.dumps(asdict(run)), REASON: reason},
        },
        "spec": {
            "holderIdentity": run.identity,
            "leaseDurationSeconds": seconds,
            "acquireTime": _micro(now),
            "renewTime": _micro(now),
        },
    }


def _expiry(lease: Mapping[str, Any]) -> datetime:
    spec = lease["spec"]
    return datetime.fromisoformat(spec["renewTime"]) + timedelta(seconds=int(spec["leaseDurationSeconds"]))


def _run_of(lease: Mapping[str, Any]) -> Run | None:
    text = (lease["metadata"].get("annotations") or {}).get(RUN)
    try:
        return Run(**json.loads(text)) if text else None
    except (TypeError, ValueError):
        return None


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> str:
    """What makes a process number mean the same process: the kernel since its start, and the PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat, proc(5); empty when there is no such process, or when only its parent has to notice."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]
