# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workloads that are named one by one, each as `Kind/name`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import Client
from .errors import KubeError
from .kinds import Kind
from .rollout import WORKLOAD_KINDS, Scope
from .workload import wanted_pods

_KINDS = {kind.name.lower(): kind for kind in WORKLOAD_KINDS}


@dataclass(frozen=True)
class Named(Scope):
    """Nothing but these workloads.

    at_least: pods that an autoscaler still has to ask for, by the name of a workload; it is not ready before.
    """

    names: tuple[tuple[Kind, str], ...] = ()
    at_least: Mapping[str, int] = field(default_factory=dict)

    def workloads(self, client: Client) -> list[dict[str, Any]]:
        found = [client.find(kind, self.namespace, name) for kind, name in self.names]
        return [self._wanted(item) for item in found if item is not None]

    def _wanted(self, workload: dict[str, Any]) -> dict[str, Any]:
        wanted = self.at_least.get(workload["metadata"]["name"], 0)
        if wanted <= wanted_pods(workload):
            return workload
        return {**workload, "spec": {**workload["spec"], "replicas": wanted}}


def parsed(texts: Iterable[str]) -> tuple[tuple[Kind, str], ...]:
    """(kind, name) of each `Kind/name`, each once."""
    found: dict[tuple[Kind, str], None] = {}
    for text in texts:
        kind, _slash, name = text.partition("/")
        if kind.lower() not in _KINDS or not name or "/" in name:
            kinds = ", ".join(kind.name for kind in WORKLOAD_KINDS)
            raise KubeError(f'"{text}" names no workload: write Kind/name with one of the kinds {kinds}.')
        found[_KINDS[kind.lower()], name] = None
    return tuple(found)


def present(client: Client, scope: Named) -> list[dict[str, Any]]:
    """The named workloads; raises KubeError when one is not there."""
    found = scope.workloads(client)
    there = {(item["kind"], item["metadata"]["name"]) for item in found}
    missing = [f"{kind.name} {name}" for kind, name in scope.names if (kind.name, name) not in there]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise KubeError(
            f"{' and '.join(missing)} {verb} not in namespace {scope.namespace}:"
            f" `kubectl get deployments,statefulsets,daemonsets -n {scope.namespace}` lists what is."
        )
    return found
