# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the database another volume: step by step, each written down before it is done, so that a killed run goes on.

The fence: from its first step to the start of the database no pod is the recorded primary, so that nothing that anybody
starts meanwhile writes; and no volume is moved before every pod that had it mounted is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from . import volumes
from .client import Client
from .errors import KubeError
from .kinds import WELL_KNOWN
from .manifests import SET_LABEL, Manifest
from .removal import remove
from .workload import progress

STATEFUL_SETS, DEPLOYMENTS = WELL_KNOWN["apps/v1", "StatefulSet"], WELL_KNOWN["apps/v1", "Deployment"]
CONFIG_MAPS, SERVICES = WELL_KNOWN["v1", "ConfigMap"], WELL_KNOWN["v1", "Service"]

PRIMARY, DATA_CLAIM = "postgres-0", "postgres-data-postgres-0"
DATABASE, REPLICAS, RECOVERY = "postgres", "postgres-replica", "postgres-recovery"
# A name that no pod has: a database that starts now waits for it instead of writing.
NOBODY = "none"
USES_DATABASE = "hustlex.app/uses-postgres"
# The pooler holds no data and waits for the database by itself.
LEFT_RUNNING = frozenset({"pgbouncer"})
LABELS = {"app": "postgres"}


@dataclass(frozen=True)
class Exchange:
    """Facts as they were before anything was touched.

    incoming, outgoing: volumes; outgoing is empty when the database has none any more. kept_claim: the claim that the outgoing
    volume gets. policies: reclaim policy by volume. replicas: by `Kind name`, what is started again. holder: the run that
    does it; a killed run may have left a process that still does.
    """

    incoming: str
    incoming_claim: str
    outgoing: str
    outgoing_claim: str
    kept_claim: str
    policies: dict[str, str] = field(default_factory=dict)
    replicas: dict[str, int] = field(default_factory=dict)
    step: str = ""
    holder: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Exchange:
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """Longest waits, in seconds."""

    stop: float = 300
    start: float = 900
    copy: float = 6 * 3600


def observe(client: Client, namespace: str, incoming_claim: str, kept_claim: str) -> Exchange:
    """The facts of an exchange that is about to begin; raises KubeError when it cannot be done."""
    incoming = volumes.volume_of(client, namespace, incoming_claim)
    if not incoming:
        raise KubeError(f"PersistentVolumeClaim {incoming_claim} has no volume in namespace {namespace}.")
    if not client.may("patch", "", "persistentvolumes", ""):
        raise KubeError("The user of this kubeconfig may not patch PersistentVolumes: swap as one who may.")
    topology = client.find(CONFIG_MAPS, namespace, "postgres-topology") or {}
    primary = (topology.get("data") or {}).get("primary", PRIMARY)
    outgoing_claim = f"postgres-data-{primary}"
    outgoing = volumes.volume_of(client, namespace, outgoing_claim)
    moved = [volume for volume in (incoming, outgoing) if volume]
    workloads = [*_stateful_sets(client, namespace), *application(client, namespace)]
    return Exchange(
        incoming=incoming,
        incoming_claim=incoming_claim,
        outgoing=outgoing,
        outgoing_claim=outgoing_claim,
        kept_claim=kept_claim,
        policies={volume: volumes.reclaim_policy(client, volume) for volume in moved},
        replicas={_name(each): int(each["spec"].get("replicas", 1)) for each in workloads},
    )


def application(client: Client, namespace: str) -> list[Manifest]:
    """Deployments whose pods use the database."""
    return [
        each
        for each in client.list(DEPLOYMENTS, namespace)
        if (each["spec"]["template"]["metadata"].get("labels") or {}).get(USES_DATABASE) == "true"
        and (each["metadata"].get("labels") or {}).get(SET_LABEL) not in LEFT_RUNNING
    ]


class Exchanger:
    """Does, or finishes, one exchange.

    save: writes the exchange down; say: shows a line; take_base: makes a base backup of what now runs;
    branch: gives data that comes back a timeline of its own, before it moves; beat: called at every look of a wait.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        exchange: Exchange,
        save: Callable[[Exchange], None],
        say: Callable[[str], None],
        take_base: Callable[[], None],
        branch: Callable[[], None] | None = None,
        beat: Callable[[], None] = lambda: None,
        limits: Limits = Limits(),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._namespace, self._exchange = client, namespace, exchange
        self._save, self._say, self._take_base, self._branch = save, say, take_base, branch
        self._beat, self._limits, self._clock, self._sleep = beat, limits, clock, sleep

    def steps(self) -> dict[str, tuple[str, Callable[[], None]]]:
        """Each step by the name that is written down: what it is to people, and what does it."""
        branch = {"branch": ("bring the data to a timeline of its own", self._branch)} if self._branch else {}
        # First, so that its failure stops nothing.
        return {
            **branch,
            "fence": ("record that no pod is the primary", self._fence),
            "stop-application": ("stop the application", self._stop_application),
            "stop-database": ("stop the database, and wait until every pod of it is gone", self._stop_database),
            "retain": ("protect both volumes from deletion", self._retain),
            "release": ("take the volumes from their claims", self._release),
            "bind": ("bind each volume to its new claim", self._bind),
            "appoint": (f"record {PRIMARY} as the primary", self._appoint),
            "start-database": ("start the database", self._start_database),
            "start-application": ("start the application", self._start_application),
            "drop-replicas": ("remove the copies that follow the other history", self._drop_replicas),
            "start-replicas": ("copy the replicas anew", self._start_replicas),
            "base-backup": ("take a base backup", self._take_base),
            "tidy": ("remove what served the recovery alone", self._tidy),
        }

    def run(self) -> Exchange:
        steps = self.steps()
        names = list(steps)
        reached = names.index(self._exchange.step) if self._exchange.step else 0
        if names.index("fence") < reached <= names.index("appoint"):
            # Somebody may have started something since the last run was cut off.
            for name in ("fence", "stop-application", "stop-database"):
                steps[name][1]()
        for name in names[reached:]:
            self._exchange = replace(self._exchange, step=name)
            self._save(self._exchange)
            self._say(f"{names.index(name) + 1}/{len(names)} {steps[name][0]}")
            self._beat()
            steps[name][1]()
        return self._exchange

    def _fence(self) -> None:
        self._record_primary(NOBODY)

    def _appoint(self) -> None:
        self._record_primary(PRIMARY)

    def _record_primary(self, pod: str) -> None:
        self._client.merge(CONFIG_MAPS, self._namespace, "postgres-topology", {"data": {"primary": pod}})
        selector = {"spec": {"selector": {"statefulset.kubernetes.io/pod-name": pod}}}
        self._client.merge(SERVICES, self._namespace, DATABASE, selector)

    def _stop_application(self) -> None:
        found = application(self._client, self._namespace)
        for each in found:
            self._scale(DEPLOYMENTS, each["metadata"]["name"], 0)
        for each in found:
            labels = each["spec"]["selector"]["matchLabels"]
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            self._wait_until_gone(partial(self._pods, selector), "it would write again too early")

    def _stop_database(self) -> None:
        for each in _stateful_sets(self._client, self._namespace):
            self._scale(STATEFUL_SETS, each["metadata"]["name"], 0)
        exchange = self._exchange
        claims = {exchange.incoming_claim, exchange.outgoing_claim, exchange.kept_claim, DATA_CLAIM}
        self._wait_until_gone(
            lambda: volumes.users_of(self._client, self._namespace, claims | set(self._replica_claims())),
            "it may still write, so no volume is moved",
        )

    def _retain(self) -> None:
        for volume in self._exchange.policies:
            volumes.set_reclaim_policy(self._client, volume, "Retain")

    def _release(self) -> None:
        exchange = self._exchange
        volumes.release(self._client, self._namespace, exchange.incoming_claim, exchange.incoming)
        if exchange.outgoing:
            volumes.release(self._client, self._namespace, exchange.outgoing_claim, exchange.outgoing)
        if exchange.outgoing_claim != DATA_CLAIM:
            self._drop_copy(DATA_CLAIM)

    def _bind(self) -> None:
        exchange = self._exchange
        if exchange.outgoing:
            volumes.bind(self._client, self._namespace, exchange.kept_claim, exchange.outgoing, {}, self._sleep)
        volumes.bind(self._client, self._namespace, DATA_CLAIM, exchange.incoming, LABELS, self._sleep)

    def _start_database(self) -> None:
        self._scale(STATEFUL_SETS, DATABASE, 1)
        self._wait_ready(STATEFUL_SETS, DATABASE, self._limits.start)

    def _start_application(self) -> None:
        names = self._names("Deployment")
        for name in names:
            self._scale(DEPLOYMENTS, name, self._exchange.replicas[f"Deployment {name}"])
        for name in names:
            self._wait_ready(DEPLOYMENTS, name, self._limits.start)

    def _drop_replicas(self) -> None:
        for claim in self._replica_claims():
            self._drop_copy(claim)

    def _start_replicas(self) -> None:
        wanted = self._exchange.replicas.get(f"StatefulSet {REPLICAS}", 0)
        if wanted:
            self._scale(STATEFUL_SETS, REPLICAS, wanted)
            self._wait_ready(STATEFUL_SETS, REPLICAS, self._limits.copy)

    def _tidy(self) -> None:
        for volume, policy in self._exchange.policies.items():
            volumes.set_reclaim_policy(self._client, volume, policy)
        remove_recovery(self._client, self._namespace)

    def _names(self, kind: str) -> list[str]:
        pairs = (name.split(" ") for name in self._exchange.replicas)
        return [name for of_kind, name in pairs if of_kind == kind]

    def _replica_claims(self) -> list[str]:
        found = self._client.list(volumes.CLAIMS, self._namespace)
        names = [each["metadata"]["name"] for each in found]
        return [name for name in names if name.startswith(f"postgres-data-{REPLICAS}-")]

    def _drop_copy(self, claim: str) -> None:
        """Remove a claim that holds a copy; never one of the two volumes that are exchanged."""
        if volumes.volume_of(self._client, self._namespace, claim) not in self._exchange.policies:
            remove(self._client, volumes.CLAIMS, self._namespace, claim)

    def _scale(self, kind: Any, name: str, replicas: int) -> None:
        found = self._client.find(kind, self._namespace, name)
        if found is not None and found["spec"].get("replicas") != replicas:
            self._client.merge(kind, self._namespace, name, {"spec": {"replicas": replicas}})

    def _pods(self, selector: str) -> list[str]:
        return [each["metadata"]["name"] for each in self._client.list(volumes.PODS, self._namespace, selector)]

    def _wait_until_gone(self, pods: Callable[[], Iterable[str]], because: str) -> None:
        deadline = self._clock() + self._limits.stop
        while left := sorted(pods()):
            if self._clock() > deadline:
                raise KubeError(
                    f"Pod {left[0]} is not gone after {self._limits.stop:.0f} s: {because}."
                    f" See `kubectl describe pod {left[0]} -n {self._namespace}`, then run this again."
                )
            self._sleep(0.5)
            self._beat()

    def _wait_ready(self, kind: Any, name: str, seconds: float) -> None:
        deadline = self._clock() + seconds
        said = ""
        while True:
            found = self._client.find(kind, self._namespace, name)
            if found is None:
                return
            state = progress(found)
            if state.ready:
                return
            if state.failure or self._clock() > deadline:
                why = state.failure or f"is not ready after {seconds:.0f} s ({state.message})"
                raise KubeError(
                    f"{kind.name} {name} {why}: see `kubectl describe {kind.name.lower()} {name}"
                    f" -n {self._namespace}` and its pods' logs, then run this again."
                )
            if state.message != said:
                said = state.message
                self._say(f"     {kind.name} {name}: {said}")
            self._sleep(0.5)
            self._beat()


def remove_recovery(client: Client, namespace: str) -> None:
    """Remove the server that shows the recovered database, not its volume."""
    remove(client, STATEFUL_SETS, namespace, RECOVERY)
    for kind, name in ((SERVICES, RECOVERY), (WELL_KNOWN["networking.k8s.io/v1", "NetworkPolicy"], RECOVERY)):
        client.delete(kind, namespace, name)


def _stateful_sets(client: Client, namespace: str) -> list[Manifest]:
    found = (client.find(STATEFUL_SETS, namespace, name) for name in (DATABASE, REPLICAS, RECOVERY))
    return [each for each in found if each is not None]


def _name(workload: Mapping[str, Any]) -> str:
    return f"{workload['kind']} {workload['metadata']['name']}"
