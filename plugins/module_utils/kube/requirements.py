# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster must have before an environment can be deployed to it. Pure: it judges what others have read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

# What the roles create, as (API group, resource).
APPLIED: tuple[tuple[str, str], ...] = (
    ("", "secrets"),
    ("", "configmaps"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "resourcequotas"),
    ("", "limitranges"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
)
NEVER_DELETED = frozenset({("", "secrets"), ("apps", "statefulsets")})


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a kind of object."""

    verb: str
    group: str
    resource: str

    @property
    def kind(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


# What one release of the application does.
RELEASE_RIGHTS = (
    *(Right(verb, "apps", "deployments") for verb in ("list", "create", "patch")),
    *(Right(verb, "", "configmaps") for verb in ("list", "create", "delete")),
    *(Right(verb, "batch", "jobs") for verb in ("get", "create", "patch", "delete")),
    *(Right(verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "patch")),
    Right("patch", "autoscaling", "horizontalpodautoscalers"),
    Right("patch", "policy", "poddisruptionbudgets"),
    Right("list", "", "pods"),
    Right("get", "", "pods/log"),
    Right("get", "", "services/proxy"),
)
# A server-side apply of what is new is a patch and a create at once.
_APPLY_RIGHTS = (
    Right("get", "", "namespaces"),
    Right("patch", "", "namespaces"),
    *(
        Right(verb, *kind)
        for kind in APPLIED
        for verb in ("get", "list", "create", "patch", "delete")
        if verb != "delete" or kind not in NEVER_DELETED
    ),
)
NEEDED_RIGHTS = tuple(dict.fromkeys([*_APPLY_RIGHTS, *RELEASE_RIGHTS]))
# What explains a failure; a deploy goes on without it.
HELPFUL_RIGHTS = (
    Right("list", "", "events"),
    Right("list", "", "persistentvolumeclaims"),
    Right("list", "apps", "replicasets"),
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


def covers(rules: Iterable[Mapping[str, Any]], right: Right) -> bool:
    """Whether one of the rules of a SelfSubjectRulesReview gives a right on every object of its kind."""
    return any(
        _names(rule, "verbs", right.verb)
        and _names(rule, "apiGroups", right.group)
        and (
            _names(rule, "resources", right.resource)
            or _names(rule, "resources", f"*/{right.resource.partition('/')[2]}")
        )
        and not rule.get("resourceNames")
        for rule in rules
    )


def missing(rights: Iterable[Right], rules: Sequence[Mapping[str, Any]], may: Callable[[Right], bool]) -> list[Right]:
    """Which rights the user lacks. The listed rules say nearly always all; what they do not list, `may` is asked about."""
    return [right for right in rights if not covers(rules, right) and not may(right)]


def check_rights(missing: Iterable[Right], namespace: str) -> list[str]:
    """One sentence that names all rights which the user lacks."""
    lacking = _by_kind(missing)
    if not lacking:
        return []
    return [
        f"The user of this kubeconfig lacks rights in namespace {namespace} that a deploy needs: ask for a role that"
        f" allows {lacking}."
    ]


def check_helpful_rights(missing: Iterable[Right], namespace: str) -> list[str]:
    """One sentence about what will not be seen of a failure."""
    lacking = _by_kind(missing)
    if not lacking:
        return []
    return [f"The user of this kubeconfig lacks {lacking} in namespace {namespace}: failures are told without them."]


def _by_kind(rights: Iterable[Right]) -> str:
    """`get, list secrets; create jobs.batch`: kinds that lack the same verbs are named together."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(right.kind, []).append(right.verb)
    kinds: dict[str, list[str]] = {}
    for kind, lacking in verbs.items():
        kinds.setdefault(", ".join(lacking), []).append(kind)
    return "; ".join(f"{lacking} on {', '.join(of_kinds)}" for lacking, of_kinds in kinds.items())


def _names(rule: Mapping[str, Any], field: str, wanted: str) -> bool:
    names = rule.get(field) or []
    return wanted in names or "*" in names


def _annotations(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
