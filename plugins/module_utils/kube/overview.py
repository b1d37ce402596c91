# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line for each workload of an environment. Pure functions over plain objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .manifests import SET_LABEL
from .pod import doing, is_ready
from .workload import is_owned, ready_pods, wanted_pods

Object = Mapping[str, Any]

HEADINGS = ("component", "kind", "version", "ready", "address", "age")
DETAILS = ("component", "kind", "version", "ready", "scaling", "restarts", "address", "age")


@dataclass(frozen=True)
class Component:
    component: str
    kind: str
    set: str
    version: str
    ready: str
    address: str
    age: str
    scaling: str = ""
    restarts: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What else is told about workloads; empty where nobody asks for it."""

    services: Sequence[Object] = ()
    autoscalers: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()


def components(workloads: Iterable[Object], around: Surroundings, now: datetime) -> list[Component]:
    """The workloads as they are shown, in the order given, each followed by its pods."""
    found = []
    for workload in workloads:
        found.append(_component(workload, around, now))
        found += [_pod(pod, workload, now) for pod in _pods_of(workload, around)]
    return found


def table(rows: Iterable[Component], headings: Sequence[str] = HEADINGS) -> list[str]:
    """Aligned lines with a heading; none when there is nothing to show."""
    cells = [tuple(getattr(row, name) or "-" for name in headings) for row in rows]
    if not cells:
        return []
    cells.insert(0, tuple(name.upper() for name in headings))
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def version_of(image: str) -> str:
    """`v1.2.3` of `registry:5000/api:v1.2.3`; of a digest its first 12 digits."""
    image, _at, digest = image.partition("@")
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag or (f"sha256:{digest.removeprefix('sha256:')[:12]}" if digest else "latest")


def age(created: str, now: datetime) -> str:
    """Time since then in its largest unit, as kubectl shows it: 45s, 12m, 3h, 8d."""
    seconds = max(0, int((now - datetime.fromisoformat(created)).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size * 2 or (unit == "m" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _component(workload: Object, around: Surroundings, now: datetime) -> Component:
    metadata = workload["metadata"]
    pod = workload["spec"]["template"]
    services = sorted(around.services, key=lambda service: service["metadata"]["name"] != metadata["name"])
    return Component(
        component=metadata["name"],
        kind=workload["kind"],
        set=metadata["labels"][SET_LABEL],
        version=version_of(pod["spec"]["containers"][0]["image"]),
        ready=f"{ready_pods(workload)}/{wanted_pods(workload)}",
        address=_address(pod, services),
        age=age(metadata["creationTimestamp"], now),
        scaling=_scaling(workload, around.autoscalers),
    )


def _pods_of(workload: Object, around: Surroundings) -> list[Object]:
    owners = [workload, *(item for item in around.replica_sets if is_owned(item, workload))]
    return [pod for pod in around.pods if any(is_owned(pod, owner) for owner in owners)]


def _pod(pod: Object, workload: Object, now: datetime) -> Component:
    metadata, status = pod["metadata"], pod.get("status") or {}
    restarts = sum(int(each.get("restartCount") or 0) for each in status.get("containerStatuses") or [])
    state = "stopping" if metadata.get("deletionTimestamp") else "ready" if is_ready(pod) else doing(pod)
    return Component(
        component=f"  {metadata['name']}",
        kind="Pod",
        set=workload["metadata"]["labels"][SET_LABEL],
        version=version_of(pod["spec"]["containers"][0]["image"]),
        ready=state,
        address=str(pod["spec"].get("nodeName") or ""),
        age=age(metadata["creationTimestamp"], now),
        restarts=str(restarts),
    )


def _scaling(workload: Object, autoscalers: Iterable[Object]) -> str:
    """`3..20, cpu 41% of 70%` of the autoscaler that owns the number of pods."""
    for each in autoscalers:
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]):
            current = {
                item["resource"]["name"]: (item["resource"].get("current") or {}).get("averageUtilization")
                for item in (each.get("status") or {}).get("currentMetrics") or []
                if item.get("type") == "Resource"
            }
            uses = [
                f"{item['resource']['name']} {_percent(current.get(item['resource']['name']))} of"
                f" {_percent(item['resource']['target'].get('averageUtilization'))}"
                for item in each["spec"].get("metrics") or []
                if item.get("type") == "Resource"
            ]
            return ", ".join([f"{each['spec'].get('minReplicas', 1)}..{each['spec']['maxReplicas']}", *uses])
    return ""


def _percent(value: Any) -> str:
    return "?" if value is None else f"{value}%"


def _address(pod: Object, services: Sequence[Object]) -> str:
    """Name and port of the first Service that selects the pods, or a single pod of them."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    for service in services:
        spec = service.get("spec") or {}
        selector = {
            key: value
            for key, value in (spec.get("selector") or {}).items()
            if key not in ("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index")
        }
        if selector and all(labels.get(key) == value for key, value in selector.items()) and spec.get("ports"):
            return f"{service['metadata']['name']}:{spec['ports'][0]['port']}"
    return ""
