# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster must have before an environment can be deployed to it. Pure: it judges what others have read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

# What the roles create, as (API group, resource); namespaced but for the first.
NEEDED_RIGHTS: tuple[tuple[str, str], ...] = (
    ("", "namespaces"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
)


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor number of a Kubernetes version such as C(v1.36.3) or C(1.30+).

    :raises ValueError: when the text has no two numbers
    """
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if not found:
        raise ValueError(f'"{text}" is not a version of Kubernetes such as 1.30.')
    return int(found[1]), int(found[2])


def check_version(server: str, minimum: str) -> list[str]:
    """One sentence when the server is older than what the roles need."""
    if parse_version(server) >= parse_version(minimum):
        return []
    return [f"The cluster runs Kubernetes {server}, which is too old: {minimum} or newer is needed."]


def check_storage(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence when no StorageClass, or none that is the default, exists."""
    if any(_annotations(item).get(DEFAULT_CLASS) == "true" for item in classes):
        return []
    names = ", ".join(sorted(item["metadata"]["name"] for item in classes)) or "none at all"
    return [
        f"The cluster has no default StorageClass (it has: {names}), so no volume can be made: mark one with "
        f"kubectl annotate storageclass NAME {DEFAULT_CLASS}=true."
    ]


def check_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence when no node can take pods."""
    if any(_ready(node) and not node.get("spec", {}).get("unschedulable") for node in nodes):
        return []
    return [f"None of the {len(nodes)} nodes of the cluster is ready and takes pods: kubectl get nodes tells more."]


def check_metrics(available: bool) -> list[str]:
    """One sentence when the resource metrics API does not answer."""
    if available:
        return []
    return [
        "The cluster has no resource metrics (metrics.k8s.io), which the autoscaler needs: install metrics-server "
        "or set cluster_require_metrics to false."
    ]


def check_rights(allowed: Mapping[tuple[str, str], bool], namespace: str) -> list[str]:
    """One sentence that names every kind of object which the user may not write."""
    missing = [f"{resource}.{group}" if group else resource for (group, resource), ok in allowed.items() if not ok]
    if not missing:
        return []
    return [
        f"The user of this kubeconfig may not patch {', '.join(missing)} in namespace {namespace}: "
        "ask for a role that allows get, list, create, patch and delete on them."
    ]


def _annotations(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
