# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kinds of objects: how their URL is made, in which order they are applied, what may be pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """One kind as the API server serves it; api_version is `v1` or `group/version`."""

    api_version: str
    name: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        return f"/{'apis' if self.group else 'api'}/{self.api_version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """URL path of one object, or of all objects when the name is empty."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{quote(namespace, safe='')}")
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


def _kinds() -> dict[tuple[str, str], Kind]:
    namespaced = {
        "v1": "ConfigMap Endpoints:endpoints Event LimitRange PersistentVolumeClaim Pod ResourceQuota Secret Service"
        " ServiceAccount",
        "apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
        "autoscaling/v2": "HorizontalPodAutoscaler",
        "batch/v1": "CronJob Job",
        "coordination.k8s.io/v1": "Lease",
        "discovery.k8s.io/v1": "EndpointSlice",
        "networking.k8s.io/v1": "Ingress:ingresses NetworkPolicy:networkpolicies",
        "policy/v1": "PodDisruptionBudget",
        "rbac.authorization.k8s.io/v1": "Role RoleBinding",
    }
    cluster_wide = {
        "v1": "Namespace Node PersistentVolume",
        "apiextensions.k8s.io/v1": "CustomResourceDefinition",
        "apiregistration.k8s.io/v1": "APIService",
        "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding",
        "scheduling.k8s.io/v1": "PriorityClass:priorityclasses",
        "storage.k8s.io/v1": "StorageClass:storageclasses",
    }
    table = {}
    for is_namespaced, groups in ((True, namespaced), (False, cluster_wide)):
        for api_version, names in groups.items():
            for entry in names.split():
                name, _colon, plural = entry.partition(":")
                table[api_version, name] = Kind(api_version, name, plural or f"{name.lower()}s", is_namespaced)
    return table


# Kinds whose URL is the same in every Kubernetes we support: no discovery request for them.
WELL_KNOWN: Mapping[tuple[str, str], Kind] = _kinds()

# What others refer to comes first, so that pods never wait for what they mount.
APPLY_ORDER = (
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "NetworkPolicy",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "StatefulSet",
    "Deployment",
    "Job",
    "CronJob",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "Ingress",
)
_RANK = {kind: rank for rank, kind in enumerate(APPLY_ORDER)}

WORKLOADS = frozenset({"DaemonSet", "Deployment", "Job", "StatefulSet"})

# Removing one of these removes data, or what holds data: reported, never deleted.
NEVER_PRUNED = frozenset(
    {"CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Secret", "StatefulSet"}
)


def apply_rank(manifest: Mapping[str, Any]) -> int:
    """Place of a manifest in the order of applying; kinds that we do not know come last."""
    return _RANK.get(str(manifest.get("kind")), len(_RANK))


def is_namespaced(api_version: str, name: str) -> bool:
    """Whether a kind lives in a namespace; kinds that we do not know are taken to do so."""
    kind = WELL_KNOWN.get((api_version, name))
    return kind is None or kind.namespaced
