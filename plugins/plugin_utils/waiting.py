# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wait for workloads as the result of a task, with what is behind a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from ..module_utils.kube import evidence
from ..module_utils.kube.client import Client
from ..module_utils.kube.diagnosis import Finding, describe
from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.kinds import WELL_KNOWN
from ..module_utils.kube.lease import keeper
from ..module_utils.kube.rollout import Limits, Look, Outcome, Scope, Waiter, look
from ..module_utils.kube.workload import current_replica_set
from .connect import connect

WAIT_ARGUMENTS: dict[str, Any] = {
    "timeout": {"type": "int", "default": 600},
    "unschedulable_grace": {"type": "int", "default": 15},
    "interval": {"type": "int", "default": 10},
    "log_lines": {"type": "int", "default": 20},
    "lease": {"type": "dict"},
}


def wait(arguments: dict[str, Any], scope: Scope, names: str, show: Callable[[str], Any]) -> dict[str, Any]:
    """Wait until all is rolled out. names: what is waited for, should nothing of it be there."""
    limits = Limits(
        arguments["timeout"], arguments["unschedulable_grace"], arguments["interval"], patient=bool(arguments["lease"])
    )
    waiter = Waiter(
        connect=partial(connect, arguments),
        scope=scope,
        limits=limits,
        say=lambda line: show(f"  {line}"),
        beat=keeper(scope.namespace, arguments["lease"]),
    )
    outcome = waiter.wait()
    if not outcome.look.snapshot.workloads:
        raise KubeError(
            f"Nothing to wait for: no workload of {names} is in namespace {scope.namespace}; apply it first."
        )
    result = {**seen(outcome.look), "seconds": round(outcome.seconds, 1)}
    if outcome.look.is_ready and not outcome.failures:
        return result | {"replica_sets": _replica_sets(waiter.client, outcome.look, scope.namespace)}
    return result | _failure(waiter.client, outcome, arguments, show)


def examined(arguments: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """What is to be seen of all workloads now, as evidence; without a wait, and whether they are ready or not."""
    client = connect(arguments)
    current = look(client, scope, closely=True)
    hide = evidence.masker(client, scope.namespace)
    found = [
        evidence.collect(
            client,
            _finding(workload, f"{progress.message}.", current),
            current.snapshot,
            hide,
            arguments["log_lines"],
            every_log=True,
        )
        for workload, progress in current.pairs()
    ]
    return {**seen(current), "evidence": [asdict(each) for each in found]}


def seen(current: Look) -> dict[str, Any]:
    """Return values about one look."""
    workloads = [
        {
            "kind": workload["kind"],
            "name": workload["metadata"]["name"],
            "ready": progress.ready,
            "message": progress.message,
        }
        for workload, progress in current.pairs()
    ]
    return {"changed": False, "workloads": workloads, "seconds": 0.0, "msg": current.line()}


def _replica_sets(client: Client, current: Look, namespace: str) -> dict[str, str]:
    """Of each Deployment the ReplicaSet that its pods are of now, whose name theirs begin with."""
    deployments = [workload for workload in current.snapshot.workloads if workload["kind"] == "Deployment"]
    found = client.list(WELL_KNOWN["apps/v1", "ReplicaSet"], namespace) if deployments else []
    pairs = ((each["metadata"]["name"], current_replica_set(each, found)) for each in deployments)
    return {name: replica_set["metadata"]["name"] for name, replica_set in pairs if replica_set is not None}


def _failure(client: Client, outcome: Outcome, arguments: dict[str, Any], show: Callable[[str], Any]) -> dict[str, Any]:
    snapshot = outcome.look.snapshot
    hide = evidence.masker(client, arguments["namespace"])
    causes = outcome.failures or [_not_in_time(outcome, workload) for workload in _unready(outcome.look)]
    found = [evidence.collect(client, cause, snapshot, hide, arguments["log_lines"]) for cause in causes]
    for each in found:
        show("\n".join(each.lines()))
    commands = " and ".join(dict.fromkeys(f"`{each.command}`" for each in found))
    reasons = " ".join(each.reason for each in found)
    return {"failed": True, "msg": f"{reasons} See {commands}.", "evidence": [asdict(each) for each in found]}


def _unready(current: Look) -> list[Mapping[str, Any]]:
    return [workload for workload, progress in current.pairs() if not progress.ready]


def _not_in_time(outcome: Outcome, workload: Mapping[str, Any]) -> Finding:
    message = next(progress.message for other, progress in outcome.look.pairs() if other is workload)
    reason = f"{describe(workload)} is not ready after {outcome.seconds:.0f} s: {message}."
    return _finding(workload, reason, outcome.look)


def _finding(workload: Mapping[str, Any], reason: str, current: Look) -> Finding:
    metadata = workload["metadata"]
    return Finding(
        key=(metadata["uid"],),
        workload=workload,
        reason=reason,
        command=f"kubectl describe {workload['kind'].lower()} {metadata['name']} -n {metadata['namespace']}",
        pods=tuple(current.snapshot.pods_of(workload)),
    )
