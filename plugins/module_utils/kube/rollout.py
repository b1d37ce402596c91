# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One wait for all workloads of some sets, by polling on one connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .client import Client
from .diagnosis import Finding, Snapshot, describe, findings, is_probed, picture
from .errors import ApiError, KubeError
from .kinds import WELL_KNOWN, Kind
from .lease import without_lease
from .manifests import SET_LABEL
from .workload import Progress, progress

FIRST_PAUSE, LONGEST_PAUSE = 0.3, 0.6
# How long what the kubelet or a controller may mend at its next look must last.
MOMENT_SECONDS = 3.0
# An API server that restarts may also refuse for a while: its authorisers come up after it does.
OUTAGE_SECONDS = 120.0
# Controllers write down that they cannot create pods before we begin to look.
EARLIER_EVENTS = timedelta(seconds=30)

WORKLOAD_KINDS = tuple(
    WELL_KNOWN[key]
    for key in (("apps/v1", "StatefulSet"), ("apps/v1", "Deployment"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"))
)
_PODS, _CLAIMS, _EVENTS = (WELL_KNOWN["v1", name] for name in ("Pod", "PersistentVolumeClaim", "Event"))
_REPLICA_SETS = WELL_KNOWN["apps/v1", "ReplicaSet"]


@dataclass(frozen=True)
class Limits:
    """Times in seconds: the longest wait, the grace for pods without a node, the longest silence.

    patient: an API server that does not answer the first look either is waited for; this run has met it before.
    """

    timeout: float
    grace: float
    interval: float
    patient: bool = False


@dataclass(frozen=True)
class Scope:
    """The workloads of some sets, without those that are named `Kind/name`."""

    namespace: str
    sets: Sequence[str]
    without: Sequence[str] = ()

    def workloads(self, client: Client) -> list[dict[str, Any]]:
        selector = f"{SET_LABEL} in ({','.join(self.sets)})"
        found = [item for kind in WORKLOAD_KINDS for item in client.list(kind, self.namespace, selector)]
        return [item for item in found if f"{item['kind']}/{item['metadata']['name']}" not in self.without]


@dataclass
class Look:
    """Where all workloads stand at one moment."""

    snapshot: Snapshot
    progress: list[Progress] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return all(each.ready for each in self.progress)

    def pairs(self) -> list[tuple[Mapping[str, Any], Progress]]:
        return list(zip(self.snapshot.workloads, self.progress, strict=True))

    def line(self) -> str:
        """`3/5 ready; waiting for StatefulSet postgres-replica: 0 of 1 ready (pod postgres-replica-0: init copy)`"""
        ready = sum(each.ready for each in self.progress)
        waiting = [f"{describe(workload)}: {each.message}" for workload, each in self.pairs() if not each.ready]
        line = f"{ready}/{len(self.progress)} ready"
        return f"{line}; waiting for {'; '.join(waiting)}" if waiting else line


@dataclass(frozen=True)
class Outcome:
    look: Look
    failures: list[Finding]
    seconds: float


def look(client: Client, scope: Scope, closely: bool = False) -> Look:
    """Ask for the workloads, and for what explains them only if one is not ready, or `closely`."""
    workloads = scope.workloads(client)
    now = datetime.now(UTC)
    if not closely and all(is_probed(workload) and progress(workload).ready for workload in workloads):
        return Look(Snapshot(workloads), [progress(workload) for workload in workloads])
    snapshot = Snapshot(
        workloads,
        pods=client.list(_PODS, scope.namespace),
        replica_sets=_optional(client, _REPLICA_SETS, scope.namespace),
        claims=_optional(client, _CLAIMS, scope.namespace),
        events=_optional(client, _EVENTS, scope.namespace),
    )
    return Look(snapshot, [picture(workload, snapshot, now) for workload in workloads])


class Waiter:
    """Waits until all is ready, something has failed for good, or the time is over."""

    def __init__(
        self,
        connect: Callable[[], Client],
        scope: Scope,
        limits: Limits,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        beat: Callable[[Client], None] = without_lease,
    ) -> None:
        self._connect, self._scope, self._limits = connect, scope, limits
        self._say, self._clock, self._sleep, self._beat = say, clock, sleep, beat
        self._first_seen: dict[tuple[str, ...], float] = {}
        self.client = connect()

    def wait(self) -> Outcome:
        began = self._clock()
        since = datetime.now(UTC) - EARLIER_EVENTS
        current = self._look_again(None, began) if self._limits.patient else look(self.client, self._scope)
        said, said_at = "", float("-inf")
        pause = FIRST_PAUSE
        while True:
            now = self._clock()
            failures = self._failures(current, since, now)
            if current.is_ready or failures or now - began >= self._limits.timeout:
                return Outcome(current, failures, now - began)
            if current.line() != said or now - said_at >= self._limits.interval:
                said, said_at = current.line(), now
                self._say(f"{now - began:4.0f} s  {said}")
            self._sleep(min(pause, max(0.0, began + self._limits.timeout - now)))
            pause = min(pause + 0.1, LONGEST_PAUSE)
            self._beat(self.client)
            current = self._look_again(current, began)

    def _failures(self, current: Look, since: datetime, now: float) -> list[Finding]:
        """The first finding of each workload that has lasted as long as it may."""
        limits = {"none": 0.0, "moment": MOMENT_SECONDS, "grace": self._limits.grace}
        found = {
            describe(workload): findings(workload, current.snapshot, since)
            for workload, each in current.pairs()
            if not each.ready
        }
        keys = {finding.key for each in found.values() for finding in each}
        self._first_seen = {key: self._first_seen.get(key, now) for key in keys}
        due = []
        for each in found.values():
            lasting = [item for item in each if now - self._first_seen[item.key] >= limits[item.patience]]
            due += lasting[:1]
        return due

    def _look_again(self, current: Look | None, began: float) -> Look:
        """The next look; while the API server is away, the last one."""
        lost: float | None = None
        while True:
            try:
                return look(self.client, self._scope)
            except KubeError as error:
                now = self._clock()
                if lost is None:
                    lost = now
                    self._say(f"{now - began:4.0f} s  the API server does not answer, going on: {error}")
                if now - lost >= OUTAGE_SECONDS:
                    raise
                if now - began >= self._limits.timeout:
                    if current is None:
                        raise
                    return current
                self._sleep(LONGEST_PAUSE)
                if isinstance(error, ApiError) and error.status == 401:
                    self.client = self._connect()  # credentials of a login command last minutes only


def _optional(client: Client, kind: Kind, namespace: str) -> list[dict[str, Any]]:
    """What explains a state but is not needed to see it: not everybody may read it."""
    try:
        return client.list(kind, namespace)
    except ApiError as error:
        if error.status == 403:
            return []
        raise
