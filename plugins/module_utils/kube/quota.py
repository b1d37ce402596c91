# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the ResourceQuotas of a namespace let further pods in. Pure functions over plain objects.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..text.quantities import cpu_millicores, cpu_quantity, memory_bytes, memory_quantity
from .capacity import pod_limit, pod_request

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Addition:
    """Pods that are to come: how many, and the spec of each."""

    pods: int
    spec: Object


@dataclass(frozen=True)
class _Resource:
    """How a quota's resource is read, counted for one pod, and written."""

    read: Callable[[object], int]
    of_pod: Callable[[Object], int]
    write: Callable[[int], str]


_PODS = _Resource(lambda value: int(str(value)), lambda _pod: 1, str)
_CPU = _Resource(cpu_millicores, lambda pod: pod_request(pod).cpu, lambda count: cpu_quantity(f"{count}m"))
_MEMORY = _Resource(memory_bytes, lambda pod: pod_request(pod).memory, memory_quantity)
_RESOURCES: Mapping[str, _Resource] = {
    "pods": _PODS,
    "count/pods": _PODS,
    "cpu": _CPU,
    "requests.cpu": _CPU,
    "limits.cpu": _Resource(cpu_millicores, lambda pod: pod_limit(pod).cpu, _CPU.write),
    "memory": _MEMORY,
    "requests.memory": _MEMORY,
    "limits.memory": _Resource(memory_bytes, lambda pod: pod_limit(pod).memory, memory_quantity),
}


def shortages(quotas: Iterable[Object], additions: Iterable[Addition]) -> list[str]:
    """One sentence for each resource of a quota that does not suffice for all the pods that are to come."""
    coming = [addition for addition in additions if addition.pods > 0]
    found = []
    for quota in quotas:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or quota["spec"].get("hard") or {}, status.get("used") or {}
        counted = [addition for addition in coming if _counts(quota["spec"], addition.spec)]
        for name, resource in _RESOURCES.items():
            needed = sum(addition.pods * resource.of_pod(addition.spec) for addition in counted)
            if name not in hard or not needed:
                continue
            left = max(0, resource.read(hard[name]) - resource.read(used.get(name, 0)))
            if needed > left:
                pods = sum(addition.pods for addition in counted)
                found.append(
                    f"ResourceQuota {quota['metadata']['name']} leaves {resource.write(left)} of {hard[name]} {name}, and"
                    f" {pods} more pod{'s need' if pods > 1 else ' needs'} {resource.write(needed)}."
                )
    return found


def _counts(spec: Object, pod: Object) -> bool:
    """Whether a quota counts such a pod: all of its scopes must match."""
    expressions = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or []]
    expressions += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_matches(expression, pod) for expression in expressions)


def _matches(expression: Object, pod: Object) -> bool:
    match expression["scopeName"]:
        case "Terminating":
            return pod.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return pod.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return not _has_resources(pod)
        case "NotBestEffort":
            return _has_resources(pod)
        case "PriorityClass":
            return _has_priority(expression, str(pod.get("priorityClassName") or ""))
        case _:
            return False


def _has_priority(expression: Object, name: str) -> bool:
    match expression["operator"]:
        case "In":
            return name in (expression.get("values") or [])
        case "NotIn":
            return name not in (expression.get("values") or [])
        case "DoesNotExist":
            return not name
        case _:
            return bool(name)


def _has_resources(pod: Object) -> bool:
    containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    return any(values for each in containers for values in (each.get("resources") or {}).values())
